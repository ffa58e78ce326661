"""AWS's account exports: in, out again, and nothing lost on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from iam_guard.directory.entities import Key, Kind, Settings, User
from iam_guard.directory.exchange.reading import read_details
from iam_guard.directory.exchange.writing import write_details
from iam_guard.directory.port import Note
from iam_guard.directory.transfer import bring_in, copy
from iam_guard.errors import DocumentError
from iam_guard.store.memory_directory import MemoryDirectoryStore

REAL = Path(__file__).parents[3] / "shared/data/account-authorization-details"
NOTE = Note("arn:aws:iam::123456789012:root", "Import", "2026-01-01T12:00:00Z")
ME = "arn:aws:iam::123456789012"
SAYS: dict[str, Any] = {"Version": "2012-10-17",
                        "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"{ME}:user/ann"}}]}
SMALL: dict[str, Any] = {
    "UserDetailList": [{
        "Path": "/", "UserName": "ann", "UserId": "AIDAANN", "Arn": f"{ME}:user/ann",
        "CreateDate": "2020-01-02T03:04:05+00:00", "GroupList": ["Staff"], "Comet": {"tail": [1, None]},
        "UserPolicyList": [{"PolicyName": "Own", "PolicyDocument": SAYS, "Weight": 3}],
        "AttachedManagedPolicies": [{"PolicyName": "Read", "PolicyArn": f"{ME}:policy/Read"}],
        "PermissionsBoundary": {"PermissionsBoundaryType": "PermissionsBoundaryPolicy",
                                "PermissionsBoundaryArn": f"{ME}:policy/Read"},
        "Tags": [{"Key": "team", "Value": "red"}]}],
    "GroupDetailList": [{
        "Path": "/", "GroupName": "Staff", "GroupId": "AGPASTAFF", "Arn": f"{ME}:group/Staff",
        "CreateDate": "2020-01-01T00:00:00Z", "GroupPolicyList": [], "AttachedManagedPolicies": []}],
    "RoleDetailList": [{
        "Path": "/x/", "RoleName": "Job", "RoleId": "AROAJOB", "Arn": f"{ME}:role/x/Job",
        "CreateDate": "2020-01-01T00:00:00Z", "AssumeRolePolicyDocument": TRUST, "RolePolicyList": [],
        "AttachedManagedPolicies": [], "InstanceProfileList": [{"InstanceProfileName": "Job", "Roles": []}],
        "RoleLastUsed": {"LastUsedDate": "2021-01-01T00:00:00Z", "Region": "eu-west-1"}}],
    "Policies": [{
        "PolicyName": "Read", "PolicyId": "ANPAREAD", "Arn": f"{ME}:policy/Read", "Path": "/",
        "DefaultVersionId": "v2", "AttachmentCount": 7, "PermissionsBoundaryUsageCount": 1, "IsAttachable": True,
        "CreateDate": "2020-01-01T00:00:00Z", "UpdateDate": "2020-02-01T00:00:00Z", "PolicyVersionList": [
            {"Document": SAYS, "VersionId": "v2", "IsDefaultVersion": True, "CreateDate": "2020-02-01T00:00:00Z"},
            {"Document": SAYS, "VersionId": "v1", "IsDefaultVersion": False, "CreateDate": "2020-01-01T00:00:00Z"}]}],
    "IsTruncated": False, "Later": "kept"}


def canonical(value: Any) -> Any:
    """Lists in one order, one object for a list of one, and no difference between nothing and an empty list."""
    if isinstance(value, dict):
        if "PolicyArn" in value.get("AttachedManagedPolicies", ()):
            value = value | {"AttachedManagedPolicies": [value["AttachedManagedPolicies"]]}
        return {name: one if name.endswith("Document") else canonical(one)
                for name, one in value.items() if one != []}
    if isinstance(value, list):
        return sorted(map(canonical, value), key=lambda one: json.dumps(one, sort_keys=True))
    return value


def there_and_back(text: str) -> Any:
    details, store = read_details(text), MemoryDirectoryStore()
    bring_in(store, details, NOTE)
    with store.read() as reading:
        return write_details(reading, details.account)


def changed(**lists: dict[str, Any]) -> str:
    """The small export, its first user, group, role or policy changed: ``changed(UserDetailList={...})``."""
    return json.dumps(SMALL | {name: [SMALL[name][0] | more] for name, more in lists.items()})


def test_nothing_is_lost() -> None:
    assert canonical(there_and_back(json.dumps(SMALL))) == canonical(SMALL)


@pytest.mark.parametrize("file", sorted(REAL.glob("*.json")) or [
    pytest.param(REAL, marks=pytest.mark.skip(reason="the real exports are not here"))], ids=lambda one: one.stem)
def test_nothing_is_lost_of_a_real_export(file: Path) -> None:
    given = json.loads(file.read_text())
    given.setdefault("IsTruncated", False)  # old answers leave out what is said today
    for policy in given["Policies"]:
        policy.setdefault("PermissionsBoundaryUsageCount", 0)
    assert canonical(there_and_back(file.read_text())) == canonical(given)


def test_a_percent_encoded_document_is_the_same_document() -> None:
    own = {"UserPolicyList": [{"PolicyName": "Own", "PolicyDocument": quote(json.dumps(SAYS)), "Weight": 3}]}
    assert canonical(there_and_back(changed(UserDetailList=own))) == canonical(SMALL)


@pytest.mark.parametrize("text", [
    "[]", "{}", '{"UserDetailList": [], "UserDetailList": []}',
    changed(UserDetailList={"Arn": f"{ME}:user/ben"}),
    changed(UserDetailList={"UserPolicyList": [{"PolicyName": "Own", "PolicyDocument": {"Statement": "none"}}]}),
    changed(UserDetailList={"UserPolicyList": [{"PolicyName": "Own"}]}),
    changed(Policies={"DefaultVersionId": "v3"}),
    json.dumps(SMALL | {"UserDetailList": SMALL["UserDetailList"] * 2}),
])
def test_what_cannot_be_read_whole_is_refused(text: str) -> None:
    with pytest.raises(DocumentError):
        read_details(text)


def test_missing_policies_are_told() -> None:
    gone = {"AttachedManagedPolicies": [{"PolicyName": "Gone", "PolicyArn": "arn:aws:iam::aws:policy/Gone"}]}
    assert read_details(changed(GroupDetailList=gone)).missing == ("arn:aws:iam::aws:policy/Gone",)


def test_a_dry_run_tells_what_an_import_does_and_does_nothing(store: MemoryDirectoryStore) -> None:
    details = read_details(json.dumps(SMALL))
    would = bring_in(store, details, NOTE, dry_run=True)
    assert (store.revision(), len(would)) == (0, 6)  # settings, account, user, group, role, policy
    assert bring_in(store, details, NOTE) == would
    assert (store.revision(), bring_in(store, details, NOTE)) == (1, [])


def test_a_password_stays_with_whom_it_belongs_to(store: MemoryDirectoryStore) -> None:
    key = Key(Kind.USER, "123456789012", "ann")
    ann = User(account=key.account, name="ann", arn=f"{ME}:user/ann", id="AIDAANN", password="hash")
    with store.write(NOTE) as tx:
        tx.put(Settings(partition="aws", default_account=key.account))
        tx.put(ann)
    bring_in(store, read_details(json.dumps(SMALL)), NOTE)
    with store.read() as reading:
        assert reading.get(key).password == "hash"  # type: ignore[union-attr]
    bring_in(store, read_details(changed(UserDetailList={"UserId": "AIDAOTHER"})), NOTE)
    with store.read() as reading:
        assert reading.get(key).password == ""  # type: ignore[union-attr]


def test_an_exact_import_removes_who_is_gone(store: MemoryDirectoryStore) -> None:
    bring_in(store, read_details(json.dumps(SMALL)), NOTE)
    without = read_details(json.dumps(SMALL | {"UserDetailList": []}))
    assert [one.key.name for one in bring_in(store, without, NOTE, exact=True) if one.after is None] == ["ann"]


def test_another_partition_is_refused(store: MemoryDirectoryStore) -> None:
    with store.write(NOTE) as tx:
        tx.put(Settings())
    with pytest.raises(DocumentError, match="arn:app:"):
        bring_in(store, read_details(json.dumps(SMALL)), NOTE)


def test_a_copy_holds_the_same(store: MemoryDirectoryStore) -> None:
    bring_in(store, read_details(json.dumps(SMALL)), NOTE)
    target, told = MemoryDirectoryStore(), list[int]()
    copy(store, target, NOTE, progress=told.append)
    with store.read() as one, target.read() as other:
        assert list(one.scan()) == list(other.scan())
    assert (told, target.revision()) == ([1, 2, 3, 4, 5, 6], 1)
