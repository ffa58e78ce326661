"""The first start makes one administrator, shows its credentials once, and never does so again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from iam_guard.directory.authorization import Authorization
from iam_guard.directory.bootstrap import Credentials, bootstrap, new_password
from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import AccessKey, Key, Kind, User
from iam_guard.directory.operations.inline import PutUserPolicy
from iam_guard.directory.operations.users import CreateUser, ListUsers
from iam_guard.errors import InvalidInputError
from iam_guard.model import Principal
from iam_guard.store.memory_directory import MemoryDirectoryStore

ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def shown() -> list[Credentials]:
    return []


@pytest.fixture
def start(store: MemoryDirectoryStore, shown: list[Credentials], secrets: Any) -> Callable[..., bool]:
    return lambda **more: bootstrap(store, secrets, **{"show": shown.append, "clock": lambda: NOON, **more})


def test_the_first_start_makes_one_administrator(start: Callable[..., bool], shown: list[Credentials],
                                                 get: Callable[..., Any]) -> None:
    assert start() is True
    (credentials,) = shown
    user, key = get(Kind.USER, "administrator"), get(Kind.ACCESS_KEY, credentials.access_key_id, "")
    assert isinstance(user, User)
    assert isinstance(key, AccessKey)
    assert user.password == f"hash of {credentials.password}"
    assert user.password_reset_required
    assert key.user_id == user.id != ""
    assert key.secret == f"{key.id}|{credentials.secret_access_key}"
    assert key.active


def test_the_next_start_makes_none(start: Callable[..., bool], shown: list[Credentials],
                                   store: MemoryDirectoryStore) -> None:
    assert start()
    assert start() is False
    assert start(user_name="another") is False
    assert len(shown) == 1
    assert store.revision() == 1


def test_a_directory_that_holds_anything_is_left_alone(start: Callable[..., bool], shown: list[Credentials],
                                                       put: Callable[..., None]) -> None:
    put(User(account="000000000000", name="ann", arn="arn:app:iam::000000000000:user/ann", id="AIDAANN"))
    assert start() is False
    assert shown == []


def test_of_two_nodes_that_start_together_one_is_first(store: MemoryDirectoryStore, start: Callable[..., bool],
                                                       shown: list[Credentials],
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    assert start()
    monkeypatch.setattr(store, "revision", lambda: 0)  # this one looked before the other had written
    assert start() is False
    assert len(shown) == 1


def test_credentials_that_could_not_be_shown_are_nobodys(start: Callable[..., bool], shown: list[Credentials],
                                                         store: MemoryDirectoryStore) -> None:
    def broken_pipe(credentials: Credentials) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        start(show=broken_pipe)
    assert store.revision() == 0
    assert start()
    assert len(shown) == 1


def test_a_name_that_is_none_is_refused(start: Callable[..., bool], store: MemoryDirectoryStore) -> None:
    with pytest.raises(InvalidInputError):
        start(user_name="a name")
    assert store.revision() == 0


def test_partition_and_account_are_kept(start: Callable[..., bool], store: MemoryDirectoryStore) -> None:
    assert start(partition="corp", account="222222222222")
    with store.read() as reading:
        user = reading.get(Key(Kind.USER, "222222222222", "administrator"))
        settings = reading.get(Key(Kind.SETTINGS, "", ""))
    assert isinstance(user, User)
    assert user.arn == "arn:corp:iam::222222222222:user/administrator"
    assert settings is not None
    assert getattr(settings, "partition", "") == "corp"
    assert getattr(settings, "default_account", "") == "222222222222"


def test_the_administrator_may_do_everything(start: Callable[..., bool],
                                             make_directory: Callable[..., Directory]) -> None:
    start()
    directory = make_directory(referee=Authorization())
    admin = Principal.user("administrator")
    directory.perform(CreateUser(user_name="ann"), by=admin)
    directory.perform(PutUserPolicy(user_name="ann", policy_name="Own", policy_document=ALLOW), by=admin)
    listed = directory.perform(ListUsers(), by=admin)["Users"]
    assert [user["UserName"] for user in listed] == ["administrator", "ann"]


def test_what_is_printed_says_everything_and_a_repr_nothing(start: Callable[..., bool],
                                                            shown: list[Credentials]) -> None:
    start()
    printed = "\n".join(shown[0].lines())
    for text in (shown[0].password, shown[0].secret_access_key):
        assert text in printed
        assert text not in repr(shown[0])


def test_passwords_are_long_and_of_every_kind() -> None:
    made = {new_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        assert len(password) == 24
        assert any(char.isupper() for char in password)
        assert any(char.islower() for char in password)
        assert any(char.isdigit() for char in password)
        assert any(char in "-_=+" for char in password)
