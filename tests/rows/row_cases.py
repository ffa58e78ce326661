"""Generated policies and rows: small alphabets, so that they meet, and everything unpleasant that a policy can hold."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.model import Principal
from iam_guard.policy.document import Mode, PolicyKind
from iam_guard.policy.parse import parse_policy
from iam_guard.rows import Rows

HOME = "000000000000"
ARN = f"arn:app:docs::{HOME}:"
ANN = f"arn:app:iam::{HOME}:user/ann"

NAMES = ["1", "2", "12", "a/1", "a:1", "*", "ann", "", "A", "ä", "[a]"]
OWNERS = ["ann", "bob", "ANN", "an", "a*", "", "%", "_", "b!", "true", "{x}", "ann\n"]
ROW = st.fixed_dictionaries({
    "id": st.sampled_from([*NAMES, None]), "owner": st.sampled_from([*OWNERS, None]),
    "team": st.sampled_from([*OWNERS, None]), "open": st.sampled_from(["true", "false", "TRUE", "yes", "", None]),
    "size": st.sampled_from([-3, 0, 1, 7, 10, 2**40, None])})

KEYS = {"docs:Owner": "owner", "aws:ResourceTag/Team": "team", "docs:Open": "open", "docs:Size": "size"}
ROWS = st.sampled_from([Rows(resource, KEYS, integers=("size",), texts=("owner", "id"))
                        for resource in ("document/{id}", "doc/{id}/{owner}", "docs:{id}", "document/{id}/x",
                                         "shelf/all", ARN + "{size}-{id}")])
PRINCIPALS = st.sampled_from([
    Principal.user("ann"), Principal.user("ann", attributes={"jwt:team": "a*", "jwt:none": ""}),
    Principal.user("ann", account="999999999999"), Principal.role_session("reader", "ann"), Principal.root(),
    Principal.service("cron.internal"), Principal.anonymous()])

VALUES = st.sampled_from([*OWNERS, "a*", "?", "a?n", "*", "${aws:username}", "${jwt:team}", "${jwt:none}",
                          "${docs:Owner}", "${aws:ResourceTag/Team, 'ann'}", "${docs:Owner}*", "${*}", "false",
                          "x${aws:ResourceTag/team}", "${nothing}", "${nothing, 'bob'}"])
NUMBERS = st.sampled_from(["0", "1", "7", "7.5", "-3", "1" + "0" * 30, "-1" + "0" * 30])
TEXT_OPERATORS = ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "ArnLike",
                  "ArnNotLike"]
PREFIXES, SUFFIXES = ["", "", "", "ForAnyValue:", "ForAllValues:"], ["", "", "IfExists"]
TEXT_KEYS = ["docs:Owner", "aws:ResourceTag/Team", "DOCS:OWNER", "docs:Open", "aws:username", "jwt:team", "nothing:x"]


@st.composite
def conditions(draw: Any) -> dict[str, Any]:
    kind = draw(st.sampled_from(["text"] * 5 + ["number", "number", "bool", "null", "other"]))
    qualified = draw(st.sampled_from(PREFIXES)) + "{}" + draw(st.sampled_from(SUFFIXES))
    if kind == "text":
        values: Any = draw(st.lists(VALUES, min_size=1, max_size=3))
        return {qualified.format(draw(st.sampled_from(TEXT_OPERATORS))): {draw(st.sampled_from(TEXT_KEYS)): values}}
    if kind == "number":
        operator = "Numeric" + draw(st.sampled_from(["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan",
                                                     "GreaterThanEquals"]))
        return {qualified.format(operator): {"docs:Size": draw(st.lists(NUMBERS, min_size=1, max_size=2))}}
    if kind == "bool":
        return {qualified.format("Bool"): {"docs:Open": draw(st.sampled_from(["true", "false", ["true", "false"]]))}}
    if kind == "null":
        return {"Null": {draw(st.sampled_from([*TEXT_KEYS, "docs:Size"])): draw(st.sampled_from(["true", "false"]))}}
    return draw(st.sampled_from([{"DateLessThan": {"docs:Owner": "2030-01-01T00:00:00Z"}},
                                 {"IpAddress": {"docs:Owner": "10.0.0.0/8"}},
                                 {"NumericLessThan": {"docs:Owner": "5"}},
                                 {"NotIpAddress": {"docs:Owner": "10.0.0.0/8"}}]))


RESOURCES = st.one_of(
    st.just("*"),
    st.sampled_from(["document/", "doc/", "", "d*", "?oc*/", "shelf/"]).flatmap(
        lambda start: st.sampled_from(["*", "1", "?", "a*", "*1", "*/x", "${aws:username}", "${docs:Owner}", "${*}",
                                       "${jwt:team}", "all", "*/*", "[a]", "a:1", "${nothing}"]).map(
            lambda end: ARN + start + end)),
    st.sampled_from([f"arn:app:docs:*:{HOME}:document/1", "arn:app:docs:*", f"arn:app:*:*:{HOME[:3]}*:1",
                     f"arn:app:docs::*:{HOME}:1", "arn:*:docs::*:*", "arn:app:docs:*:document/1",
                     f"arn:APP:DOCS::{HOME}:1", "arn:app:docs::${aws:PrincipalAccount}:document/*",
                     "arn:${nothing}:docs:::1", "arn:app:d?cs::*:*1",
                     f"arn:app:docs:*:{HOME}:*", "arn:app:docs:eu*:*:a", "arn:app:docs"]))


@st.composite
def statements(draw: Any, kind: PolicyKind, deny: int = 30) -> dict[str, Any]:
    one: dict[str, Any] = {"Effect": "Deny" if draw(st.integers(0, 99)) < deny else "Allow"}
    one["Action"] = draw(st.sampled_from(["docs:Get", "docs:*", "*", "docs:Get", "docs:Put"]))
    element = "NotResource" if draw(st.integers(0, 9)) < 2 else "Resource"
    one[element] = draw(st.lists(RESOURCES, min_size=1, max_size=3))
    if kind in (PolicyKind.RESOURCE, PolicyKind.ENDPOINT):
        one["Principal"] = draw(st.sampled_from(["*", {"AWS": ANN}, {"AWS": HOME}, {"Service": "cron.internal"}]))
    found: dict[str, Any] = {}
    for condition in draw(st.lists(conditions(), max_size=2)):
        found |= condition
    if found:
        one["Condition"] = found
    return one


def documents(kind: PolicyKind = PolicyKind.IDENTITY, deny: int = 30, most: int = 3) -> st.SearchStrategy[Policy]:
    return st.lists(statements(kind, deny), min_size=1, max_size=most).map(lambda found: Policy(str(kind), parse_policy(
        {"Version": "2012-10-17", "Statement": found}, kind=kind, mode=Mode.IMPORT)))


@st.composite
def guards(draw: Any) -> Guard:
    """A guard with policies of some kinds; those of the caller are always among them."""
    def maybe(strategy: Any) -> Any:
        return draw(strategy) if draw(st.integers(0, 3)) == 0 else None

    more: dict[str, Any] = {}
    if (boundary := maybe(documents(deny=10))) is not None:
        more["holders"] = {ANN: Holder(ANN, boundary=boundary)}
    if (level := maybe(documents(deny=10))) is not None:
        more["guardrails"] = {HOME: Guardrails(scps=((level,),), rcps=())}
    if (own := maybe(documents(PolicyKind.RESOURCE))) is not None:
        more["resources"] = {ARN + draw(st.sampled_from(["document/1", "1", "shelf/all", "document/a/1"])): own}
    if (ceiling := maybe(documents(PolicyKind.ENDPOINT, deny=10))) is not None:
        more["endpoint"] = (ceiling,)
    return Guard(PolicySet(Attachments(everyone=(draw(documents()), draw(documents(deny=5, most=2))), **more)))


TABLES = st.lists(ROW, min_size=1, max_size=12)


def allowed(guard: Guard, who: Principal, rows: Rows, table: list[dict[str, Any]]) -> list[int]:
    """Which rows are allowed one by one; those without a name are nobody's."""
    names = [part for part in ("id", "owner", "size") if f"{{{part}}}" in rows.resource]
    return [place for place, row in enumerate(table) if all(row[name] is not None for name in names)
            and guard.authorize(who, "docs:Get", rows.resource_of(row), context=rows.context_of(row))]
