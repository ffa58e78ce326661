"""Passwords, and what accounts ask of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iam_guard.directory.entities import Kind, User
from iam_guard.directory.operations.passwords import (
    ChangePassword,
    CreateLoginProfile,
    DeleteAccountPasswordPolicy,
    DeleteLoginProfile,
    GetAccountPasswordPolicy,
    GetLoginProfile,
    UpdateAccountPasswordPolicy,
    UpdateLoginProfile,
)
from iam_guard.errors import EntityAlreadyExistsError, InvalidInputError, NoSuchEntityError, OperationDeniedError
from iam_guard.model import Principal

ACCOUNT = "000000000000"
GOOD, OTHER, THIRD = "Correct-horse-1", "Battery-staple-2", "Third-passw0rd"
ANN = Principal.user("ann")


@pytest.fixture(autouse=True)
def _ann(put: Any) -> None:
    put(User(account=ACCOUNT, name="ann", id="AIDAANN", arn=f"arn:app:iam::{ACCOUNT}:user/ann"))


def create(do: Any, password: str = GOOD) -> Any:
    return do(CreateLoginProfile(user_name="ann", password=password))


def test_a_password_is_given_once_and_hashed(do: Any, get: Any) -> None:
    assert create(do) == {"LoginProfile": {"UserName": "ann", "CreateDate": "2026-01-01T12:00:00Z",
                                           "PasswordResetRequired": False}}
    assert get(Kind.USER, "ann").password == f"hash of {GOOD}"
    with pytest.raises(EntityAlreadyExistsError):
        create(do)
    assert do(GetLoginProfile(user_name="ann"))["LoginProfile"]["UserName"] == "ann"


@pytest.mark.parametrize("operation", [GetLoginProfile, DeleteLoginProfile, UpdateLoginProfile])
def test_without_a_password_there_is_no_login_profile(do: Any, operation: Any) -> None:
    with pytest.raises(NoSuchEntityError):
        do(operation(user_name="ann"))


def test_a_password_is_replaced_and_a_change_of_it_asked_for(do: Any, get: Any) -> None:
    create(do)
    do(UpdateLoginProfile(user_name="ann", password_reset_required=True))
    assert (get(Kind.USER, "ann").password, get(Kind.USER, "ann").password_reset_required) == (f"hash of {GOOD}", True)
    do(UpdateLoginProfile(user_name="ann", password=OTHER))
    assert (get(Kind.USER, "ann").password, get(Kind.USER, "ann").password_reset_required) == (f"hash of {OTHER}", True)


def test_a_password_is_taken_away(do: Any, get: Any) -> None:
    before = get(Kind.USER, "ann")
    create(do)
    do(DeleteLoginProfile(user_name="ann"))
    assert get(Kind.USER, "ann") == before


def test_no_record_repeats_a_password() -> None:
    for operation in (CreateLoginProfile, UpdateLoginProfile, ChangePassword):
        fields = {field.encode_name for field in msgspec.structs.fields(operation)}
        assert {name for name in fields if name.endswith("Password")} == operation.secret


# --- changing one's own ---


def test_a_user_changes_their_own_password(do: Any, directory: Any, get: Any, referee: Any) -> None:
    do(CreateLoginProfile(user_name="ann", password=GOOD, password_reset_required=True))
    directory.perform(ChangePassword(old_password=GOOD, new_password=OTHER), by=ANN)
    assert get(Kind.USER, "ann").password == f"hash of {OTHER}"
    assert not get(Kind.USER, "ann").password_reset_required
    assert referee.asked[-1][:2] == ("iam:ChangePassword", f"arn:app:iam::{ACCOUNT}:user/ann")


def test_only_with_the_old_one(do: Any, directory: Any, get: Any) -> None:
    create(do)
    with pytest.raises(OperationDeniedError):
        directory.perform(ChangePassword(old_password=OTHER, new_password=THIRD), by=ANN)
    assert get(Kind.USER, "ann").password == f"hash of {GOOD}"


def test_a_user_without_a_password_has_none_to_change(directory: Any) -> None:
    with pytest.raises(OperationDeniedError):
        directory.perform(ChangePassword(old_password="", new_password=THIRD), by=ANN)


@pytest.mark.parametrize("who", [Principal.role_session("ann", "ann"), Principal.root(),
                                 Principal.user("ann", account="other")])
def test_nobody_else_changes_it_as_if_it_were_theirs(do: Any, directory: Any, who: Principal) -> None:
    create(do)
    with pytest.raises((InvalidInputError, OperationDeniedError)):
        directory.perform(ChangePassword(old_password=GOOD, new_password=THIRD), by=who, account=ACCOUNT)


# --- what is asked of them ---


@pytest.mark.parametrize("password", ["", "Ab1!", "alllowercase", "lower1234", "Ann", "x" * 129, "Abc123!\x00",
                                      "Abc123!\u20ac"])
def test_by_default_eight_characters_of_three_kinds(do: Any, password: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        create(do, password)
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize("password", ["Abcdefg1", "abcdefg1!", "ABCDEFG1!", "Abc defg!"])
def test_any_three_kinds_are_fine(do: Any, password: str) -> None:
    create(do, password)


@pytest.mark.parametrize(("asked", "weak", "strong"), [
    ({"minimum_password_length": 10}, "a" * 9, "a" * 10), ({"require_symbols": True}, "aaaaaaaa", "aaaaaaa!"),
    ({"require_numbers": True}, "aaaaaaaa", "aaaaaaa1"),
    ({"require_uppercase_characters": True}, "aaaaaaaa", "aaaaaaaA"),
    ({"require_lowercase_characters": True}, "AAAAAAAA", "AAAAAAAa")])
def test_an_account_asks_for_more_or_less(do: Any, asked: Any, weak: str, strong: str) -> None:
    do(UpdateAccountPasswordPolicy(**asked))
    with pytest.raises(InvalidInputError):
        create(do, weak)
    create(do, strong)


def test_former_passwords_are_refused_as_long_as_is_asked(do: Any) -> None:
    do(UpdateAccountPasswordPolicy(password_reuse_prevention=2))
    create(do, GOOD)
    do(UpdateLoginProfile(user_name="ann", password=OTHER))
    for used in (GOOD, OTHER):
        with pytest.raises(InvalidInputError):
            do(UpdateLoginProfile(user_name="ann", password=used))
    do(UpdateLoginProfile(user_name="ann", password=THIRD))
    do(UpdateLoginProfile(user_name="ann", password=GOOD))


def test_taking_a_password_away_does_not_make_it_new(do: Any) -> None:
    do(UpdateAccountPasswordPolicy(password_reuse_prevention=1))
    create(do)
    do(DeleteLoginProfile(user_name="ann"))
    with pytest.raises(InvalidInputError):
        create(do)


def test_what_is_asked_can_be_read_and_taken_back(do: Any) -> None:
    with pytest.raises(NoSuchEntityError):
        do(GetAccountPasswordPolicy())
    asked = {"MinimumPasswordLength": 12, "RequireSymbols": True, "RequireNumbers": False,
             "RequireUppercaseCharacters": True, "RequireLowercaseCharacters": False, "PasswordReusePrevention": 3}
    do(msgspec.convert(asked, UpdateAccountPasswordPolicy))
    assert do(GetAccountPasswordPolicy()) == {"PasswordPolicy": asked}
    do(DeleteAccountPasswordPolicy())
    with pytest.raises(NoSuchEntityError):
        do(DeleteAccountPasswordPolicy())


@pytest.mark.parametrize("asked", [{"MinimumPasswordLength": 5}, {"MinimumPasswordLength": 129},
                                   {"PasswordReusePrevention": 25}, {"PasswordReusePrevention": -1}])
def test_what_cannot_be_asked(asked: dict[str, int]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(asked, UpdateAccountPasswordPolicy)
