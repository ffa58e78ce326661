"""Files beside an export: they limit and allow what they say, and come out again as they went in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from iam_guard.directory.effective import attachments_of
from iam_guard.directory.entities import Account, ControlPolicy, Key, Kind, Organization, Unit
from iam_guard.directory.exchange.beside import Beside, read_beside, texts_of_files
from iam_guard.directory.exchange.reading import Details, read_details
from iam_guard.directory.exchange.supplied import read_policies
from iam_guard.directory.exchange.writing import write_beside, write_details
from iam_guard.directory.port import DirectoryStore, Note
from iam_guard.directory.transfer import bring_in
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import DocumentError
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.urls import open_store

NOTE = Note("", "Import", "2026-01-01T12:00:00Z")
HOME = "123456789012"
ANN, BEN = f"arn:aws:iam::{HOME}:user/ann", f"arn:aws:iam::{HOME}:user/ben"
GONE = "arn:aws:iam::aws:policy/Gone"
BUCKET = "arn:aws:s3:::bucket"


def statement(effect: str, action: str, **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*", **more}]}


ALL, NO_PUT = statement("Allow", "*"), statement("Deny", "s3:Put*")
ONLY_S3, ONLY_GET = statement("Allow", "s3:*"), statement("Allow", "s3:Get*")
FOR_BEN = statement("Allow", "s3:GetObject", Principal={"AWS": BEN}, Resource=f"{BUCKET}/*")


def details(account: str = HOME, **ann: Any) -> Details:
    def user(name: str, **more: Any) -> dict[str, Any]:
        return {"UserName": name, "UserId": f"AIDA{name.upper()}", "Arn": f"arn:aws:iam::{account}:user/{name}", **more}

    inline = {"UserPolicyList": [{"PolicyName": "All", "PolicyDocument": ALL}]}
    return read_details(json.dumps({"UserDetailList": [user("ann", **inline, **ann), user("ben")]}))


def beside(**files: Any) -> Beside:
    """What files say: ``beside(scps={...}, resource_policies={...})``."""
    return read_beside({f"{name.replace('_', '-')}.json": json.dumps(value) for name, value in files.items()})


@pytest.fixture(params=["memory:", "sqlite:///{}/iam.db", "file:{}/iam"], ids=["memory", "sqlite", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DirectoryStore]:
    with closing(open_store(request.param.format(tmp_path))) as opened:
        yield opened


def may(store: DirectoryStore, who: str, action: str, resource: str = f"{BUCKET}/key") -> bool:
    with store.read() as reading:
        policies = PolicySet(attachments_of(reading))
        return policies.evaluate(AuthorizationRequest(Principal.from_arn(who), action, resource,
                                                      resource_account=HOME)).allowed


@pytest.mark.parametrize(("files", "allowed"), [
    ({}, {"s3:GetObject", "s3:PutObject", "sqs:SendMessage"}),
    ({"scps": {"Full": ALL, "NoPut": NO_PUT}}, {"s3:GetObject", "sqs:SendMessage"}),
    ({"scps": {"S3": ONLY_S3}}, {"s3:GetObject", "s3:PutObject"}),
    ({"scps": [{"S3": ONLY_S3}, None, {"Get": ONLY_GET}]}, {"s3:GetObject"}),  # each level has to allow
    ({"scps": [{"Full": ALL}, {"Get": ONLY_GET, "S3": ONLY_S3}]}, {"s3:GetObject", "s3:PutObject"}),
    ({"scps": [{"Full": ALL}, {}]}, set()),  # a level with nothing allows nothing
    ({"rcps": {"NoPut": statement("Deny", "s3:Put*", Principal="*")}}, {"s3:GetObject", "sqs:SendMessage"}),
])
def test_control_policies_limit_the_account(store: DirectoryStore, files: dict[str, Any], allowed: set[str]) -> None:
    bring_in(store, details(), NOTE, beside=beside(**files))
    queue = f"arn:aws:sqs:eu-west-1:{HOME}:jobs"
    asked = {"s3:GetObject": f"{BUCKET}/key", "s3:PutObject": f"{BUCKET}/key", "sqs:SendMessage": queue}
    assert {action for action, resource in asked.items() if may(store, ANN, action, resource)} == allowed
    with store.read() as reading:
        written = texts_of_files(write_beside(reading, HOME))
    assert read_beside(written) == beside(**files)  # and nothing is lost on the way back


def test_resource_policies_allow(store: DirectoryStore) -> None:
    said = beside(resource_policies={f"{BUCKET}/key": FOR_BEN})
    bring_in(store, details(), NOTE, beside=said)
    assert may(store, BEN, "s3:GetObject")
    assert not may(store, BEN, "s3:PutObject")
    with store.read() as reading:
        assert write_beside(reading, HOME) == said


def test_importing_it_again_changes_nothing(store: DirectoryStore) -> None:
    said = beside(scps=[{"S3": ONLY_S3}, {"Get": ONLY_GET}], resource_policies={f"{BUCKET}/key": FOR_BEN})
    assert bring_in(store, details(), NOTE, beside=said)
    assert bring_in(store, details(), NOTE, beside=said) == []
    assert bring_in(store, details(), NOTE) == []  # what is not said again stays
    assert store.revision() == 1


def test_whoever_holds_what_is_not_there_is_denied_everything(store: DirectoryStore) -> None:
    attached = {"AttachedManagedPolicies": [{"PolicyName": "Gone", "PolicyArn": GONE}]}
    found = details(**attached)
    assert found.unresolved == (GONE,)
    bring_in(store, found, NOTE)
    assert not may(store, ANN, "s3:GetObject")
    supplied = read_policies(json.dumps({GONE: NO_PUT}))
    with store.read() as reading:
        text = json.dumps(write_details(reading, HOME))
    bring_in(store, read_details(text, supplied=supplied), NOTE)
    assert may(store, ANN, "s3:GetObject")
    assert not may(store, ANN, "s3:PutObject")


# --- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("files", "fault"), [
    ({"scps": [["S3"]]}, "object of documents"), ({"scps": {"S3": {"Statement": "none"}}}, "Statement"),
    ({"scps": [{"S3": ONLY_S3}, {"S3": ONLY_GET}]}, "two documents are called 'S3'"),
    ({"resource_policies": {"bucket": FOR_BEN}}, "'bucket' is not the ARN"),
    ({"resource_policies": {ANN: FOR_BEN}}, "is not the ARN of a resource"), ({"quotas": {}}, "quotas.json"),
])
def test_files_that_cannot_be_read(files: dict[str, Any], fault: str) -> None:
    with pytest.raises(DocumentError, match=fault):
        beside(**files)


def test_a_resource_of_another_account() -> None:
    said = beside(resource_policies={"arn:aws:sqs:eu-west-1:999999999999:jobs": FOR_BEN})
    with pytest.raises(DocumentError, match="of this account's"):
        bring_in(MemoryDirectoryStore(), details(), NOTE, beside=said)


# --- an organization that is there already --------------------------------------------------------------


@pytest.fixture
def organized() -> MemoryDirectoryStore:
    """A store whose organization limits the account, and another, by a policy of its own."""
    found = MemoryDirectoryStore()
    bring_in(found, details(), NOTE)
    with found.write(NOTE) as tx:
        tx.put(Organization(id="o-real", root="r-real"))
        tx.put(Unit(id="r-real", name="Root"))
        tx.put(ControlPolicy(type="scp", name="NoPut", id="p-1", document=json.dumps(NO_PUT)))
        tx.put(ControlPolicy(type="scp", name="Full", id="p-2", document=json.dumps(ALL)))
        tx.put(Account(account=HOME, parent="r-real", scps=("Full", "NoPut")))
        tx.put(Account(account="999999999999", parent="r-real", scps=("Full", "NoPut")))
    return found


def test_what_is_attached_to_the_account_itself_is_replaced(organized: MemoryDirectoryStore) -> None:
    bring_in(organized, details(), NOTE, beside=beside(scps={"S3": ONLY_S3}))
    with organized.read() as reading:
        assert reading.get(Key(Kind.ACCOUNT, HOME, HOME)) == Account(account=HOME, parent="r-real", scps=("S3",))
    assert may(organized, ANN, "s3:PutObject")


@pytest.mark.parametrize("scps", [[{"S3": ONLY_S3}, {"S3": ONLY_S3}], {"NoPut": NO_PUT | {"Id": "other"}}],
                         ids=["another place in the tree", "another policy of that name"])
def test_others_are_not_limited_otherwise(organized: MemoryDirectoryStore, scps: Any) -> None:
    with pytest.raises(DocumentError):
        bring_in(organized, details(), NOTE, beside=beside(scps=scps))
    assert organized.revision() == 2


def test_an_account_without_a_place_is_refused(organized: MemoryDirectoryStore) -> None:
    with pytest.raises(DocumentError, match="nothing would limit it"):
        bring_in(organized, details("111122223333"), NOTE)


def test_two_accounts_keep_their_own_limits() -> None:
    store = MemoryDirectoryStore()
    for account, document in ((HOME, ONLY_GET), ("111122223333", ONLY_S3)):
        bring_in(store, details(account), NOTE, beside=beside(scps=[{f"For{account}": document}, None]))
    assert not may(store, ANN, "s3:PutObject")
    with store.read() as reading:
        written = [texts_of_files(write_beside(reading, account)) for account in (HOME, "111122223333")]
    assert [list(json.loads(one["scps.json"])[0]) for one in written] == [[f"For{HOME}"], ["For111122223333"]]
