"""Containment says yes only where nobody can show otherwise: tables of cases, and probing at random."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iam_guard.directory.containment import contained
from iam_guard.directory.globs import Glob, Wild, action_glob, covers, meets
from iam_guard.directory.rights import bearing_on, rights
from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import AuthorizationRequest, Principal, normalise_context
from iam_guard.policy.document import Mode, PolicyKind
from iam_guard.policy.parse import parse_policy

ANN, BEN = Principal.user("ann"), Principal.user("ben")
HOME = "arn:app:docs::000000000000:"


def statement(effect: str = "Allow", action: Any = "docs:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def deny(action: Any = "docs:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return statement("Deny", action, resource, **more)


def policies(*statements: dict[str, Any], kind: PolicyKind = PolicyKind.IDENTITY) -> tuple[Policy, ...]:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return (Policy("p", parse_policy(text, kind=kind, mode=Mode.IMPORT)),) if statements else ()


def attached(inner: Any, outer: Any, *, inner_boundary: Any = (), outer_boundary: Any = (), everyone: Any = (),
             scp: Any = ()) -> Attachments:
    holders = {who.arn: Holder(who.arn, policies(*own), next(iter(policies(*edge, kind=PolicyKind.BOUNDARY)), None))
               for who, own, edge in ((ANN, inner, inner_boundary), (BEN, outer, outer_boundary))}
    rails = {ANN.account: Guardrails((policies(*scp, kind=PolicyKind.SCP),))} if scp else {}
    return Attachments(policies(*everyone), holders, guardrails=rails)


def is_contained(inner: Any, outer: Any, **more: Any) -> bool:
    """Whether it is sure that Ann may do nothing that Ben may not."""
    attachments = attached(inner, outer, **more)
    return contained(rights(bearing_on(attachments, ANN), wider=True),
                     rights(bearing_on(attachments, BEN), wider=False))


MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
TEAM = {"StringEquals": {"aws:PrincipalTag/team": "red"}}

YES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "nothing at all": ([], [], {}),
    "the same": ([statement()], [statement()], {}),
    "a pattern under a pattern": ([statement(action="docs:Get*")], [statement(action="DOCS:g*")], {}),
    "an action of everything": ([statement()], [statement(action="*")], {}),
    "a resource under a pattern": ([statement(resource=HOME + "doc/a*/1")], [statement(resource=HOME + "doc/*")], {}),
    "a region in a star": ([statement(resource=HOME + "doc/1")],
                           [statement(resource="arn:app:docs:*:000000000000:doc/*")], {}),
    "several statements together": ([statement(action=["docs:Get", "docs:Put"], resource=[HOME + "a", HOME + "b"])],
                                    [statement(action="docs:Get"), statement(action="docs:Put", resource=HOME + "a"),
                                     statement(action="docs:*", resource=HOME + "b")], {}),
    "under one more condition": ([statement(Condition=MFA)], [statement()], {}),
    "under the same condition": ([statement(Condition=MFA)], [statement(Condition=MFA)], {}),
    "fewer values": ([statement(Condition={"StringLike": {"docs:kind": ["a*"]}})],
                     [statement(Condition={"stringlike": {"Docs:Kind": ["b", "a*"]}})], {}),
    "more values of a negated operator": ([statement(Condition={"StringNotEquals": {"docs:kind": ["a", "b"]}})],
                                          [statement(Condition={"StringNotEquals": {"docs:kind": "a"}})], {}),
    "with and without IfExists": ([statement(Condition={"StringEquals": {"docs:kind": "a"}})],
                                  [statement(Condition={"StringEqualsIfExists": {"docs:kind": "a"}})], {}),
    "what both are denied": ([statement(), deny("docs:Put")], [statement(), deny("docs:Put")], {}),
    "what the inner one is denied more widely": ([statement(), deny("docs:P*")], [statement(), deny("docs:Put")], {}),
    "a denial elsewhere": ([statement(action="docs:Get")], [statement(), deny("docs:Put")], {}),
    "a denial of another resource": ([statement(resource=HOME + "doc/*")], [statement(), deny(resource=HOME + "x")],
                                     {}),
    "as far as its boundary": ([statement(action="*")], [statement(action="docs:Get")],
                               {"inner_boundary": [statement(action="docs:Get")]}),
    "a boundary that reaches across": ([statement(action="docs:G*")], [statement(action="docs:Get*")],
                                       {"inner_boundary": [statement(action=["docs:Get*", "other:*"])]}),
    "the same boundary": ([statement()], [statement(action="*")],
                          {"inner_boundary": [statement(action="docs:Get")],
                           "outer_boundary": [statement(action="docs:Get")]}),
    "a narrower boundary": ([statement()], [statement(action="*")],
                            {"inner_boundary": [statement(action="docs:Get", Condition=MFA)],
                             "outer_boundary": [statement(action="docs:Get")]}),
    "one organization over both": ([statement()], [statement()], {"scp": [statement(action="docs:Get")]}),
    "everything but more": ([{"Effect": "Allow", "NotAction": ["iam:*", "docs:*"], "Resource": "*"}],
                            [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], {}),
    "beside what is left out": ([statement()], [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], {}),
    "a resource beside what is left out": ([statement(resource=HOME + "doc/1")],
                                           [{"Effect": "Allow", "Action": "*", "NotResource": HOME + "x*"}], {}),
    "a name that only one has": ([statement(resource=HOME + "${aws:username}/*")],
                                 [statement(resource=HOME + "ann/*")], {}),
    "a value that comes with the request": ([statement(resource=HOME + "${docs:shelf}/1")],
                                            [statement(resource=HOME + "${docs:shelf}/*")], {}),
    "whatever a tag may say": ([statement(resource=HOME + "${aws:PrincipalTag/team}/*")],
                               [statement(resource=HOME + "*")], {}),
    "what everybody is granted by name": ([], [], {"everyone": [statement(resource=HOME + "${aws:username}/*")]}),
}

NO: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "another action": ([statement(action="docs:Put")], [statement(action="docs:Get")], {}),
    "a wider pattern": ([statement(action="docs:G*")], [statement(action="docs:Get*")], {}),
    "everything": ([statement(action="*")], [statement()], {}),
    "a longer name": ([statement(resource=HOME + "doc/*")], [statement(resource=HOME + "doc/?")], {}),
    "another case of a resource": ([statement(resource=HOME + "Doc")], [statement(resource=HOME + "doc")], {}),
    "a star that does not cross colons": ([statement(resource="arn:app:docs:a:b:000000000000:q")],
                                          [statement(resource="arn:app:docs:*:000000000000:q")], {}),
    "no resource in particular": ([statement()], [statement(resource="arn:*")], {}),
    "no condition": ([statement()], [statement(Condition=MFA)], {}),
    "another condition": ([statement(Condition={"Bool": {"aws:SecureTransport": "true"}})],
                          [statement(Condition=MFA)], {}),
    "more values": ([statement(Condition={"StringEquals": {"docs:kind": ["a", "b"]}})],
                    [statement(Condition={"StringEquals": {"docs:kind": "a"}})], {}),
    "fewer values of a negated operator": ([statement(Condition={"StringNotEquals": {"docs:kind": "a"}})],
                                           [statement(Condition={"StringNotEquals": {"docs:kind": ["a", "b"]}})], {}),
    "IfExists without": ([statement(Condition={"StringEqualsIfExists": {"docs:kind": "a"}})],
                         [statement(Condition={"StringEquals": {"docs:kind": "a"}})], {}),
    "another qualifier": ([statement(Condition={"ForAllValues:StringEquals": {"docs:kinds": "a"}})],
                          [statement(Condition={"ForAnyValue:StringEquals": {"docs:kinds": "a"}})], {}),
    "a denial of the outer one": ([statement()], [statement(), deny("docs:Put")], {}),
    "a weaker denial": ([statement(), deny("docs:Put", Condition=MFA)], [statement(), deny("docs:Put")], {}),
    "a denial of everything but": ([statement()], [statement(), {"Effect": "Deny", "NotAction": "docs:Get",
                                                                 "Resource": "*"}], {}),
    "a boundary of the outer one": ([statement()], [statement()],
                                    {"outer_boundary": [statement(action="docs:Get")]}),
    "a boundary of the outer one, which grants nothing": ([statement()], [], {"outer_boundary": [statement()]}),
    "everybody's, but for a boundary": ([], [], {"everyone": [statement()],
                                                 "outer_boundary": [statement(action="docs:Get")]}),
    "everybody's by name, but for a denial": ([], [deny()],
                                              {"everyone": [statement(resource=HOME + "${aws:username}/*")]}),
    "what is left out": ([statement(action="iam:Get*")],
                         [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], {}),
    "less that is left out": ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
                              [{"Effect": "Allow", "NotAction": ["iam:*", "docs:*"], "Resource": "*"}], {}),
    "each their own": ([statement(resource=HOME + "${aws:username}/*")],
                       [statement(resource=HOME + "${aws:username}/*")], {}),
    "the same tag, of which nothing is known": ([statement(Condition=TEAM)], [statement(Condition=TEAM)], {}),
    "a value that is a name": ([statement(Condition={"StringEquals": {"docs:owner": "${aws:username}"}})],
                               [statement(Condition={"StringEquals": {"docs:owner": "${aws:username}"}})], {}),
    "a tag that denies": ([statement()], [statement(), deny(Condition=TEAM)], {}),
    "a tag that denies both, perhaps": ([statement(), deny(Condition=TEAM)], [statement(), deny(Condition=TEAM)], {}),
    "a default that is not there": ([statement(resource=HOME + "${docs:shelf, 'x'}/1")],
                                    [statement(resource=HOME + "${docs:shelf}/1")], {}),
    # Whoever was given everything but something was not given leave to give that to others.
    "leave to grant more": ([statement(action="iam-guard:GrantBeyondOwn")], [statement(action="*"), deny("x:Y")], {}),
}


@pytest.mark.parametrize("case", YES.values(), ids=YES.keys())
def test_contained(case: tuple[Any, Any, dict[str, Any]]) -> None:
    inner, outer, more = case
    assert is_contained(inner, outer, **more)


@pytest.mark.parametrize("case", NO.values(), ids=NO.keys())
def test_not_contained(case: tuple[Any, Any, dict[str, Any]]) -> None:
    inner, outer, more = case
    assert not is_contained(inner, outer, **more)


def test_another_account_is_never_contained() -> None:
    other = Principal.user("cy", account="111111111111")
    attachments = Attachments(holders={who.arn: Holder(who.arn, policies(statement(action="*")))
                                       for who in (ANN, other)})
    assert not contained(rights(bearing_on(attachments, other), wider=True),
                         rights(bearing_on(attachments, ANN), wider=False))


def test_what_is_broken_may_do_nothing() -> None:
    attachments = Attachments(holders={ANN.arn: Holder(ANN.arn, policies(statement()), broken="it is"),
                                       BEN.arn: Holder(BEN.arn, policies(statement()))})
    ann, ben = bearing_on(attachments, ANN), bearing_on(attachments, BEN)
    assert contained(rights(ann, wider=True), rights(ben, wider=False))
    assert not contained(rights(ben, wider=True), rights(ann, wider=False))


def test_keys_that_a_provider_speaks_for_tell_callers_apart() -> None:
    same = [statement(Condition={"StringEquals": {"corp:desk": "7"}})]
    bearings = [bearing_on(attached(same, same), who) for who in (ANN, BEN)]
    inner, outer = (rights(one, wider=wider, personal=frozenset({"corp:desk"}))
                    for one, wider in zip(bearings, (True, False), strict=True))
    assert not contained(inner, outer)
    assert is_contained(same, same)


# --- patterns -------------------------------------------------------------------------------------------

TOKENS: list[Any] = ["a", ":", *Wild]
GLOBS: st.SearchStrategy[Glob] = st.lists(st.sampled_from(TOKENS), max_size=5).map(tuple)
TEXTS = ["".join(chars) for length in range(6) for chars in product("ab:", repeat=length)]


def matched(glob: Glob, text: str) -> bool:
    """By trying everything."""
    if not glob:
        return text == ""
    first, rest = glob[0], glob[1:]
    if first in (Wild.RUN, Wild.FIELD_RUN):
        lengths = [n for n in range(len(text) + 1) if first is Wild.RUN or ":" not in text[:n]]
        return any(matched(rest, text[n:]) for n in lengths)
    if text == "" or (first is Wild.FIELD_ONE and text[0] == ":"):
        return False
    return (first in (Wild.ONE, Wild.FIELD_ONE) or first == text[0]) and matched(rest, text[1:])


@given(GLOBS, GLOBS)
@settings(max_examples=300, deadline=None)
def test_covering_is_proved_and_meeting_is_found(one: Glob, other: Glob) -> None:
    ours, theirs = ({text for text in TEXTS if matched(glob, text)} for glob in (one, other))
    if covers(one, other):
        assert theirs <= ours
    if ours & theirs:
        assert meets(one, other)
    # Two patterns of at most five tokens that have a text in common have one of at most five characters.
    assert meets(one, other) == bool(ours & theirs) or len(one) + len(other) > 5
    assert meets(one, other) == meets(other, one)


@pytest.mark.parametrize(("wide", "narrow", "answer"), [
    ("*", "*", True), ("*", "a*", True), ("a*", "*", False), ("a*b*c", "a*xb?*c", True), ("a?", "a?", True),
    ("a?", "a*", False), ("a*", "a?", True), ("*b", "*ab", True), ("*ab", "*b", False), ("a**", "a*", True),
])
def test_covering(wide: str, narrow: str, answer: bool) -> None:
    assert covers(action_glob(wide), action_glob(narrow)) is answer


# --- probing --------------------------------------------------------------------------------------------

PROBE_ACTIONS = ["docs:Get", "docs:GetAll", "docs:Put", "iam:GetUser", "x:Y"]
PROBE_RESOURCES = ["*", HOME + "doc/1", HOME + "doc/12", HOME + "ann/1", HOME + "ben/1", "arn:app:docs:r:0:doc/1",
                   "arn:app:docs:r:1:000000000000:doc/1", HOME + "red/x"]
PROBE_CONTEXTS = [normalise_context(one) for one in (
    {}, {"docs:kind": "a"}, {"docs:kind": "b", "docs:shelf": "doc"}, {"docs:shelf": "ann", "docs:kinds": ["a", "b"]},
    {"aws:MultiFactorAuthPresent": True, "docs:owner": "ann"}, {"docs:kinds": ["a"], "docs:owner": "ben"})]
ACTIONS = st.lists(st.sampled_from(["docs:Get", "docs:G*", "docs:*", "*", "docs:Put", "docs:?ut", "iam:*"]),
                   min_size=1, max_size=2)
RESOURCES = st.lists(st.sampled_from(["*", HOME + "doc/*", HOME + "doc/1", HOME + "doc/?", "arn:app:docs:*:*:doc/1",
                                      "arn:app:docs:*", "arn:app:docs:*:000000000000:doc/1", HOME + "*/1",
                                      HOME + "${aws:username}/*", HOME + "${docs:shelf}/*",
                                      HOME + "${docs:shelf, 'doc'}/1", HOME + "${aws:PrincipalTag/team}/x"]),
                     min_size=1, max_size=2)
CONDITIONS = st.sampled_from([
    None, None, None, MFA, TEAM, {"StringEquals": {"docs:kind": "a"}}, {"StringEquals": {"docs:kind": ["a", "b"]}},
    {"StringNotEquals": {"docs:kind": "a"}}, {"StringNotEquals": {"docs:kind": ["a", "b"]}},
    {"StringEqualsIfExists": {"docs:kind": "a"}}, {"Null": {"docs:kind": "true"}},
    {"ForAllValues:StringEquals": {"docs:kinds": "a"}}, {"ForAnyValue:StringEquals": {"docs:kinds": ["a", "b"]}},
    {"StringEquals": {"docs:owner": "${aws:username}"}},
])


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))}
    made[draw(st.sampled_from(["Action", "Action", "Action", "NotAction"]))] = draw(ACTIONS)
    made[draw(st.sampled_from(["Resource", "Resource", "Resource", "NotResource"]))] = draw(RESOURCES)
    if condition := draw(CONDITIONS):
        made["Condition"] = condition
    return made


SOME = st.lists(statements(), max_size=3)


def shared_and_own(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """Two documents that have much in common, so that containment is not rare."""
    outer = draw(SOME)
    inner = [one for one in outer if draw(st.booleans())]
    if draw(st.booleans()):
        inner += draw(st.lists(statements(), max_size=1))
    return inner, outer


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    inner, outer = shared_and_own(draw)
    made: dict[str, Any] = {"inner": inner, "outer": outer, "everyone": draw(st.lists(statements(), max_size=1))}
    if draw(st.booleans()):
        made["inner_boundary"], made["outer_boundary"] = shared_and_own(draw)
    if draw(st.integers(0, 3)) == 0:
        made["scp"] = draw(st.lists(statements(), min_size=1, max_size=2))
    return made


def allowed(policy_set: PolicySet, who: Principal, action: str, resource: str, context: Any) -> bool:
    known = {**context, **policy_set.principal_context(who)}
    return policy_set.evaluate(AuthorizationRequest(who, action, resource, known)).allowed


@given(situations(), st.sampled_from(["red", "blue", ""]), st.sampled_from(["red", "blue", ""]))
@settings(max_examples=400, deadline=None)
def test_no_probe_shows_otherwise(situation: dict[str, Any], inner_team: str, outer_team: str) -> None:
    attachments = attached(**situation)
    if not is_contained(**situation):
        return
    policy_set = PolicySet(attachments)
    ann, ben = (Principal.user(name, tags={"team": team} if team else {})
                for name, team in (("ann", inner_team), ("ben", outer_team)))
    assured = PolicySet(attached([], [], everyone=situation["everyone"]))
    for action, resource, context in product(PROBE_ACTIONS, PROBE_RESOURCES, PROBE_CONTEXTS):
        if allowed(policy_set, ann, action, resource, context):
            # What everybody is granted in terms of who they are is nobody's gift.
            assert (allowed(policy_set, ben, action, resource, context)
                    or allowed(assured, ann, action, resource, context))
