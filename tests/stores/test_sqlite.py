"""What is special about a directory in SQLite: a file, and who else has it open."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from store_places import HOME, LONG, NOTE, Place, get, put, tenant, user

from iam_guard.directory.entities import Key, Kind, Relation
from iam_guard.directory.port import DirectoryStore
from iam_guard.errors import ConcurrentModificationError, UnavailableError
from iam_guard.store.sql.sqlite import SQLiteDirectoryStore


@contextmanager
def locked(place: Place, how: str) -> Iterator[None]:
    """The file while somebody else has it."""
    with closing(sqlite3.connect(place.where, isolation_level=None)) as other:
        if how == "EXCLUSIVE":
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE iam_meta SET revision = revision")
        yield


def test_a_file_that_is_locked_for_writing_is_read_and_a_write_is_a_conflict(sqlite_place: Place) -> None:
    store = sqlite_place.open(patience=0.05)
    put(store, user("ann"))
    with locked(sqlite_place, "IMMEDIATE"):
        assert get(store, Kind.USER, "ann") == user("ann")
        with pytest.raises(ConcurrentModificationError, match="being written to by others"):
            put(store, user("bob"))
    put(store, user("bob"))
    assert store.revision() == 2


def test_a_file_that_is_locked_altogether_is_not_available(sqlite_place: Place) -> None:
    first = sqlite_place.open()
    put(first, user("ann"))
    first.close()
    with locked(sqlite_place, "EXCLUSIVE"), pytest.raises(UnavailableError, match="locked"):
        SQLiteDirectoryStore(sqlite_place.where, patience=0.05)
    assert get(sqlite_place.open(), Kind.USER, "ann") == user("ann")


def test_a_write_waits_until_whoever_has_the_file_lets_go(sqlite_place: Place) -> None:
    store = sqlite_place.open(patience=LONG)
    with ThreadPoolExecutor() as pool:
        with locked(sqlite_place, "IMMEDIATE"):
            waiting = pool.submit(put, store, tenant(1))
            assert not waiting.done()
        waiting.result(LONG)
    assert store.revision() == 1


def test_nobody_else_may_read_the_file(sqlite_place: Place) -> None:
    put(sqlite_place.open(), user("ann"))
    for name in ("", "-wal", "-shm"):
        assert stat.S_IMODE(Path(sqlite_place.where + name).stat().st_mode) == 0o600


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("something else altogether, and long enough to be looked at " * 100)
    with pytest.raises(UnavailableError, match="not a database"):
        SQLiteDirectoryStore(text)
    with pytest.raises(UnavailableError, match="cannot be opened"):
        SQLiteDirectoryStore(tmp_path / "missing" / "iam.db")


def test_what_is_acknowledged_is_on_the_disk(sqlite_place: Place) -> None:
    """A copy of the files is what a power failure would leave: the store has not been closed."""
    store = sqlite_place.open()
    put(store, user("ann"))
    copy = Path(sqlite_place.where).with_name("copy.db")
    for name in ("", "-wal"):
        Path(f"{copy}{name}").write_bytes(Path(sqlite_place.where + name).read_bytes())
    with closing(SQLiteDirectoryStore(copy)) as after:
        assert get(after, Kind.USER, "ann") == user("ann")


def test_a_write_is_on_the_disk_when_it_is_acknowledged(sqlite_place: Place) -> None:
    store = sqlite_place.open()
    modes: list[tuple[int, str]] = []

    def look(connection: object, cursor: sqlite3.Cursor, *rest: object) -> None:
        ask = cursor.connection.execute
        modes.append((ask("PRAGMA synchronous").fetchone()[0], ask("PRAGMA journal_mode").fetchone()[0]))

    with listening(look):
        put(store, tenant(1))
    assert set(modes) == {(2, "wal")}  # 2 is FULL


def test_a_store_that_is_closed_says_so_and_wakes_who_waits(sqlite_place: Place) -> None:
    store = sqlite_place.open()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(store.wait, 0, LONG)
        store.close()
        assert isinstance(waiting.exception(LONG), UnavailableError)
    with pytest.raises(UnavailableError, match="is closed"):
        store.revision()


# --- how much is read -----------------------------------------------------------------------------------------


@contextmanager
def listening(heard: Callable[..., None]) -> Iterator[None]:
    """Hear of every statement."""
    event.listen(Engine, "before_cursor_execute", heard)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", heard)


@pytest.fixture
def plans() -> Iterator[list[str]]:
    """How SQLite goes about every statement."""
    found: list[str] = []

    def explain(connection: object, cursor: sqlite3.Cursor, statement: str, parameters: Any, context: object,
                executemany: bool) -> None:
        if not statement.startswith("BEGIN"):
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}",
                                             parameters[0] if executemany else parameters).fetchall()
            found.extend(row[3] for row in rows)

    with listening(explain):
        yield found


@pytest.fixture
def filled(sqlite_place: Place) -> DirectoryStore:
    """Some users in a group."""
    store = sqlite_place.open()
    put(store, *(user(f"n{number}", groups=("Staff",)) for number in range(50)))
    return store


def test_questions_are_answered_from_indexes(filled: DirectoryStore, plans: list[str]) -> None:
    with filled.read() as reading:
        plans.clear()
        reading.get(Key(Kind.USER, HOME, "n7"))
        reading.revision_of(Key(Kind.USER, HOME, "n7"))
        reading.page(Kind.USER, HOME, after="n1", limit=2)
        reading.page(Kind.USER, HOME, path="/x/", after="n1", limit=2)
        reading.count(Kind.USER, HOME)
        reading.linking(Relation.GROUP, f"{HOME}/staff")
        reading.linking(Relation.GROUP, f"{HOME}/staff", kind=Kind.USER)
    assert len(plans) == 7
    assert all(plan.startswith("SEARCH iam_") for plan in plans), plans


def test_writing_one_principal_reads_no_table(filled: DirectoryStore, plans: list[str]) -> None:
    plans.clear()
    with filled.write(NOTE) as tx:
        tx.put(user("n7", path="/x/"))
        tx.delete(user("n8").key)
        tx.put(user("n99"))
    assert any(plan.startswith("SEARCH iam_entities") for plan in plans)
    scanned = {plan.split()[1] for plan in plans if plan.startswith("SCAN iam_")}
    assert scanned <= {"iam_meta", "iam_schema"}  # which have one row


def test_the_feed_is_read_from_where_it_is_asked_for(filled: DirectoryStore, plans: list[str]) -> None:
    put(filled, tenant(1))
    plans.clear()
    assert len(filled.changes(1)) == 1
    assert not [plan for plan in plans if plan == "SCAN iam_changes" or "TEMP B-TREE" in plan], plans
