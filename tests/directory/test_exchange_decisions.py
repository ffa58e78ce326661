"""Decisions on what an export says are the same before it is imported and after it came out of a store.

Before: attachments made here, straight from the JSON. Policies that the export lacks are taken from the published
ones, so that there is something to allow; without them their holders are denied everything, on both sides.
"""

from __future__ import annotations

import gzip
import json
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from iam_guard.directory.effective import attachments_of
from iam_guard.directory.exchange.reading import read_details
from iam_guard.directory.exchange.supplied import read_policies
from iam_guard.directory.exchange.writing import write_details
from iam_guard.directory.port import Note
from iam_guard.directory.transfer import bring_in
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.policy.document import Mode, PolicyKind
from iam_guard.policy.parse import parse_policy
from iam_guard.store.urls import open_store

DATA = Path(__file__).parents[3] / "shared/data"
FILES = sorted((DATA / "account-authorization-details").glob("*.json"))
REQUESTS = 10_000
#: Two of the exports were put together out of several.
OF_SEVERAL = {"cloudmapper-demo": ("123456789012", "aws"),
              "iam-vulnerable-account": ("123456789012", "111122223333")}


def several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def policy(name: str, document: Any, kind: PolicyKind = PolicyKind.IDENTITY) -> Policy:
    return Policy(name, parse_policy(json.dumps(document), kind=kind, mode=Mode.IMPORT))


def lacking(export: dict[str, Any]) -> dict[str, Any]:
    """The published documents of AWS's policies that an export speaks of and does not hold, by ARN."""
    held = {one["Arn"] for one in export["Policies"]}
    used = {one["PolicyArn"] for name in ("UserDetailList", "GroupDetailList", "RoleDetailList")
            for holder in export[name] for one in several(holder.get("AttachedManagedPolicies"))}
    with gzip.open(DATA / "aws-managed-policies.jsonl.gz", "rt") as lines:
        known = {one.get("arn"): one for one in map(json.loads, lines)}
    return {arn: known[arn]["document"] for arn in sorted(used - held)}


def straight(export: dict[str, Any], more: dict[str, Any]) -> Attachments:
    """Attachments without any of the directory's code."""
    managed = more | {one["Arn"]: version["Document"] for one in export["Policies"]
                      for version in one["PolicyVersionList"] if version["VersionId"] == one["DefaultVersionId"]}

    def own(one: dict[str, Any], noun: str) -> tuple[Policy, ...]:
        arns = [at["PolicyArn"] for at in several(one.get("AttachedManagedPolicies"))]
        return (*(policy(arn, managed[arn]) for arn in arns),
                *(policy(f"{one['Arn']}/inline/{at['PolicyName']}", at["PolicyDocument"])
                  for at in one.get(f"{noun}PolicyList", ())))

    groups = {one["Arn"]: own(one, "Group") for one in export["GroupDetailList"]}
    named = {(arn.split(":")[4], arn.rpartition("/")[2]): arn for arn in groups}
    holders = {}
    for noun in ("User", "Role"):
        for one in export[f"{noun}DetailList"]:
            arn = one["Arn"]
            home = arn.split(":")[4]
            tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
            lost = [name for name in one.get("GroupList", ()) if (home, name) not in named]
            ceiling = one.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
            holders[arn] = Holder(arn, own(one, noun),
                                  policy(ceiling, managed[ceiling], PolicyKind.BOUNDARY) if ceiling else None,
                                  tuple(named[home, name] for name in one.get("GroupList", ()) if name not in lost),
                                  one[f"{noun}Id"], tags, f"no group {lost}" if lost else "")
    trusts = {one["Arn"]: policy(f"{one['Arn']}/trust", one["AssumeRolePolicyDocument"], PolicyKind.TRUST)
              for one in export["RoleDetailList"]}
    return Attachments(holders=holders, groups=groups, resources=trusts)


def words(value: Any, names: tuple[str, ...]) -> set[str]:
    """Every text under members with these names, anywhere."""
    if isinstance(value, list):
        return set().union(*(words(one, names) for one in value))
    if not isinstance(value, dict):
        return set()
    found = {one for name in names for one in several(value.get(name)) if isinstance(one, str)}
    return found.union(*(words(one, names) for one in value.values()))


def spoken_of(documents: Any) -> tuple[list[str], list[str]]:
    """Actions and resources that documents speak of, something put where they have a ``*``."""
    actions = {one.replace("*", "Thing") if ":" in one else "s3:GetObject"
               for one in words(documents, ("Action", "NotAction"))}
    resources = {one.replace("*", "thing") if ":" in one else "arn:aws:s3:::bucket/thing"
                 for one in words(documents, ("Resource", "NotResource"))}
    return sorted(actions) or ["iam:CreateUser"], sorted(resources) or ["arn:aws:s3:::bucket/thing"]


def requests(export: dict[str, Any], more: dict[str, Any], seed: int) -> list[AuthorizationRequest]:
    """Requests by everybody: three in four for what the caller's own documents speak of, one for what any do."""
    pick = random.Random(seed)
    everything = spoken_of([export, more])
    roles = [one["Arn"] for one in export["RoleDetailList"]]
    everything = sorted({*everything[0], "sts:AssumeRole"}), sorted({*everything[1], *roles})
    documents = more | {one["Arn"]: one["PolicyVersionList"] for one in export["Policies"]}
    groups = {one["GroupName"]: one for one in export["GroupDetailList"]}
    own = []
    for one in export["UserDetailList"] + export["RoleDetailList"]:
        held = [one, *(groups[name] for name in one.get("GroupList", ()) if name in groups)]
        attached = [at["PolicyArn"] for holder in held for at in several(holder.get("AttachedManagedPolicies"))]
        own.append((Principal.from_arn(one["Arn"]), spoken_of([held, [documents[arn] for arn in attached]])))
    asked = []
    for number in range(REQUESTS):
        who, (actions, resources) = pick.choice(own)
        if number % 4 == 0:
            actions, resources = everything
        resource = pick.choice(resources)
        # A bucket's name does not say whose it is; it is taken for the caller's account's.
        owner = "" if (resource.split(":") + [""] * 5)[4] else who.account
        asked.append(AuthorizationRequest(who, pick.choice(actions), resource, resource_account=owner))
    return asked


@pytest.mark.skipif(not FILES, reason="the real exports are not here")
@pytest.mark.parametrize("file", FILES, ids=lambda one: one.stem)
def test_decisions_are_the_same(file: Path, tmp_path: Path) -> None:
    export = json.loads(file.read_text())
    more = lacking(export)
    before = PolicySet(straight(export, more))
    asked = requests(export, more, seed=len(file.stem))
    verdicts = [before.evaluate(request) for request in asked]
    details = read_details(file.read_text(), accounts=OF_SEVERAL.get(file.stem, ()),
                           supplied=read_policies(json.dumps(more)))
    for url in ("memory:", f"sqlite:///{tmp_path}/iam.db"):
        with closing(open_store(url)) as store:
            bring_in(store, details, Note("", "Import", "2026-01-01T12:00:00Z"))
            with store.read() as reading:
                after = PolicySet(attachments_of(reading))
                again = PolicySet(straight(write_details(reading, details.account), {}))
                for request, verdict in zip(asked, verdicts, strict=True):
                    for one in (after.evaluate(request), again.evaluate(request)):
                        assert (one.allowed, one.reason) == (verdict.allowed, verdict.reason), (url, request)
    allowed = sum(one.allowed for one in verdicts)
    assert REQUESTS / 20 < allowed < REQUESTS * 19 / 20
