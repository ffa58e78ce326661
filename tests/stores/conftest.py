"""A place of each kind for the contract of all stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql_server import Server, running_server
from store_places import Place

ALL = ("memory", "folder", "sqlite", "postgresql")
SHARED = ("folder", "sqlite", "postgresql")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running PostgreSQL server."""
    with running_server() as running:
        yield running


@pytest.fixture(params=ALL)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A new place of each kind."""
    yield from _place(request, tmp_path)


@pytest.fixture(params=SHARED)
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A new place of each kind that several processes can open."""
    yield from _place(request, tmp_path)


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Iterator[Place]:
    """A new file."""
    place = Place("sqlite", str(tmp_path / "iam.db"))
    yield place
    place.close()


@pytest.fixture
def postgresql_place(server: Server) -> Iterator[Place]:
    """A new database."""
    place = Place("postgresql", server.database())
    yield place
    place.close()


def _place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    kind = request.param
    where = request.getfixturevalue("server").schema() if kind == "postgresql" else str(tmp_path / "iam")
    place = Place(kind, where)
    yield place
    place.close()
