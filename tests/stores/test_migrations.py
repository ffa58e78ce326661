"""The schema of a directory in a database: the same for all, brought up from the first, never down from a newer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, make_url, text
from store_places import HOME, Place, get, put, tenant, user

from iam_guard.directory.entities import Kind, Relation, User
from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.store.sql.schema import HEAD, VERSION_TABLE, metadata

ANN = user("Ann", "/staff/", id="AIDA1", groups=("Staff",), created="")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Place:
    """A place of each kind with tables."""
    return request.getfixturevalue(f"{request.param}_place")  # type: ignore[no-any-return]


@pytest.fixture
def engine(database: Place) -> Iterator[Engine]:
    """Past the store."""
    url = make_url(database.url)
    made = create_engine(url.set(drivername="postgresql+psycopg") if database.kind == "postgresql" else url)
    yield made
    made.dispose()


def test_a_directory_of_the_first_version_is_read_and_written(sqlite_place: Place) -> None:
    first = Path(__file__).with_name("first_version.sql").read_text()
    with closing(sqlite3.connect(sqlite_place.where)) as connection:
        connection.executescript(first)
    store = sqlite_place.open()
    assert get(store, Kind.USER, "ann") == ANN
    with store.read() as reading:
        assert (reading.revision, reading.revision_of(ANN.key)) == (2, 2)
        assert reading.linking(Relation.GROUP, f"{HOME}/staff") == [ANN.key]
        assert [one.key.name for one in reading.page(Kind.USER, HOME, path="/staff/")] == ["ann"]
    afterwards = [entry.after.groups for change in store.changes(0) for entry in change.entries
                  if isinstance(entry.after, User)]
    assert afterwards == [(), ("Staff",)]
    put(store, user("bob"))
    assert store.revision() == 3


def test_the_migrations_make_the_tables_that_the_program_uses(database: Place, engine: Engine) -> None:
    database.open()
    with engine.connect() as connection:
        found: Any = compare_metadata(MigrationContext.configure(connection, opts={
            "version_table": VERSION_TABLE, "compare_type": True}), metadata)
    assert found == []


def test_the_newest_migration_is_the_one_that_the_program_reads() -> None:
    with as_file(files("iam_guard.store.sql").joinpath("migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_directory_of_a_newer_version_is_left_alone(database: Place, engine: Engine) -> None:
    store = database.open()
    put(store, tenant(1))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="use a newer version of iam-guard"):
        database.open()
    with pytest.raises(UnavailableError, match="restart it"):
        get(store, Kind.ACCOUNT, tenant(1).account, tenant(1).account)
    with pytest.raises(UnavailableError, match="restart it"):
        put(store, tenant(2))


def test_rows_that_this_program_did_not_write_are_told_and_not_guessed(database: Place, engine: Engine) -> None:
    store = database.open()
    put(store, user("ann"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE iam_entities SET data = '{}'"))
    with pytest.raises(UnavailableError, match="cannot be read"):
        get(store, Kind.USER, "ann")


def test_tables_of_an_application_beside_are_none_of_its_business(database: Place, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
        connection.execute(text("CREATE TABLE entities (x TEXT)"))
    put(database.open(), tenant(1))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "theirs"
