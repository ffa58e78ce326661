"""What is called certain is so whatever a request brings; what is called denied is never allowed."""

from __future__ import annotations

from typing import Any

from company import ANN, DOC, policy
from hypothesis import given, settings
from hypothesis import strategies as st

from iam_guard.answers.examiner import Certainty, Examiner
from iam_guard.answers.readings import is_known
from iam_guard.engine.attachments import Attachments, Guardrails, Holder
from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import AuthorizationRequest, Principal, normalise_context
from iam_guard.policy.document import PolicyKind

WHO = Principal.from_arn(ANN)
KEYS = ["aws:SourceIp", "docs:Team", "aws:username", "jwt:scope"]
VALUES = ["ann", "red", "blue", "10.0.0.1", "10.0.0.0/8"]
OPERATORS = ["StringEquals", "StringNotEquals", "StringLike", "StringEqualsIfExists", "ForAllValues:StringEquals",
             "ForAnyValue:StringNotEquals", "IpAddress", "NotIpAddress", "Null"]
RESOURCES = ["*", DOC, "arn:app:docs:*:*:document/*", "arn:app:docs:*:*:document/${docs:Team}", "arn:app:docs:*:*:x/*",
             "arn:app:docs:*:*:document/${jwt:scope, '1'}", "arn:app:docs:*:*:${aws:username}/*"]


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    element = draw(st.sampled_from(["Resource", "Resource", "NotResource"]))
    one: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])), "Action": "docs:*",
                           element: draw(st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=2, unique=True))}
    if draw(st.booleans()):
        operator, key = draw(st.sampled_from(OPERATORS)), draw(st.sampled_from(KEYS))
        values = st.sampled_from(["true", "false"]) if operator == "Null" else st.sampled_from(
            [*VALUES[3:], *VALUES[3:]] if "Ip" in operator else [*VALUES[:3], "${docs:Team}"])
        one["Condition"] = {operator: {key: draw(st.lists(values, min_size=1, max_size=2, unique=True))}}
    return one


def documents(kind: PolicyKind) -> st.SearchStrategy[Any]:
    return st.lists(statements(), min_size=1, max_size=4).map(lambda found: policy("p", *found, kind=kind))


@st.composite
def companies(draw: st.DrawFn) -> Attachments:
    boundary = draw(st.none() | documents(PolicyKind.BOUNDARY))
    scps = draw(st.none() | documents(PolicyKind.IDENTITY))
    rails = {WHO.account: Guardrails(scps=((scps,),))} if scps else {}
    return Attachments(holders={ANN: Holder(ANN, (draw(documents(PolicyKind.IDENTITY)),), boundary)}, guardrails=rails)


contexts = st.dictionaries(st.sampled_from([key for key in KEYS if not is_known(key)]),
                           st.sampled_from(VALUES) | st.lists(st.sampled_from(VALUES), max_size=2))


@settings(max_examples=400, deadline=None)
@given(companies(), contexts, contexts)
def test_no_request_shows_otherwise(attachments: Attachments, known: dict[str, Any], brought: dict[str, Any]) -> None:
    access = Examiner(attachments, context=known).access(WHO, "docs:GetDocument", DOC)
    policies = PolicySet(attachments)
    context = {**policies.principal_context(WHO), **normalise_context({**brought, **known})}
    allowed = bool(policies.evaluate(AuthorizationRequest(WHO, "docs:GetDocument", DOC, context)))
    assert access.certainty is not (Certainty.DENIED if allowed else Certainty.ALLOWED)
    assert bool(access.depends_on) is (access.certainty is Certainty.DEPENDS)


@settings(max_examples=200, deadline=None)
@given(companies(), contexts)
def test_nothing_is_left_open_where_everything_is_known(attachments: Attachments, known: dict[str, Any]) -> None:
    access = Examiner(attachments, context=known, absent=KEYS).access(WHO, "docs:GetDocument", DOC)
    assert access.certainty is not Certainty.DEPENDS
