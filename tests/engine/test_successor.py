"""The next state of a policy set: what did not change stays compiled, and nothing of the old state answers."""

from __future__ import annotations

import pytest

from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.engine.decision import Decision
from iam_guard.engine.policy_set import PolicySet
from iam_guard.engine.statement import CompiledPolicy
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.policy.parse import parse_policy

ANN, BEN = Principal.user("ann"), Principal.user("ben")


def policy(effect: str = "Allow", *, id: str = "p") -> Policy:
    return Policy(id, parse_policy({"Version": "2012-10-17",
                                    "Statement": [{"Effect": effect, "Action": "orders:*", "Resource": "*"}]}))


def ask(policies: PolicySet, who: Principal = ANN) -> Decision:
    return policies.evaluate(AuthorizationRequest(who, "orders:Get", "arn:app:orders::000000000000:order/1"))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of policies, as they are compiled."""
    seen: list[str] = []
    make = CompiledPolicy.__init__

    def watched(self: CompiledPolicy, policy: Policy, kind: object) -> None:
        seen.append(policy.id)
        make(self, policy, kind)  # type: ignore[arg-type]

    monkeypatch.setattr(CompiledPolicy, "__init__", watched)
    return seen


def test_only_what_changed_is_compiled_again(compiled: list[str]) -> None:
    shared, of_ann = policy(id="shared"), policy(id="ann")
    holders = {ANN.arn: Holder(ANN.arn, policies=(shared, of_ann)), BEN.arn: Holder(BEN.arn, policies=(shared,))}
    first = PolicySet(Attachments(holders=holders), revision="1")
    assert ask(first)
    assert ask(first, BEN)
    changed = holders | {ANN.arn: Holder(ANN.arn, policies=(shared, policy("Deny", id="ann2")))}
    second = first.successor(Attachments(holders=changed), revision="2")
    assert (ask(second).policy_id, bool(ask(second, BEN))) == ("ann2", True)
    assert compiled == ["shared", "ann", "ann2"]


def test_both_states_go_on_answering_for_themselves() -> None:
    first = PolicySet(Attachments(holders={ANN.arn: Holder(ANN.arn, policies=(policy(),))}), revision="1")
    second = first.successor(Attachments(), revision="2")
    for _ in range(2):
        assert ask(first)
        assert not ask(second)
    assert (ask(first).policies.revision, ask(second).policies.revision) == ("1", "2")


def test_guardrails_are_those_of_the_state() -> None:
    holders = {ANN.arn: Holder(ANN.arn, policies=(policy(),))}
    first = PolicySet(Attachments(holders=holders), revision="1")
    limited = Attachments(holders=holders, guardrails={ANN.account: Guardrails(scps=((policy("Deny", id="no"),),))})
    second = first.successor(limited, revision="2")
    third = second.successor(Attachments(holders=holders), revision="3")
    assert [bool(ask(one)) for one in (first, second, third)] == [True, False, True]
