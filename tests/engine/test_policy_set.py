"""What is attached to whom: the parts of evaluation that a self-contained case cannot express."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.engine.decision import ReasonType, Verdict
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import PolicyDocumentError
from iam_guard.model import AuthorizationRequest, Principal, normalise_context
from iam_guard.policy.document import PolicyKind
from iam_guard.policy.parse import parse_policy

ORDER = "arn:app:orders::000000000000:order/1"
ANN = Principal.user("ann")


def policy(effect: str = "Allow", action: str = "orders:*", resource: str | None = "*", *,
           id: str = "p", kind: PolicyKind = PolicyKind.IDENTITY, **more: Any) -> Policy:
    statement = {"Effect": effect, "Action": action, **({} if resource is None else {"Resource": resource}), **more}
    return Policy(id, parse_policy(json.dumps({"Version": "2012-10-17", "Statement": [statement]}), kind=kind))


def ask(policies: PolicySet, who: Principal = ANN, action: str = "orders:Get", resource: str = ORDER,
        context: Mapping[str, Any] = {}, **more: Any) -> Any:
    known = {**policies.principal_context(who), **normalise_context(context)}
    return policies.evaluate(AuthorizationRequest(who, action, resource, known, **more))


def test_nothing_attached_is_no_permission() -> None:
    assert ask(PolicySet()).verdict is Verdict.IMPLICIT_DENY
    assert ask(PolicySet(Attachments(holders={ANN.arn: Holder(ANN.arn)}))).reason_type is ReasonType.IDENTITY


def test_a_policy_for_everyone_reaches_users_and_sessions_but_not_strangers() -> None:
    everyone = PolicySet.from_json('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", '
                                   '"Resource": "*"}}', id="all")
    assert ask(everyone)
    assert ask(everyone, Principal.role_session("App", "s1"))
    assert not ask(everyone, Principal.anonymous())
    assert not ask(everyone, Principal.service("billing.internal"))
    assert ask(everyone).policy_id == "all"


def test_a_list_of_documents_names_each() -> None:
    one = '{"Version": "2012-10-17", "Statement": {"Sid": "%s", "Effect": "%s", "Action": "*", "Resource": "*"}}'
    decision = ask(PolicySet.from_json(f"[{one % ('A', 'Allow')},\n{one % ('D', 'Deny')}]", id="both"))
    assert (decision.policy_id, decision.sid, decision.source_line) == ("both/1", "D", 2)


def test_a_bad_document_is_refused_as_a_whole() -> None:
    with pytest.raises(PolicyDocumentError):
        PolicySet.from_json('{"Version": "2012-10-17", "Statement": [{"Effect": "Deny"}]}')


STAFF = "arn:app:iam::000000000000:group/staff"


def test_groups_come_from_the_directory_and_from_the_token() -> None:
    groups = {STAFF: (policy(id="staff"),)}
    stored = PolicySet(Attachments(holders={ANN.arn: Holder(ANN.arn, groups=(STAFF,))}, groups=groups))
    from_token = PolicySet(Attachments(groups=groups))
    assert ask(stored)
    assert not ask(from_token)
    assert ask(from_token, Principal.user("ann", groups=(STAFF,)))
    assert not ask(from_token, Principal.user("ann", groups=(STAFF + "2",)))


def test_unknown_groups_are_a_refusal_as_soon_as_a_policy_speaks_of_groups() -> None:
    unsure = Principal.user("ann", groups=None)
    everyone = (policy(),)
    assert ask(PolicySet(Attachments(everyone=everyone)), unsure)
    decision = ask(PolicySet(Attachments(everyone=everyone, groups={STAFF: (policy("Deny"),)})), unsure)
    assert (decision.verdict, decision.reason_type) == (Verdict.IMPLICIT_DENY, ReasonType.EVALUATION_ERROR)
    assert "groups" in decision.error


def test_two_callers_who_differ_in_a_group_are_decided_apart() -> None:
    policies = PolicySet(Attachments(groups={STAFF: (policy(),)}))
    answers = [bool(ask(policies, Principal.user("ann", groups=groups))) for groups in ((), (STAFF,), ())]
    assert answers == [False, True, False]


def test_a_holder_whose_policies_are_incomplete_is_denied_everything() -> None:
    policies = PolicySet(Attachments(holders={ANN.arn: Holder(ANN.arn, (policy(),), broken="the boundary is gone")}))
    decision = ask(policies)
    assert not decision
    assert decision.reason_type is ReasonType.EVALUATION_ERROR
    assert "boundary is gone" in decision.reason


def test_a_boundary_withholds() -> None:
    holder = Holder(ANN.arn, (policy(),), policy(action="orders:Put", id="b", kind=PolicyKind.BOUNDARY))
    policies = PolicySet(Attachments(holders={ANN.arn: holder}))
    assert ask(policies).reason_type is ReasonType.BOUNDARY
    assert ask(policies, action="orders:Put")


def test_a_recreated_user_is_not_the_one_a_resource_policy_named_by_id() -> None:
    body = policy(kind=PolicyKind.RESOURCE, Principal={"AWS": "AIDAEXAMPLEEXAMPLE1"})
    policies = PolicySet(Attachments(resources={ORDER: body}))
    assert ask(policies, Principal.user("ann", unique_id="AIDAEXAMPLEEXAMPLE1"))
    assert not ask(policies, Principal.user("ann", unique_id="AIDAEXAMPLEEXAMPLE2"))


def test_a_resource_policy_is_found_by_arn_and_replaced_by_one_that_was_looked_up() -> None:
    stored = policy(kind=PolicyKind.RESOURCE, Principal="*", id="stored")
    looked_up = policy("Deny", kind=PolicyKind.RESOURCE, Principal="*").document
    policies = PolicySet(Attachments(resources={ORDER: stored}))
    assert ask(policies).policy_id == "stored"
    assert not ask(policies, resource=ORDER + "2")
    assert ask(policies, resource_policy=looked_up).verdict is Verdict.EXPLICIT_DENY


def test_a_trust_policy_stands_under_the_role() -> None:
    role = "arn:app:iam::000000000000:role/App"
    trust = policy(action="sts:AssumeRole", resource=None, kind=PolicyKind.TRUST, Principal={"AWS": ANN.arn})
    policies = PolicySet(Attachments(resources={role: trust}))
    assert ask(policies, action="sts:AssumeRole", resource=role).reason_type is ReasonType.TRUST
    assert not ask(policies, Principal.user("bob"), "sts:AssumeRole", role)


FULL = policy(action="*", kind=PolicyKind.SCP, id="full")


@pytest.mark.parametrize(("rails", "allowed"), [
    (Guardrails(), True),
    (Guardrails(((FULL,), (FULL,))), True),
    (Guardrails(((FULL,), ())), False),
    (Guardrails(((FULL,), ()), is_management=True), True),
    (Guardrails(None, ((policy("Deny", kind=PolicyKind.RCP, Principal="*"),),)), False),
    (Guardrails(None, ((policy("Deny", kind=PolicyKind.RCP, Principal="*"),),), is_management=True), True),
])
def test_organization_policies(rails: Guardrails, allowed: bool) -> None:
    policies = PolicySet(Attachments(everyone=(policy(),), guardrails={"000000000000": rails}))
    assert bool(ask(policies)) is allowed


def test_an_endpoint_policy_is_a_ceiling() -> None:
    endpoint = (policy(action="orders:Get", kind=PolicyKind.ENDPOINT, Principal="*"),)
    policies = PolicySet(Attachments(everyone=(policy(),), endpoint=endpoint))
    assert ask(policies)
    assert ask(policies, action="orders:Put").reason_type is ReasonType.ENDPOINT


def test_session_policies_narrow_and_an_empty_list_allows_nothing() -> None:
    policies = PolicySet(Attachments(everyone=(policy(),)))
    narrow = (policy(action="orders:Get", kind=PolicyKind.SESSION).document,)
    assert ask(policies, Principal.role_session("App", "s", session_policies=narrow))
    assert not ask(policies, Principal.role_session("App", "s", session_policies=narrow), "orders:Put")
    assert ask(policies, Principal.role_session("App", "s", session_policies=())).reason_type is ReasonType.SESSION


def test_another_tenants_policy_never_grants_here() -> None:  # threats E26.1, middleware case 53
    bob = Principal.user("bob", account="222222222222")
    policies = PolicySet(Attachments(holders={bob.arn: Holder(bob.arn, (policy(resource="arn:app:orders:*:*:*"),))}))
    assert not ask(policies, bob, resource="arn:app:orders::111111111111:order/1")
    assert ask(policies, bob, resource="arn:app:orders::222222222222:order/1")
    assert not ask(policies, bob, resource="arn:app:orders:::order/1")  # owned by the default account


def test_stored_tags_and_organization_become_keys_and_token_tags_win() -> None:
    holder = Holder(ANN.arn, unique_id="AIDA1", tags={"Team": "red", "Cost": "7"})
    rails = Guardrails(organization_id="o-1", organization_path="o-1/r-1/")
    policies = PolicySet(Attachments(holders={ANN.arn: holder}, guardrails={"000000000000": rails}))
    keys = policies.principal_context(Principal.user("ann", tags={"team": "blue"}))
    assert keys["aws:principaltag/team"] == "blue"
    assert keys["aws:principaltag/cost"] == "7"
    assert keys["aws:userid"] == "AIDA1"
    assert keys["aws:principalorgid"] == "o-1"
    assert keys["aws:principalorgpaths"] == ("o-1/r-1/",)


class ExplodingContext(dict[str, str]):
    def get(self, *_: object) -> str:  # type: ignore[override]
        raise MemoryError("no room")


def test_an_error_inside_evaluation_is_a_denial_with_a_reason() -> None:
    allowed_if = policy(Condition={"StringEquals": {"a:b": "c"}})
    policies = PolicySet(Attachments(everyone=(allowed_if,)))
    decision = policies.evaluate(AuthorizationRequest(ANN, "orders:Get", ORDER, ExplodingContext()))
    assert not decision
    assert decision.reason_type is ReasonType.EVALUATION_ERROR
    assert "MemoryError" in decision.error


def test_requests_that_are_no_requests_are_denied() -> None:
    policies = PolicySet(Attachments(everyone=(policy(),)))
    for action, resource in [("", ""), ("orders", "order"), ("*", "*:"), ("a:b:c", ":::::")]:
        assert not ask(policies, action=action, resource=resource)


def test_memories_are_bounded() -> None:
    policies = PolicySet(Attachments(everyone=(policy(),)))
    for number in range(3000):
        assert ask(policies, action=f"orders:Get{number}")
    layer = policies.subject_of(ANN).identity
    assert len(layer.actions) <= 1024
