"""The index of the store in memory against a plain one, and what a reader keeps."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.directory.entities import Account, Key, Kind, Relation, User
from iam_guard.directory.port import Note
from iam_guard.errors import HistoryGoneError
from iam_guard.store import ordered
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.ordered import OrderedSet, Row

NOTE = Note("arn:app:iam::000000000000:user/admin", "Import", "2026-01-01T12:00:00Z")
ROWS = st.sets(st.tuples(st.sampled_from("ab"), st.text("xyz", max_size=4)), max_size=60)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "_PIECE", 4)
    monkeypatch.setattr(ordered, "_MANY", 1)


@pytest.mark.usefixtures("small_pieces")
@given(st.lists(st.tuples(ROWS, ROWS), max_size=6), ROWS)
def test_an_ordered_set_is_a_sorted_set_and_leaves_the_one_before_as_it_was(
        changes: list[tuple[set[Row], set[Row]]], probes: set[Row]) -> None:
    plain: set[Row] = set()
    found = OrderedSet()
    for added, removed in changes:
        before, members = found, sorted(plain)
        plain = (plain - removed) | added
        found = found.changed(added, removed)
        assert list(before) == members
    members = sorted(plain)
    assert list(found) == members
    for probe in probes:
        assert list(found.since(probe)) == members[bisect_left(members, probe):]
    for letter in "ab":
        assert list(found.starting((letter,))) == [row for row in members if row[0] == letter]
        assert found.count((letter,)) == sum(row[0] == letter for row in members)


def user(name: str, path: str = "/", **more: object) -> User:
    return User(account="t", name=name, arn=f"arn:app:iam::t:user{path}{name}", path=path, **more)  # type: ignore[arg-type]


def names(found: list[object]) -> list[str]:
    return [getattr(one, "name", "") for one in found]


def test_a_page_below_a_path_is_in_the_order_of_names_not_of_paths() -> None:
    store = MemoryDirectoryStore()
    with store.write(NOTE) as tx:
        for name, path in [("d", "/a/"), ("a", "/a/x/"), ("c", "/ab/"), ("b", "/b/"), ("e", "/")]:
            tx.put(user(name, path))
        assert names([*tx.page(Kind.USER, "t", path="/a")]) == ["a", "c", "d"]
    with store.read() as reading:
        assert names([*reading.page(Kind.USER, "t", path="/a/")]) == ["a", "d"]
        assert names([*reading.page(Kind.USER, "t", path="/a", after="a", limit=1)]) == ["c"]
        assert names([*reading.page(Kind.USER, "t")]) == ["a", "b", "c", "d", "e"]
        assert reading.count(Kind.USER, "t") == 5
        assert reading.count(Kind.USER, "") == 0


def test_a_reader_keeps_what_it_began_with() -> None:
    store = MemoryDirectoryStore()
    with store.write(NOTE) as tx:
        tx.put(user("ann", groups=("Staff",)))
    with store.read() as before:
        with store.write(NOTE) as tx:
            tx.delete(Key(Kind.USER, "t", "ann"))
            assert tx.linking(Relation.GROUP, "t/staff") == []
            tx.put(user("bob", groups=("Staff",)))
        assert before.linking(Relation.GROUP, "t/staff") == [Key(Kind.USER, "t", "ann")]
        assert [key.name for key, _ in before.scan()] == ["ann"]
    with store.read() as after:
        assert after.linking(Relation.GROUP, "t/staff") == [Key(Kind.USER, "t", "bob")]


def test_history_is_bounded_and_says_so() -> None:
    store = MemoryDirectoryStore(kept_changes=2)
    for number in range(1, 8):
        with store.write(NOTE) as tx:
            tx.put(Account(account="t", name=str(number)))
    assert [change.revision for change in store.changes(5)] == [6, 7]
    assert store.changes(7) == []
    with pytest.raises(HistoryGoneError):
        store.changes(1)
