"""Copies between every two kinds of store hold the same; what differs is told as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from iam_guard.directory.difference import Member, difference, lines_of, members_of, shape_of, towards, word_of
from iam_guard.directory.entities import (
    AccessKey,
    Account,
    AnyEntity,
    ControlPolicy,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    Organization,
    PasswordPolicy,
    PolicyVersion,
    ResourcePolicy,
    Role,
    Settings,
    StandingPolicy,
    Unit,
    User,
)
from iam_guard.directory.port import DirectoryStore, Entry, Note
from iam_guard.directory.transfer import copy
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.urls import open_store

KINDS = {"memory": "memory:", "file": "file:{}", "sqlite": "sqlite:///{}.db"}
NOTE = Note("arn:app:iam::000000000000:root", "Copy", "2026-01-01T12:00:00Z")
HOME, MADE = "000000000000", "2026-01-01T00:00:00Z"


def document(**more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "a:B", **more}})


PLAIN, NAMES_ANN = document(Resource="*"), document(Principal={"AWS": f"arn:app:iam::{HOME}:user/staff/Ann"})
READ = f"arn:app:iam::{HOME}:policy/Read"


def named(kind: str, name: str, path: str = "/", **more: Any) -> dict[str, Any]:
    return {"account": HOME, "name": name, "path": path, "arn": f"arn:app:iam::{HOME}:{kind}{path}{name}",
            "created": MADE, **more}


#: One of each kind, with everything that it can have.
EVERYTHING: tuple[AnyEntity, ...] = (
    Settings(decisive=("docs",), extra={"Comet": [1, {"tail": None}]}),
    Account(account=HOME, name="Home", parent="r-1", scps=("Narrow",), tags={"a": "b"}, created=MADE,
            password_policy=PasswordPolicy(minimum_length=20)),
    User(**named("user", "Ann", "/staff/", id="AIDAANN"), groups=("Staff",), boundary=READ, tags={"Team": "rot ä"},
         policies=(READ,), inline={"Own": PLAIN}, password="$argon2id$hash", password_created=MADE,
         password_history=("$argon2id$old",), password_last_used=MADE, extra={"Comet": {"tail": 1.5}}),
    Group(**named("group", "Staff", id="AGPASTAFF"), policies=(READ,), inline={"Own": PLAIN}),
    Role(**named("role", "Deploy", "/x/", id="AROADEPLOY"), trust=NAMES_ANN, description="says", last_used=MADE,
         trusted_ids={f"arn:app:iam::{HOME}:user/staff/Ann": "AIDAANN"}, max_session_duration=7200),
    ManagedPolicy(**named("policy", "Read", id="ANPAREAD"), default="v2", next_version=4, updated=MADE,
                  versions=(PolicyVersion(id="v2", document=PLAIN, created=MADE, extra={"Comet": True}),
                            PolicyVersion(id="v3", document=PLAIN, created=MADE))),
    AccessKey(account=HOME, id="AKIA1", user="Ann", user_id="AIDAANN", secret="ENCRYPTED", created=MADE),
    ResourcePolicy(account=HOME, arn="arn:app:docs:::document/A b", document=document(
        Principal={"AWS": f"arn:app:iam::{HOME}:user/staff/Ann"}, Resource="*"),
        named_ids={f"arn:app:iam::{HOME}:user/staff/Ann": "AIDAANN"}),
    StandingPolicy(account=HOME, name="Own", reach="everyone", document=PLAIN),
    Organization(id="o-1", management="111122223333", root="r-1", created=MADE),
    Account(account="111122223333", name="Top", parent="r-1", created=MADE),
    Unit(id="r-1", name="Root"),
    ControlPolicy(type="scp", name="Narrow", id="p-1", document=PLAIN, created=MADE),
)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str, str], DirectoryStore]]:
    """Open a new store of a kind: ``opened("sqlite", "source")``."""
    with ExitStack() as stack:

        def open_one(kind: str, name: str) -> DirectoryStore:
            store = open_store(KINDS[kind].format(tmp_path / name))
            stack.callback(store.close)
            return store

        yield open_one


def fill(store: DirectoryStore, *entities: AnyEntity) -> None:
    with store.write(NOTE) as tx:
        for entity in entities:
            tx.put(entity)


def contents(store: DirectoryStore) -> list[tuple[Key, bytes]]:
    with store.read() as reading:
        return list(reading.scan())


def ann(**more: Any) -> User:
    found = next(one for one in EVERYTHING if isinstance(one, User))
    return replace(found, **more)


# --- copies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_a_copy_holds_the_same(opened: Callable[..., DirectoryStore], source: str, target: str) -> None:
    one, other = opened(source, "one"), opened(target, "other")
    fill(one, *EVERYTHING)
    told: list[int] = []
    would = copy(one, other, NOTE, dry_run=True)
    assert (contents(other), other.revision()) == ([], 0)
    assert copy(one, other, NOTE, progress=told.append) == would
    assert {entry.key for entry in would} == {entity.key for entity in EVERYTHING}
    assert contents(other) == contents(one)
    assert dict(contents(other)).keys() == {entity.key for entity in EVERYTHING}
    assert told == list(range(1, len(EVERYTHING) + 1))
    assert other.revision() == 1  # one write
    assert copy(one, other, NOTE) == []
    with one.read() as before, other.read() as after:
        assert list(difference(before, after)) == []
        assert all(after.get(entity.key) == entity for entity in EVERYTHING)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_leaves_what_it_does_not_know_unless_it_is_to_be_exact(opened: Callable[..., DirectoryStore],
                                                                      kind: str) -> None:
    one, other, extra = opened("memory", "one"), opened(kind, "other"), ann(name="ben", id="AIDABEN",
                                                                         arn=f"arn:app:iam::{HOME}:user/staff/ben")
    fill(one, *EVERYTHING)
    fill(other, *EVERYTHING, extra)
    assert copy(one, other, NOTE) == []
    assert copy(one, other, NOTE, exact=True) == [Entry(extra.key, extra, None)]
    assert contents(one) == contents(other)


def test_a_copy_that_fails_in_the_middle_leaves_nothing(opened: Callable[..., DirectoryStore]) -> None:
    one, other = opened("memory", "one"), opened("sqlite", "other")
    fill(one, *EVERYTHING)

    def stop(done: int) -> None:
        if done == 5:
            raise RuntimeError("the cable")

    with pytest.raises(RuntimeError, match="the cable"):
        copy(one, other, NOTE, progress=stop)
    assert (contents(other), other.revision()) == ([], 0)


# --- differences ----------------------------------------------------------------------------------------


def test_what_differs() -> None:
    one, other = MemoryDirectoryStore(), MemoryDirectoryStore()
    staff = next(entity for entity in EVERYTHING if isinstance(entity, Group))
    fill(one, ann(), staff)
    fill(other, ann(tags={}), *(entity for entity in EVERYTHING if isinstance(entity, Unit)))
    with one.read() as before, other.read() as after:
        found = list(difference(before, after))
    assert sorted((word_of(entry), entry.key.kind) for entry in found) == [
        ("add", Kind.UNIT), ("change", Kind.USER), ("remove", Kind.GROUP)]
    changed = next(entry for entry in found if word_of(entry) == "change")
    assert members_of(changed) == [Member("tags", {"Team": "rot ä"}, None)]
    assert lines_of(changed) == [f"~ user ann in account {HOME}", '    tags: {"Team": "rot ä"} -> nothing']
    assert shape_of(changed) == {
        "Change": "change", "Kind": "user", "Account": HOME, "Name": "ann",
        "Members": [{"name": "tags", "before": {"Team": "rot ä"}, "after": None}]}


def test_nobody_is_shown_a_secret() -> None:
    store = MemoryDirectoryStore()
    fill(store, *EVERYTHING)
    key = next(entity for entity in EVERYTHING if isinstance(entity, AccessKey))
    with store.read() as reading:
        wanted = [ann(password="$argon2id$new", password_history=()), replace(key, secret="OTHER")]
        found = list(towards(reading, wanted))
    told = "".join(json.dumps(shape_of(entry)) + "".join(lines_of(entry)) for entry in found)
    assert [one.name for entry in found for one in members_of(entry)] == ["password", "password_history", "secret"]
    assert "(hidden)" in told
    assert not [secret for secret in ("argon2id", "ENCRYPTED", "OTHER") if secret in told]
