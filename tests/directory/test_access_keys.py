"""Access keys."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iam_guard.directory.entities import AccessKey, Key, Kind, User
from iam_guard.directory.operations.access_keys import (
    CreateAccessKey,
    DeleteAccessKey,
    GetAccessKeyLastUsed,
    ListAccessKeys,
    UpdateAccessKey,
)
from iam_guard.directory.port import Note
from iam_guard.errors import InvalidInputError, LimitExceededError, NoSuchEntityError
from iam_guard.model import Principal

ACCOUNT = "000000000000"
ANN = f"arn:app:iam::{ACCOUNT}:user/ann"


def user(name: str, unique_id: str, account: str = ACCOUNT) -> User:
    return User(account=account, name=name, id=unique_id, arn=f"arn:app:iam::{account}:user/{name}",
                tags={"team": name})


@pytest.fixture(autouse=True)
def _users(put: Any) -> None:
    put(user("ann", "AIDAANN"), user("ben", "AIDABEN"))


@pytest.fixture
def make(do: Any) -> Any:
    return lambda name="ann": do(CreateAccessKey(user_name=name))["AccessKey"]


def ids(answer: Any) -> list[str]:
    return [one["AccessKeyId"] for one in answer["AccessKeyMetadata"]]


def test_the_secret_is_shown_once_and_kept_hidden(do: Any, make: Any, get: Any) -> None:
    made = make()
    plain = made.pop("SecretAccessKey")
    assert made == {"UserName": "ann", "AccessKeyId": "AKIA0000000000000001", "Status": "Active",
                    "CreateDate": "2026-01-01T12:00:00Z"}
    assert len(plain) == 40
    assert get(Kind.ACCESS_KEY, made["AccessKeyId"], "").secret == f"AKIA0000000000000001|{plain}"
    assert do(ListAccessKeys(user_name="ann"))["AccessKeyMetadata"] == [made]
    assert CreateAccessKey.secret == {"SecretAccessKey"}  # so that no record repeats it


def test_no_two_secrets_are_the_same(make: Any) -> None:
    assert make()["SecretAccessKey"] != make()["SecretAccessKey"]


def test_a_user_has_two_at_most_switched_off_ones_included(do: Any, make: Any) -> None:
    first, _ = make(), make()
    do(UpdateAccessKey(user_name="ann", access_key_id=first["AccessKeyId"], status="Inactive"))
    with pytest.raises(LimitExceededError):
        make()
    do(DeleteAccessKey(user_name="ann", access_key_id=first["AccessKeyId"]))
    make()
    make("ben")


def test_a_key_is_switched_off_and_on(do: Any, make: Any, get: Any) -> None:
    name = make()["AccessKeyId"]
    for status, is_active in [("Inactive", False), ("Active", True)]:
        do(UpdateAccessKey(user_name="ann", access_key_id=name, status=status))
        assert get(Kind.ACCESS_KEY, name, "").active is is_active


def test_a_key_stays_with_a_user_who_is_renamed(do: Any, make: Any, put: Any, store: Any, get: Any) -> None:
    name = make()["AccessKeyId"]
    with store.write(Note("admin", "UpdateUser", "2026-01-01T12:00:00Z")) as tx:
        tx.delete(Key(Kind.USER, ACCOUNT, "ann"))
        tx.put(user("anna", "AIDAANN"))
    assert do(ListAccessKeys(user_name="anna"))["AccessKeyMetadata"][0]["UserName"] == "anna"
    assert do(GetAccessKeyLastUsed(access_key_id=name))["UserName"] == "anna"
    do(UpdateAccessKey(user_name="anna", access_key_id=name, status="Active"))
    assert get(Kind.ACCESS_KEY, name, "").user == "anna"


@pytest.mark.parametrize("operation", [lambda key: UpdateAccessKey(user_name="ben", access_key_id=key,
                                                                   status="Inactive"),
                                       lambda key: DeleteAccessKey(user_name="ben", access_key_id=key)])
def test_permission_over_one_user_does_not_reach_anothers_key(do: Any, make: Any, operation: Any) -> None:
    with pytest.raises(NoSuchEntityError):
        do(operation(make("ann")["AccessKeyId"]))


def test_keys_of_a_former_user_are_not_those_of_the_next(do: Any, make: Any, put: Any) -> None:
    name = make()["AccessKeyId"]
    put(user("ann", "AIDANEXT"))
    assert ids(do(ListAccessKeys(user_name="ann"))) == []
    with pytest.raises(NoSuchEntityError):
        do(UpdateAccessKey(user_name="ann", access_key_id=name, status="Active"))
    with pytest.raises(NoSuchEntityError):
        do(GetAccessKeyLastUsed(access_key_id=name))


def test_without_a_unique_id_nothing_would_know_its_owner(do: Any, put: Any) -> None:
    put(user("cy", ""))
    with pytest.raises(InvalidInputError):
        do(CreateAccessKey(user_name="cy"))


def test_a_user_who_says_no_name_means_themself(directory: Any, referee: Any) -> None:
    ann = Principal.user("ann")
    directory.perform(CreateAccessKey(), by=ann)
    assert len(ids(directory.perform(ListAccessKeys(), by=ann))) == 1
    assert {asked[1] for asked in referee.asked} == {ANN}


@pytest.mark.parametrize("who", [Principal.role_session("App", "s"), Principal.root()])
def test_whoever_is_no_user_says_a_name(directory: Any, who: Principal) -> None:
    with pytest.raises(InvalidInputError):
        directory.perform(CreateAccessKey(), by=who)


def test_a_name_left_out_is_not_that_of_a_namesake_elsewhere(directory: Any, put: Any) -> None:
    with pytest.raises(InvalidInputError):
        directory.perform(CreateAccessKey(), by=Principal.user("ann", account="other"), account=ACCOUNT)


def test_when_a_key_was_used(do: Any, make: Any, put: Any, get: Any, referee: Any) -> None:
    name = make()["AccessKeyId"]
    never = {"ServiceName": "N/A", "Region": "N/A"}
    assert do(GetAccessKeyLastUsed(access_key_id=name)) == {"UserName": "ann", "AccessKeyLastUsed": never}
    assert referee.asked[-1] == ("iam:GetAccessKeyLastUsed", ANN,
                                 {"iam:ResourceTag/team": "ann", "aws:ResourceTag/team": "ann"})
    put(msgspec.structs.replace(get(Kind.ACCESS_KEY, name, ""), last_used="2026-01-02T00:00:00Z"))
    assert do(GetAccessKeyLastUsed(access_key_id=name))["AccessKeyLastUsed"]["LastUsedDate"] == "2026-01-02T00:00:00Z"


def test_no_account_learns_of_anothers_keys(do: Any, put: Any) -> None:
    put(user("eve", "AIDAEVE", "other"), AccessKey(account="other", id="AKIAEVE", user="eve", user_id="AIDAEVE",
                                                   secret="x"))
    with pytest.raises(NoSuchEntityError):
        do(GetAccessKeyLastUsed(access_key_id="AKIAEVE"))
    put(user("imitator", "AIDAEVE"))  # an id that an import brought a second time
    assert ids(do(ListAccessKeys(user_name="imitator"))) == []
