"""Passwords and secret access keys, hidden."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from iam_guard.directory.entities import AccessKey
from iam_guard.directory.hiding import HiddenSecrets, KeyRing, make_key_file, new_key
from iam_guard.directory.port import Note
from iam_guard.directory.rotation import rotate
from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.store.memory_directory import MemoryDirectoryStore

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
NOTE = Note("arn:app:iam::000000000000:user/admin", "RotateSecretKey", "2026-01-01T12:00:00Z")


def secrets_with(*keys: bytes) -> HiddenSecrets:
    return HiddenSecrets(KeyRing(*keys), hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def text_of(*keys: bytes) -> str:
    return ",".join(base64.b64encode(key).decode() for key in keys)


# --- passwords ---


def test_a_password_is_known_again_and_another_is_not() -> None:
    secrets = secrets_with(OLD)
    hidden = secrets.hash_password("correct horse")
    assert hidden.startswith("$argon2id$")
    assert "horse" not in hidden
    assert secrets.check_password(hidden, "correct horse")
    assert not secrets.check_password(hidden, "correct horse ")


def test_the_same_password_has_another_hash_every_time() -> None:
    secrets = secrets_with(OLD)
    assert secrets.hash_password("same") != secrets.hash_password("same")


def test_hashes_cost_at_least_what_the_rfc_asks_for_little_memory() -> None:
    cost = re.search(r"m=(\d+),t=(\d+)", HiddenSecrets(KeyRing(OLD)).hash_password("x"))
    assert cost is not None
    assert int(cost[1]) >= 65536
    assert int(cost[2]) >= 3


@pytest.mark.parametrize("hidden", ["", "x", "$argon2id$", "correct horse"])
def test_what_is_no_hash_is_nobodys_password(hidden: str) -> None:
    assert not secrets_with(OLD).check_password(hidden, hidden)


def test_no_password_takes_the_work_of_a_wrong_one() -> None:
    class Counting(PasswordHasher):
        verified = 0

        def verify(self, hash: str | bytes, password: str | bytes) -> Any:
            Counting.verified += 1
            return super().verify(hash, password)

    secrets = HiddenSecrets(KeyRing(OLD), hasher=Counting(time_cost=1, memory_cost=8, parallelism=1))
    assert not secrets.check_password("", "anything")
    assert Counting.verified == 1


# --- secret access keys ---


def test_a_secret_comes_back() -> None:
    hidden = secrets_with(OLD).encrypt("sesame", owner="AKIA1")
    assert "sesame" not in hidden
    assert secrets_with(OLD).decrypt(hidden, owner="AKIA1") == "sesame"


def test_a_secret_cannot_be_moved_to_another_access_key() -> None:
    secrets = secrets_with(OLD)
    with pytest.raises(UnavailableError):
        secrets.decrypt(secrets.encrypt("sesame", owner="AKIA1"), owner="AKIA2")


def test_every_changed_character_is_noticed() -> None:
    secrets = secrets_with(OLD)
    hidden = secrets.encrypt("sesame!!", owner="AKIA1")  # of a length that base64 writes without padding
    for at in range(len(hidden)):
        damaged = hidden[:at] + ("A" if hidden[at] != "A" else "B") + hidden[at + 1:]
        with pytest.raises(UnavailableError):
            secrets.decrypt(damaged, owner="AKIA1")


@pytest.mark.parametrize("text", ["", "1", "1..", "1.0.x", "2", "sesame"])
def test_text_of_unknown_origin_is_unavailable(text: str) -> None:
    with pytest.raises(UnavailableError):
        secrets_with(OLD).decrypt(text, owner="AKIA1")


def test_the_first_key_writes_and_all_of_them_read() -> None:
    both, before = secrets_with(NEW, OLD), secrets_with(OLD)
    old, new = before.encrypt("sesame", owner="AKIA1"), both.encrypt("sesame", owner="AKIA1")
    assert both.decrypt(old, owner="AKIA1") == "sesame"
    assert secrets_with(NEW).decrypt(new, owner="AKIA1") == "sesame"
    assert not both.is_current(old)
    assert both.is_current(new)
    with pytest.raises(UnavailableError, match="not on the ring"):
        before.decrypt(new, owner="AKIA1")


# --- where keys come from ---


def test_keys_come_from_the_environment() -> None:
    hidden = secrets_with(OLD).encrypt("sesame", owner="AKIA1")
    ring = KeyRing.from_environment({"IAM_GUARD_SECRET_KEY": text_of(NEW, OLD)})
    assert HiddenSecrets(ring).decrypt(hidden, owner="AKIA1") == "sesame"
    assert ring.first == KeyRing(NEW).first


@pytest.mark.parametrize("environment", [
    {}, {"IAM_GUARD_SECRET_KEY": ""}, {"IAM_GUARD_SECRET_KEY": "???"}, {"IAM_GUARD_SECRET_KEY": "c2hvcnQ="},
    {"IAM_GUARD_SECRET_KEY": text_of(OLD), "IAM_GUARD_SECRET_KEY_FILE": "/keys"},
    {"IAM_GUARD_SECRET_KEY_FILE": "/nowhere/keys"}])
def test_without_one_good_place_for_keys_nothing_starts(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        KeyRing.from_environment(environment)


def test_no_message_repeats_a_key() -> None:
    with pytest.raises(ConfigurationError) as caught:
        KeyRing.from_text(f"{text_of(OLD)} hunter2!")
    assert "hunter2" not in str(caught.value)
    assert text_of(OLD) not in repr(KeyRing(OLD))


def test_a_key_file_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    ring = make_key_file(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert KeyRing.from_environment({"IAM_GUARD_SECRET_KEY_FILE": str(file)}).first == ring.first
    with pytest.raises(ConfigurationError):
        make_key_file(file)


@pytest.mark.parametrize(("mode", "fine"), [(0o600, True), (0o400, True), (0o440, True), (0o640, True),
                                            (0o644, False), (0o660, False), (0o602, False), (0o601, False)])
def test_a_key_file_is_closed_to_others(tmp_path: Path, mode: int, fine: bool) -> None:
    file = tmp_path / "keys"
    file.write_text(new_key())
    file.chmod(mode)
    if fine:
        KeyRing.from_file(file)
    else:
        with pytest.raises(ConfigurationError, match="open to others"):
            KeyRing.from_file(file)


# --- rotation ---


def filled(count: int, secrets: HiddenSecrets) -> MemoryDirectoryStore:
    store = MemoryDirectoryStore()
    with store.write(NOTE) as tx:
        for number in range(count):
            name = f"AKIA{number}"
            tx.put(AccessKey(account="000000000000", id=name, user="ann", user_id="AIDA1",
                             secret=secrets.encrypt(f"secret {number}", owner=name)))
    return store


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_rotation_leaves_nothing_to_the_old_key(batch: int) -> None:
    store = filled(5, secrets_with(OLD))
    assert rotate(store, secrets_with(NEW, OLD), NOTE, batch=batch) == 5
    only_new = secrets_with(NEW)
    with store.read() as reading:
        found = [key for key, _ in reading.scan()]
        secrets = [only_new.decrypt(reading.get(key).secret, owner=key.name) for key in found]
    assert secrets == [f"secret {number}" for number in range(5)]


def test_rotating_again_changes_nothing() -> None:
    store, secrets = filled(3, secrets_with(OLD)), secrets_with(NEW, OLD)
    rotate(store, secrets, NOTE)
    revision = store.revision()
    assert rotate(store, secrets, NOTE) == 0
    assert store.revision() == revision


def test_rotation_without_the_old_key_stops_and_loses_nothing() -> None:
    store = filled(2, secrets_with(OLD))
    with pytest.raises(UnavailableError):
        rotate(store, secrets_with(NEW), NOTE)
    assert rotate(store, secrets_with(NEW, OLD), NOTE) == 2
