"""AWS's account exports: in, out again, and nothing lost on the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from msgspec.structs import replace

from iam_guard.directory.entities import Key, Kind, ManagedPolicy, Role, Settings, User
from iam_guard.directory.exchange.reading import read_details
from iam_guard.directory.exchange.supplied import read_policies
from iam_guard.directory.exchange.writing import Documents, write_details
from iam_guard.directory.port import Note
from iam_guard.directory.transfer import bring_in, copy, remarks_in
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


def there_and_back(text: str, *accounts: str, documents: Documents = Documents.OBJECTS) -> Any:
    details, store = read_details(text, accounts=accounts), MemoryDirectoryStore()
    bring_in(store, details, NOTE)
    with store.read() as reading:
        return write_details(reading, details.account, documents=documents)


def changed(**lists: dict[str, Any]) -> str:
    """The small export, its first user, group, role or policy changed: ``changed(UserDetailList={...})``."""
    return json.dumps(SMALL | {name: [SMALL[name][0] | more] for name, more in lists.items()})


def test_nothing_is_lost() -> None:
    assert canonical(there_and_back(json.dumps(SMALL))) == canonical(SMALL)


#: Two of the real exports were put together out of several.
OF_SEVERAL = {"cloudmapper-demo": ("123456789012", "aws"),
              "iam-vulnerable-account": ("123456789012", "111122223333")}


@pytest.mark.parametrize("file", sorted(REAL.glob("*.json")) or [
    pytest.param(REAL, marks=pytest.mark.skip(reason="the real exports are not here"))], ids=lambda one: one.stem)
def test_nothing_is_lost_of_a_real_export(file: Path) -> None:
    given = json.loads(file.read_text())
    given.setdefault("IsTruncated", False)  # old answers leave out what is said today
    for policy in given["Policies"]:
        policy.setdefault("PermissionsBoundaryUsageCount", 0)
    assert canonical(there_and_back(file.read_text(), *OF_SEVERAL.get(file.stem, ()))) == canonical(given)


def test_a_percent_encoded_document_is_the_same_document() -> None:
    own = {"UserPolicyList": [{"PolicyName": "Own", "PolicyDocument": quote(json.dumps(SAYS)), "Weight": 3}]}
    assert canonical(there_and_back(changed(UserDetailList=own))) == canonical(SMALL)


@pytest.mark.parametrize(("documents", "read"), [
    (Documents.TEXT, json.loads), (Documents.ENCODED, lambda text: json.loads(unquote(text)))])
def test_documents_are_written_as_asked(documents: Documents, read: Any) -> None:
    said = SAYS | {"Id": "50% a+b ~é"}
    own = {"UserPolicyList": [{"PolicyName": "Own", "PolicyDocument": said}]}
    written = there_and_back(changed(UserDetailList=own), documents=documents)
    texts = [written["UserDetailList"][0]["UserPolicyList"][0]["PolicyDocument"],
             written["RoleDetailList"][0]["AssumeRolePolicyDocument"],
             *(one["Document"] for one in written["Policies"][0]["PolicyVersionList"])]
    assert [read(one) for one in texts] == [said, TRUST, SAYS, SAYS]
    if documents is Documents.ENCODED:  # a + is a plus, and a blank is %20: RFC 3986
        assert "50%25%20a%2Bb%20~" in texts[0]
    assert read_details(json.dumps(written)) == read_details(changed(UserDetailList=own))


def test_a_plus_is_a_plus() -> None:
    text = '%7B"Statement":%7B"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::b/a+b%20c"}}'
    own = {"UserPolicyList": [{"PolicyName": "Own", "PolicyDocument": text}]}
    written = there_and_back(changed(UserDetailList=own))
    assert written["UserDetailList"][0]["UserPolicyList"][0]["PolicyDocument"]["Statement"]["Resource"] == (
        "arn:aws:s3:::b/a+b c")


def test_the_path_is_that_of_the_name() -> None:
    other = {"Path": ""}
    details = read_details(changed(RoleDetailList=other))
    assert [one.path for one in details.entities if isinstance(one, Role)] == ["/x/"]
    assert there_and_back(changed(RoleDetailList=other))["RoleDetailList"][0]["Path"] == ""


def test_what_was_taken_away_is_not_written(store: MemoryDirectoryStore) -> None:
    bring_in(store, read_details(changed(UserDetailList={"Tags": [{"Key": "team", "Value": "red", "Hue": 7}]})), NOTE)
    with store.write(NOTE) as tx:
        tx.put(replace(tx.get(Key(Kind.USER, "123456789012", "ann")), boundary="", tags={}))  # type: ignore[type-var]
    with store.read() as reading:
        ann = write_details(reading, "123456789012")["UserDetailList"][0]
    assert not {"PermissionsBoundary", "Tags"} & ann.keys()


def test_pages_are_put_together() -> None:
    ben = SMALL["UserDetailList"][0] | {"UserName": "ben", "UserId": "AIDABEN", "Arn": f"{ME}:user/ben"}
    pages = ({"UserDetailList": [ben], "IsTruncated": True, "Marker": "next", "Later": "kept"}, SMALL)
    whole = read_details(json.dumps(SMALL | {"UserDetailList": [ben, *SMALL["UserDetailList"]]}))
    assert read_details(*map(json.dumps, pages)) == read_details(json.dumps(pages)) == whole
    assert "incomplete_export" not in {one.code for one in whole.remarks}
    assert "incomplete_export" in {one.code for one in read_details(*map(json.dumps, pages[::-1])).remarks}


def test_pages_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(DocumentError, match="two pages differ in 'Later'"):
        read_details(json.dumps(SMALL), json.dumps({"Later": "otherwise"}))
    with pytest.raises(DocumentError, match="user 'ann' stands twice"):
        read_details(json.dumps(SMALL), json.dumps({"UserDetailList": SMALL["UserDetailList"]}))


@pytest.mark.parametrize(("given", "kept"), [
    (1_577_934_245, "2020-01-02T03:04:05Z"), (1_577_934_245.5, "2020-01-02T03:04:05.500000Z"),
    ("2020-01-02 03:04:05+00:00", "2020-01-02 03:04:05+00:00"),
    (datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), "2020-01-02T03:04:05+00:00"),
])
def test_dates(given: Any, kept: str) -> None:
    user = SMALL["UserDetailList"][0] | {"CreateDate": given}
    details = read_details(SMALL | {"UserDetailList": [user]})
    assert [one.created for one in details.entities if isinstance(one, User)] == [kept]


@pytest.mark.parametrize("given", ["yesterday", True, [], 1e300])
def test_what_is_no_date_is_refused(given: Any) -> None:
    with pytest.raises(DocumentError, match="CreateDate: a date is"):
        read_details(changed(UserDetailList={"CreateDate": given}))


def test_several_accounts_are_refused_unless_named() -> None:
    other = {"Arn": "arn:aws:iam::999999999999:group/Staff"}
    with pytest.raises(DocumentError, match="'123456789012', '999999999999'"):
        read_details(changed(GroupDetailList=other))
    with pytest.raises(DocumentError, match="should of '999999999999'"):
        read_details(json.dumps(SMALL), accounts=["999999999999"])
    text = changed(GroupDetailList=other)
    assert canonical(there_and_back(text, "123456789012", "999999999999")) == canonical(json.loads(text))


def test_unknown_members_are_told() -> None:
    told = [one.where for one in read_details(json.dumps(SMALL)).remarks if one.code == "unknown_member"]
    assert sorted(told) == ["Later", f"{ME}:user/ann Comet", f"{ME}:user/ann UserPolicyList/Own/Weight"]


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
    details = read_details(changed(GroupDetailList=gone))
    assert details.unresolved == ("arn:aws:iam::aws:policy/Gone",)
    assert [one.where for one in details.remarks if one.code == "unresolved_policy"] == [*details.unresolved]


@pytest.mark.parametrize("form", [
    SAYS, json.dumps(SAYS), quote(json.dumps(SAYS)), {"PolicyVersion": {"VersionId": "v9", "Document": SAYS}},
    {"Type": "AWS::IAM::ManagedPolicy", "PolicyDocument": SAYS}])
def test_missing_policies_can_be_supplied(form: Any) -> None:
    arn = "arn:aws:iam::aws:policy/service-role/Gone"
    gone = {"AttachedManagedPolicies": [{"PolicyName": "Gone", "PolicyArn": arn}]}
    other = "arn:aws:iam::aws:policy/Other"
    supplied = read_policies(json.dumps({arn: form, other: SAYS}))
    details = read_details(changed(GroupDetailList=gone), supplied=supplied)
    assert details.unresolved == ()
    found = [one for one in details.entities if isinstance(one, ManagedPolicy) and one.account == "aws"]
    said = [(one.arn, one.path, json.loads(one.versions[0].document)) for one in found]
    assert said == [(arn, "/service-role/", SAYS)]


def test_a_policy_that_the_directory_holds_is_not_missing(store: MemoryDirectoryStore) -> None:
    bring_in(store, read_details(json.dumps(SMALL)), NOTE)
    users = read_details(json.dumps({"UserDetailList": SMALL["UserDetailList"]}))
    assert users.unresolved == (f"{ME}:policy/Read",)
    assert [one.code for one in remarks_in(store, users)] == ["unknown_member", "unknown_member"]
    assert next(one.code for one in remarks_in(MemoryDirectoryStore(), users)) == "unresolved_policy"


def test_whoever_is_gone_is_trusted_by_id_alone(store: MemoryDirectoryStore) -> None:
    bring_in(store, read_details(json.dumps(SMALL)), NOTE)
    ann = Key(Kind.USER, "123456789012", "ann")
    with store.write(NOTE) as tx:
        tx.put(replace(tx.get(ann), id="AIDAOTHER"))  # type: ignore[type-var]
    with store.read() as reading:
        trust = write_details(reading, ann.account)["RoleDetailList"][0]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"AWS": "AIDAANN"}


def test_a_trusted_user_that_is_only_in_the_store_is_meant_too(store: MemoryDirectoryStore) -> None:
    bring_in(store, read_details(json.dumps(SMALL)), NOTE)
    role = SMALL["RoleDetailList"][0] | {"RoleName": "New", "Arn": f"{ME}:role/x/New", "RoleId": "AROANEW"}
    bring_in(store, read_details(json.dumps({"RoleDetailList": [role]})), NOTE)
    with store.read() as reading:
        found = reading.get(Key(Kind.ROLE, "123456789012", "new"))
    assert isinstance(found, Role)
    assert found.trusted_ids == {f"{ME}:user/ann": "AIDAANN"}


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
