"""Every permission of a caller, with what its limits leave of it."""

from __future__ import annotations

from dataclasses import replace

from company import ACCOUNT, ANN, BEN, DOC, EDITORS, PUBLISHER, company, limited, policy

from iam_guard.answers.examiner import Examiner
from iam_guard.answers.what_can import what_can
from iam_guard.engine.attachments import Attachments, Holder
from iam_guard.model import Principal
from iam_guard.policy.document import PolicyKind

ROW = tuple[str, str, str, tuple[str, ...]]


def found(attachments: Attachments, arn: str) -> list[ROW]:
    told = what_can(Examiner(attachments), Principal.from_arn(arn))
    return [(one.action, one.resource, str(one.certainty), one.depends_on) for one in told]


def test_what_stands_in_the_policies() -> None:
    assert found(company(), ANN) == [
        ("docs:Get*", "arn:app:docs:*:*:document/*", "allowed", ()),
        ("docs:Delete*", "*", "depends", ("aws:sourceip",)),
        ("docs:Put*", "*", "allowed", ()),
    ]


def test_by_which_way() -> None:
    last = list(what_can(Examiner(company()), Principal.from_arn(ANN)))[-1]
    assert (last.policy_id, last.path, str(last.reason)) == ("EditDocuments", (ANN, EDITORS), "identity")
    assert last.to_json()["Path"] == [ANN, EDITORS]


def test_what_the_organization_forbids_is_told_as_such() -> None:
    rows = found(limited(), ANN)
    assert ("docs:Delete*", "*", "depends", ("aws:sourceip",)) not in rows
    assert rows[-1] == ("docs:Delete*", "*", "denied", ())


def test_what_a_boundary_leaves_of_a_wide_permission() -> None:
    boundary = policy("Limit", {"Action": ["docs:Get*", "mail:Send"], "Resource": DOC})
    holder = Holder(BEN, (policy("All", {"Action": "docs:*"}),), boundary)
    assert found(replace(company(), holders={BEN: holder}), BEN) == [("docs:Get*", DOC, "allowed", ())]


def test_an_exception_stays_an_exception() -> None:
    holder = Holder(BEN, (policy("All", {"NotAction": "iam:*"},
                                 {"Effect": "Deny", "Action": "docs:Purge", "NotResource": DOC,
                                  "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}),))
    assert found(replace(company(), holders={BEN: holder}), BEN) == [
        ("not iam:*", "*", "allowed", ()),
        ("docs:Purge", f"not {DOC}", "denied", ("aws:multifactorauthpresent",))]


def test_variables_of_the_caller_are_filled_in() -> None:
    own = policy("Own", {"Action": "docs:Put", "Resource": "arn:app:docs:*:*:home/${aws:username}/*"})
    assert found(replace(company(), holders={BEN: Holder(BEN, (own,))}), BEN) == [
        ("docs:Put", "arn:app:docs:*:*:home/${aws:username}/*", "allowed", ())]


def test_what_a_resource_grants() -> None:
    shared = policy("doc", {"Action": "docs:Sign", "Principal": {"AWS": BEN}, "Resource": DOC},
                    kind=PolicyKind.RESOURCE)
    attachments = replace(company(), resources={**company().resources, DOC: shared})
    assert ("docs:Sign", DOC, "allowed", ()) in found(attachments, BEN)
    assert ("docs:Sign", DOC, "allowed", ()) not in found(attachments, ANN)


def test_nobody_can_nothing() -> None:
    assert found(company(), f"arn:app:iam::{ACCOUNT}:user/nobody") == []
    assert found(company(), PUBLISHER) == [("docs:Publish", "*", "allowed", ())]
