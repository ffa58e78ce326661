"""Decisions on what an export says are the same before it is imported and after it came out of a store.

Before: attachments made here, straight from the JSON. Policies that the export lacks are taken from the published
ones, so that there is something to allow; without them their holders are denied everything, on both sides.
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from iam_guard.directory.effective import attachments_of
from iam_guard.directory.exchange.reading import read_details
from iam_guard.directory.exchange.writing import write_details
from iam_guard.directory.port import Note
from iam_guard.directory.transfer import bring_in
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.policy.document import Mode, PolicyKind
from iam_guard.policy.parse import parse_policy
from iam_guard.store.memory_directory import MemoryDirectoryStore

DATA = Path(__file__).parents[3] / "shared/data"
FILES = sorted((DATA / "account-authorization-details").glob("*.json"))
REQUESTS = 10_000


def several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def policy(name: str, document: Any, kind: PolicyKind = PolicyKind.IDENTITY) -> Policy:
    return Policy(name, parse_policy(json.dumps(document), kind=kind, mode=Mode.IMPORT))


def complete(export: dict[str, Any]) -> dict[str, Any]:
    """An export with the published text of AWS's policies that it lacks."""
    held = {one["Arn"] for one in export["Policies"]}
    used = {one["PolicyArn"] for name in ("UserDetailList", "GroupDetailList", "RoleDetailList")
            for holder in export[name] for one in several(holder.get("AttachedManagedPolicies"))}
    with gzip.open(DATA / "aws-managed-policies.jsonl.gz", "rt") as lines:
        known = {one.get("arn"): one for one in map(json.loads, lines)}
    more = [{"PolicyName": arn.rpartition("/")[2], "Arn": arn, "DefaultVersionId": "v1", "PolicyVersionList": [
        {"VersionId": "v1", "IsDefaultVersion": True, "Document": known[arn]["document"]}]}
        for arn in sorted(used - held)]
    return export | {"Policies": export["Policies"] + more}


def straight(export: dict[str, Any]) -> Attachments:
    """Attachments without any of the directory's code."""
    managed = {one["Arn"]: version["Document"] for one in export["Policies"] for version in one["PolicyVersionList"]
               if version["VersionId"] == one["DefaultVersionId"]}

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
            holders[arn] = Holder(arn, own(one, noun), None,
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


def requests(export: dict[str, Any], seed: int) -> list[AuthorizationRequest]:
    """Requests by everybody, for actions and resources that the documents speak of."""
    pick = random.Random(seed)
    roles = [one["Arn"] for one in export["RoleDetailList"]]
    who = [Principal.from_arn(one["Arn"]) for one in export["UserDetailList"]]
    who += [Principal.from_arn(arn) for arn in roles]
    actions = sorted({one.replace("*", "Thing") if ":" in one else "s3:GetObject"
                      for one in words(export, ("Action", "NotAction"))} | {"sts:AssumeRole", "iam:CreateUser"})
    resources = sorted({one.replace("*", "thing") for one in words(export, ("Resource", "NotResource"))
                        if one.startswith("arn:")} | {"arn:aws:s3:::bucket/thing", *roles})
    return [AuthorizationRequest(pick.choice(who), pick.choice(actions), pick.choice(resources))
            for _ in range(REQUESTS)]


@pytest.mark.skipif(not FILES, reason="the real exports are not here")
@pytest.mark.parametrize("file", FILES, ids=lambda one: one.stem)
def test_decisions_are_the_same(file: Path) -> None:
    export = complete(json.loads(file.read_text()))
    before, store = PolicySet(straight(export)), MemoryDirectoryStore()
    details = read_details(json.dumps(export))
    bring_in(store, details, Note("", "Import", "2026-01-01T12:00:00Z"))
    with store.read() as reading:
        after, again = PolicySet(attachments_of(reading)), PolicySet(straight(write_details(reading, details.account)))
        allowed = 0
        for request in requests(export, seed=len(file.stem)):
            verdict = before.evaluate(request)
            assert after.evaluate(request).allowed == verdict.allowed == again.evaluate(request).allowed, request
            allowed += verdict.allowed
    assert 100 < allowed < REQUESTS - 100
