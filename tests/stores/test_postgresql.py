"""What is special about a directory in PostgreSQL: a server that goes away and notices that get lost."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from postgresql_server import Server
from store_places import LONG, NOTE, Place, get, put, tenant, user

from iam_guard.directory.entities import Kind, from_json
from iam_guard.directory.port import DirectoryStore
from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.store.sql import bulk
from iam_guard.store.sql.postgresql import PostgreSQLDirectoryStore
from iam_guard.store.urls import open_store

#: Seconds that no test takes: a look that often finds nothing in time.
NEVER = 3600.0
_MEGABYTE = 1 << 20


@pytest.fixture
def restarted(server: Server) -> Iterator[Server]:
    """The server, running at the end whatever becomes of the test."""
    yield server
    server.start()


def listening(place: Place, poll: float) -> DirectoryStore:
    """A store that has seen revision 1 and waits for more."""
    put(place.open(), tenant(1))
    store = place.open(poll=poll)
    assert store.wait(0, LONG)
    return store


def test_a_notice_wakes_who_waits_without_a_look(postgresql_place: Place) -> None:
    store = listening(postgresql_place, poll=NEVER)
    with ThreadPoolExecutor() as pool:
        for revision in range(1, 4):
            waiting = pool.submit(store.wait, revision, LONG)
            put(postgresql_place.open(), tenant(revision + 1))
            assert waiting.result(LONG)


def test_a_notice_that_is_lost_is_made_up_for_by_a_look(postgresql_place: Place) -> None:
    store = listening(postgresql_place, poll=0.05)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(store.wait, 1, LONG)
        with psycopg.connect(postgresql_place.url) as connection:  # writes without telling anybody
            connection.execute("UPDATE iam_meta SET revision = 2")
        assert waiting.result(LONG)
    assert store.revision() == 2


def test_a_notice_that_says_nonsense_is_overheard(postgresql_place: Place) -> None:
    store = listening(postgresql_place, poll=NEVER)
    with psycopg.connect(postgresql_place.url, autocommit=True) as connection:
        connection.execute("SELECT pg_notify('iam_guard_' || 'iam_meta'::regclass::oid::text, 'soon')")
    put(postgresql_place.open(), tenant(2))
    assert store.wait(1, LONG)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_is_survived_and_loses_nothing(postgresql_place: Place, restarted: Server, mode: str) -> None:
    store = listening(postgresql_place, poll=0.05)
    restarted.stop(mode)
    with pytest.raises(UnavailableError):
        store.revision()
    with pytest.raises(UnavailableError):
        put(store, tenant(2))
    with pytest.raises(UnavailableError):
        store.wait(1, 0.01)
    restarted.start()
    assert store.revision() == 1
    put(store, tenant(2))
    assert store.wait(1, LONG)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(store.wait, 2, LONG)
        put(postgresql_place.open(), tenant(3))
        assert waiting.result(LONG)
    assert [change.revision for change in store.changes(0)] == [1, 2, 3]


def test_a_write_that_a_restart_interrupts_is_undone(postgresql_place: Place, restarted: Server) -> None:
    store = postgresql_place.open()
    put(store, user("ann"))

    def write() -> None:
        with store.write(NOTE) as tx:
            tx.put(user("bob"))
            tx.delete(user("ann").key)
            assert len(tx.entries()) == 2
            restarted.stop("immediate")

    with pytest.raises(UnavailableError):
        write()
    restarted.start()
    assert store.revision() == 1
    assert get(store, Kind.USER, "ann") == user("ann")
    assert get(store, Kind.USER, "bob") is None


def test_a_full_disk_fails_the_write_and_nothing_else(postgresql_place: Place, server: Server) -> None:
    store = postgresql_place.open()
    put(store, tenant(1))
    noise = {str(number): secrets.token_hex(_MEGABYTE) for number in range(24)}
    # A file of the log of writes has 16 MB, and is there already: only tables have to grow.
    with server.full_disk(17 * _MEGABYTE):
        with pytest.raises(UnavailableError):
            put(store, user("big", inline=noise))
        assert store.revision() == 1
        assert get(store, Kind.USER, "big") is None
        put(store, user("small"))
    assert get(store, Kind.USER, "small") == user("small")
    put(store, user("big", inline=noise))
    assert store.revision() == 3


def test_connections_that_the_server_ends_are_replaced(postgresql_place: Place) -> None:
    store = listening(postgresql_place, poll=0.05)
    for number in range(2, 5):
        with psycopg.connect(postgresql_place.url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE datname = current_database() AND pid <> pg_backend_pid()")
        put(store, tenant(number))
        assert store.wait(number - 1, LONG)
        assert store.revision() == number


def test_a_server_that_acknowledges_too_early_is_told_not_to(postgresql_place: Place) -> None:
    store = postgresql_place.open()
    with psycopg.connect(postgresql_place.url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                           "WHERE datname = current_database() AND pid <> pg_backend_pid()")
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
        connection.execute("CREATE TABLE seen (mode text)")
        connection.execute("CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS "
                           "$$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); "
                           "RETURN NEW; END $$")
        connection.execute("CREATE TRIGGER see BEFORE INSERT ON iam_changes FOR EACH ROW EXECUTE FUNCTION see()")
        put(store, tenant(1))
        assert connection.execute("SELECT mode FROM seen").fetchall() == [("on",)]


def test_two_directories_in_schemas_of_one_database_do_not_mix(postgresql_place: Place) -> None:
    with psycopg.connect(postgresql_place.url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA other")
    other = open_store(f"{postgresql_place.url}&options=-csearch_path%3Dother")
    try:
        first = listening(postgresql_place, poll=NEVER)
        for number in range(5):
            put(other, tenant(number))
        assert not first.wait(1, 0.05)
        assert (first.revision(), other.revision()) == (1, 5)
    finally:
        other.close()


def test_the_password_is_told_nobody(server: Server) -> None:
    for url in ("postgresql://ann:s3cret@127.0.0.1:1/x", "postgresql://ann@127.0.0.1:1/x?password=s3cret"):
        with pytest.raises(UnavailableError) as caught:
            open_store(url)
        assert "postgresql://ann@127.0.0.1:1/x" in str(caught.value)
        assert "s3cret" not in repr(caught.value)
        assert caught.value.__cause__ is None
    with pytest.raises(ConfigurationError) as refused:
        open_store("postgresql://ann:s3cret@host:port/x")
    assert "s3cret" not in str(refused.value)
    with_password = server.database().replace("postgres:@", "postgres:s3cret@")
    store = PostgreSQLDirectoryStore.open(with_password)
    try:
        assert "s3cret" not in store.url
    finally:
        store.close()


def test_another_encoding_is_refused(server: Server) -> None:
    url = server.database()
    with psycopg.connect(url, autocommit=True) as connection:
        name = f"{connection.info.dbname}_latin"
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'".encode())
    with pytest.raises(ConfigurationError, match="LATIN1"):
        open_store(url.replace(f"/{name.removesuffix('_latin')}?", f"/{name}?"))


def test_questions_are_answered_from_indexes(postgresql_place: Place) -> None:
    """The tables are too small for indexes to be worth it, so reading them whole is forbidden."""
    store = postgresql_place.open()
    put(store, *(user(f"n{number}") for number in range(50)))
    asked = {
        "SELECT data FROM iam_entities WHERE kind = 'user' AND account = 'a' AND name = 'n'": 3,
        "SELECT data FROM iam_entities WHERE kind = 'user' AND account = 'a' AND name > 'n' ORDER BY name LIMIT 5": 3,
        "SELECT kind FROM iam_links WHERE relation = 'group' AND target = 't' ORDER BY kind, account, name": 2,
        "SELECT * FROM iam_changes WHERE revision > 1 AND revision <= 9 ORDER BY revision, ordinal": 2,
    }
    with psycopg.connect(postgresql_place.url) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        for statement in asked:
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {statement}".encode()))
            assert "Index" in plan, plan
            assert "Sort" not in plan, plan
            assert "Seq Scan" not in plan, plan


def test_what_is_sent_in_batches_arrives_whole(postgresql_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_FEW", 2)
    monkeypatch.setattr(bulk, "_BATCH", 7)
    store = postgresql_place.open()
    put(store, *(tenant(number, name="\\ \" ' 😀") for number in range(50)))
    with store.read() as reading:
        assert [from_json(text) for _, text in reading.scan()] == [tenant(number, name="\\ \" ' 😀")
                                                                   for number in range(50)]
    assert [len(change.entries) for change in store.changes(0)] == [50]
