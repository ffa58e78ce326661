"""Every policy that bears on a caller, and the way by which it came."""

from __future__ import annotations

from dataclasses import replace

from company import ACCOUNT, ANN, BEN, EDITORS, PUBLISHER, company, limited, policy

from iam_guard.answers.holdings import holdings
from iam_guard.engine.attachments import Attachments, Guardrails
from iam_guard.model import Principal
from iam_guard.policy.document import PolicyKind


def found(attachments: Attachments, arn: str) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(str(one.kind), one.policy.id, one.path) for one in holdings(attachments, Principal.from_arn(arn))]


def test_own_policies_come_before_those_of_groups() -> None:
    assert found(company(), ANN) == [("identity", "ReadDocuments", (ANN,)), ("identity", "AtWork", (ANN,)),
                                     ("identity", "EditDocuments", (ANN, EDITORS))]


def test_groups_that_a_token_vouches_for_count() -> None:
    who = Principal.from_arn(BEN, groups=(EDITORS,))
    assert [one.path for one in holdings(company(), who)] == [(BEN,), (BEN, EDITORS)]


def test_a_role_has_its_trust_policy() -> None:
    assert found(company(), PUBLISHER) == [("identity", "Publish", (PUBLISHER,)),
                                           ("trust", "role/Publisher/trust", (PUBLISHER,))]


def test_a_boundary_and_everyone() -> None:
    holder = replace(company().holders[BEN], boundary=policy("Limit", {"Action": "docs:*"}))
    attachments = replace(company(), holders={BEN: holder}, everyone=(policy("base", {"Action": "docs:Ping"}),))
    assert found(attachments, BEN) == [("identity", "base", ("everyone",)), ("identity", "Assume", (BEN,)),
                                       ("boundary", "Limit", (BEN,))]


def test_levels_of_the_organization() -> None:
    assert found(limited(), BEN)[1:] == [
        ("scp", "FullAWSAccess", (ACCOUNT, "ou-1", "r-1")), ("scp", "NoDelete", (ACCOUNT, "ou-1")),
        ("scp", "FullAWSAccess", (ACCOUNT,))]


def test_an_organization_without_ids_has_numbered_levels() -> None:
    one = policy("rcp", {"Effect": "Deny", "Action": "docs:Purge", "Principal": "*"}, kind=PolicyKind.RCP)
    rails = Guardrails(rcps=((one,), ()))
    assert found(replace(company(), guardrails={ACCOUNT: rails}), BEN)[1:] == [("rcp", "rcp", (ACCOUNT, "level 0"))]


def test_the_management_account_is_bound_by_nothing() -> None:
    rails = replace(limited().guardrails[ACCOUNT], is_management=True)
    assert len(found(replace(limited(), guardrails={ACCOUNT: rails}), BEN)) == 1


def test_a_stranger_holds_nothing_and_a_service_has_no_identity() -> None:
    assert found(company(), "arn:app:iam::111122223333:user/eve") == []
    assert found(company(), "scanner.internal") == []
