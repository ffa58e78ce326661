"""An image of a directory: it holds what the store holds, shares what did not change, and says what did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.directory.entities import (
    AccessKey,
    Account,
    Entity,
    Group,
    Key,
    Kind,
    ResourcePolicy,
    StandingPolicy,
    User,
)
from iam_guard.directory.image import Image
from iam_guard.directory.port import Change, Entry, Note
from iam_guard.directory.shards import Shards
from iam_guard.store.memory_directory import MemoryDirectoryStore

ACCOUNT = "000000000000"
NOTE = Note("arn:app:iam::000000000000:user/admin", "Import", "2026-01-01T12:00:00Z")
KEYS = st.integers(0, 40)


def user(name: str, **more: Any) -> User:
    return User(account=ACCOUNT, name=name, arn=f"arn:app:iam::{ACCOUNT}:user/{name}", **more)


def image_of(store: MemoryDirectoryStore) -> Image:
    with store.read() as reading:
        return Image.of(reading)


@given(st.dictionaries(KEYS, st.integers()), st.lists(st.dictionaries(KEYS, st.none() | st.integers()), max_size=4))
def test_shards_are_a_dict_that_never_changes(start: dict[int, int], steps: list[dict[int, int | None]]) -> None:
    plain, shards = dict(start), Shards(start.items())
    kept = []
    for step in steps:
        kept.append((dict(plain), shards))
        plain.update(step)  # type: ignore[arg-type]
        plain = {key: value for key, value in plain.items() if value is not None}
        shards = shards.changed(step)
    for one, other in [*kept, (plain, shards)]:
        assert dict(other) == one
        assert len(other) == len(one)
        assert all((key in other) == (key in one) for key in range(41))


def test_an_image_holds_what_the_store_holds(store: MemoryDirectoryStore, put: Callable[..., None]) -> None:
    ann = user("Ann", inline={"x": "{}"})
    put(ann, Account(account=ACCOUNT))
    image = image_of(store)
    assert image.revision == 1
    assert image.get(Key(Kind.USER, ACCOUNT, "ann")) == ann
    assert image.get(Key(Kind.USER, ACCOUNT, "bob")) is None
    assert image.counts[Kind.USER] == 1


def test_secret_keys_are_not_kept_in_memory(store: MemoryDirectoryStore, put: Callable[..., None]) -> None:
    put(AccessKey(account=ACCOUNT, id="AKIA1", user="ann", user_id="AIDA1", secret="not for decisions"))
    before = image_of(store)
    put(AccessKey(account=ACCOUNT, id="AKIA2", user="ann", user_id="AIDA1", secret="nor this"))
    after = before.after(store.changes(1))
    assert (list(before.entities), list(after.image.entities), after.touched) == ([], [], frozenset())
    assert after.image.revision == 2


def test_the_image_after_changes_is_the_image_of_the_store_after_them(
        store: MemoryDirectoryStore, put: Callable[..., None]) -> None:
    put(user("ann"), user("bob"), StandingPolicy(name="a", reach="everyone", document="{}"))
    before = image_of(store)
    put(user("ann", path="/x/"), Group(account=ACCOUNT, name="g", arn="arn:app:iam::000000000000:group/g"))
    put(StandingPolicy(name="b", reach="everyone", document="{}"))
    put(ResourcePolicy(account=ACCOUNT, arn="arn:app:docs:::d/1", document="{}"))
    with store.write(NOTE) as tx:
        tx.delete(user("bob").key)
        tx.delete(StandingPolicy(name="a", reach="everyone", document="{}").key)
    after = before.after(store.changes(1)).image
    fresh = image_of(store)
    assert after.revision == fresh.revision == 5
    assert dict(after.entities) == dict(fresh.entities)
    assert (after.counts, after.few) == (fresh.counts, fresh.few)
    assert dict(after.resources) == dict(fresh.resources) == {
        "arn:app:docs:::d/1": Key(Kind.RESOURCE_POLICY, ACCOUNT, "arn:app:docs:::d/1")}
    assert before.get(user("bob").key) == user("bob"), "an image never changes"


def test_what_did_not_change_is_the_same_object(store: MemoryDirectoryStore, put: Callable[..., None]) -> None:
    put(user("ann"), user("bob"))
    before = image_of(store)
    put(user("ann", path="/x/"))
    after = before.after(store.changes(1)).image
    assert after.entities[user("bob").key] is before.entities[user("bob").key]
    assert after.entities[user("ann").key] != before.entities[user("ann").key]


def touched_by(entity: Entity) -> set[str]:
    store = MemoryDirectoryStore()
    before = image_of(store)
    with store.write(NOTE) as tx:
        tx.put(entity)  # type: ignore[arg-type]
    after = before.after(store.changes(0))
    assert after == after.image.succeeding(before)
    return set(after.touched)


def test_a_change_names_what_it_touches() -> None:
    assert touched_by(user("ann")) == {f"arn:app:iam::{ACCOUNT}:user/ann"}
    assert touched_by(Account(account=ACCOUNT)) == {ACCOUNT}
    assert touched_by(ResourcePolicy(account=ACCOUNT, arn="arn:x", document="{}")) == {"arn:x"}
    assert touched_by(StandingPolicy(name="a", reach="endpoint", document="{}")) == {"*"}


def test_an_entity_under_a_new_arn_touches_the_old_one_too(
        store: MemoryDirectoryStore, put: Callable[..., None]) -> None:
    put(user("ann"))
    before = image_of(store)
    put(User(account=ACCOUNT, name="ann", arn=f"arn:app:iam::{ACCOUNT}:user/x/ann", path="/x/"))
    after = before.after(store.changes(1))
    assert after == after.image.succeeding(before)
    assert after.touched == {f"arn:app:iam::{ACCOUNT}:user/ann", f"arn:app:iam::{ACCOUNT}:user/x/ann"}


def test_a_missing_write_is_noticed(store: MemoryDirectoryStore, put: Callable[..., None]) -> None:
    put(user("ann"))
    before = image_of(store)
    put(user("bob"))
    put(user("cid"))
    with pytest.raises(ValueError, match="revision 3 does not follow 1"):
        before.after(store.changes(2))


def test_a_write_that_does_not_follow_from_the_image_is_noticed(
        store: MemoryDirectoryStore, put: Callable[..., None]) -> None:
    """A store that was restored may count on from an older revision as if nothing had happened."""
    put(user("ann"))
    before = image_of(store)
    other = user("ann", path="/other/")
    with pytest.raises(ValueError, match="ann"):
        before.after([Change(2, NOTE, (Entry(other.key, other, user("ann", path="/new/")),))])
    with pytest.raises(ValueError, match="ann"):
        before.after([Change(2, NOTE, (Entry(other.key, None, user("ann", path="/new/")),))])
