"""Everybody who can do something, by which policy, by which way, and on what it depends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from company import ACCOUNT, ANN, BEN, DOC, EDITORS, PUBLISHER, ROOT, company, limited, policy

from iam_guard.answers.examiner import Access, Certainty, Examiner
from iam_guard.answers.who_can import who_can
from iam_guard.engine.attachments import Attachments, Holder
from iam_guard.engine.decision import ReasonType
from iam_guard.policy.document import PolicyKind


def found(attachments: Attachments, action: str, resource: str = DOC, *, through_roles: bool = True,
          **known: Any) -> dict[str, Access]:
    """Who can, without the root of the account, who can do nearly everything."""
    told = who_can(Examiner(attachments, **known), action, resource, through_roles=through_roles)
    return {one.principal: one for one in told if one.principal != ROOT}


def test_by_its_own_policy() -> None:
    access = found(company(), "docs:GetDocument")
    assert access == {ANN: Access(ANN, Certainty.ALLOWED, (), ReasonType.IDENTITY, "ReadDocuments", (ANN,))}


def test_by_a_group() -> None:
    access = found(company(), "docs:PutDocument")[ANN]
    assert (access.policy_id, access.path) == ("EditDocuments", (ANN, EDITORS))


def test_on_what_it_depends() -> None:
    access = found(company(), "docs:DeleteDocument")[ANN]
    assert (access.certainty, access.depends_on) == (Certainty.DEPENDS, ("aws:sourceip",))
    assert found(company(), "docs:DeleteDocument", context={"aws:SourceIp": "10.1.2.3"})[ANN].certainty == "allowed"
    assert found(company(), "docs:DeleteDocument", context={"aws:SourceIp": "192.0.2.1"}) == {}
    assert found(company(), "docs:DeleteDocument", absent=["aws:SourceIp"]) == {}


def test_an_organization_takes_it_from_everybody() -> None:
    assert found(limited(), "docs:DeleteDocument") == {}
    assert set(found(limited(), "docs:GetDocument")) == {ANN}


def test_by_a_role() -> None:
    access = found(company(), "docs:Publish")
    assert set(access) == {PUBLISHER, BEN}
    assert (access[BEN].via, access[BEN].certainty) == ((PUBLISHER,), Certainty.ALLOWED)
    assert set(found(company(), "docs:Publish", through_roles=False)) == {PUBLISHER}


def test_roles_that_assume_one_another_are_named_once() -> None:
    names = [f"arn:app:iam::{ACCOUNT}:role/{name}" for name in ("One", "Two")]
    holders, resources = dict(company().holders), dict(company().resources)
    for own, other in (names, reversed(names)):
        holders[own] = Holder(own, (policy(own, {"Action": "sts:AssumeRole"}, {"Action": "docs:Sign"}),))
        resources[own] = policy(f"{own}/trust", {"Action": "sts:AssumeRole", "Principal": {"AWS": other}},
                                kind=PolicyKind.TRUST)
    access = found(replace(company(), holders=holders, resources=resources), "docs:Sign")
    assert {name: one.via for name, one in access.items()} == dict.fromkeys(names, ())


def test_a_resource_policy_names_everybody_and_strangers() -> None:
    stranger = "arn:app:iam::111122223333:user/eve"
    shared = policy("doc", {"Action": "docs:Get*", "Principal": "*", "Resource": DOC,
                            "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
                    {"Action": "docs:List*", "Principal": {"AWS": [stranger, "444455556666"]}, "Resource": DOC},
                    {"Action": "docs:Scan", "Principal": {"Service": "scanner.internal"}, "Resource": DOC},
                    kind=PolicyKind.RESOURCE)
    attachments = replace(company(), resources={**company().resources, DOC: shared})
    assert found(attachments, "docs:GetDocument")["anonymous"].depends_on == ("aws:securetransport",)
    assert set(found(attachments, "docs:Scan")) == {"scanner.internal"}
    # Somebody else's account, and people in it, need a permission of their own as well.
    assert set(found(attachments, "docs:ListDocuments")) <= {stranger, "arn:app:iam::444455556666:root"}


def test_policies_of_everyone_reach_callers_of_no_directory() -> None:
    attachments = replace(company(), everyone=(policy("everyone/base", {"Action": "docs:Ping"}),))
    access = found(attachments, "docs:Ping")
    assert set(access) == {"*", ANN, BEN, PUBLISHER}
    assert access["*"].path == ("everyone",)


def test_progress_is_told() -> None:
    told: list[int] = []
    list(who_can(Examiner(company()), "docs:GetDocument", DOC, progress=told.append))
    assert told == [0]


def test_as_json() -> None:
    assert found(company(), "docs:GetDocument")[ANN].to_json() == {
        "Principal": ANN, "Access": "allowed", "DependsOn": [], "Via": [], "Kind": "identity",
        "Policy": "ReadDocuments", "Path": [ANN]}
