"""A store is a URL: which one it opens, and what it says when it cannot."""

from __future__ import annotations

import builtins
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_places import Place, put, tenant

from iam_guard.directory.port import DirectoryStore
from iam_guard.errors import ConfigurationError
from iam_guard.store.folder_directory import FolderDirectoryStore
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.sql.postgresql import PostgreSQLDirectoryStore
from iam_guard.store.sql.sqlite import SQLiteDirectoryStore
from iam_guard.store.urls import open_store

Open = Callable[[str], DirectoryStore]


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Open:
    """Open a store, and close it at the end."""

    def open_one(url: str) -> DirectoryStore:
        store = open_store(url)
        request.addfinalizer(store.close)
        return store

    return open_one


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and it is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_memory(opened: Open) -> None:
    assert isinstance(opened("memory:"), MemoryDirectoryStore)


def test_sqlite_in_a_file_of_the_current_folder_or_of_any(opened: Open, here: Path) -> None:
    for url, file in [("sqlite:///iam.db", here / "iam.db"), (f"sqlite:///{here}/other.db", here / "other.db"),
                      ("SQLite:///mit%20Leerzeichen%3F.db", here / "mit Leerzeichen?.db")]:
        store = opened(url)
        assert isinstance(store, SQLiteDirectoryStore)
        put(store, tenant(1))
        assert file.exists()


def test_a_folder(opened: Open, here: Path) -> None:
    for url in ("file:./iam", f"file://{here}/other", f"file:{here}/third"):
        assert isinstance(opened(url), FolderDirectoryStore)
    assert sorted(path.name for path in here.iterdir()) == ["iam", "other", "third"]


def test_postgresql(opened: Open, postgresql_place: Place) -> None:
    url = postgresql_place.url
    put(opened(url), tenant(1))
    again = opened(url.replace("postgresql:", "postgres:"))
    assert isinstance(again, PostgreSQLDirectoryStore)
    assert again.revision() == 1


@pytest.mark.parametrize("url", [
    "", "iam.db", "mysql://host/x", "sqlite+aiosqlite:///iam.db", "sqlite:iam.db", "sqlite://iam.db", "sqlite://",
    "sqlite:///", "sqlite:///:memory:", "sqlite:///iam.db?mode=ro", "memory:x", "file:", "file://host/iam",
])
@pytest.mark.usefixtures("here")
def test_anything_else_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(ConfigurationError, match="write "):
        open_store(url)
    assert not list(Path().iterdir())


def test_an_unknown_kind_does_not_repeat_a_password() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store("mysql://ann:s3cret@host/x")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("url", "lacking", "extra"), [
    ("sqlite:///iam.db", "sqlalchemy", "directory"), ("postgresql://127.0.0.1:1/x", "sqlalchemy", "postgres"),
    ("postgresql://127.0.0.1:1/x", "psycopg", "postgres"),
])
def test_an_extra_that_is_not_installed_is_named(url: str, lacking: str, extra: str,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("iam_guard.store.sql")]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == lacking:
            raise ModuleNotFoundError(f"No module named '{lacking}'", name=lacking)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigurationError, match=rf"'{lacking}' is not installed; .*'iam-guard\[{extra}\]'"):
        open_store(url)


def test_stores_without_a_database_need_none_of_its_libraries() -> None:
    program = ("import sys; from iam_guard.store.urls import open_store; open_store('memory:').close(); "
               "print([name for name in ('sqlalchemy', 'alembic', 'psycopg') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": ":".join(sys.path)})
    assert done.stdout.strip() == "[]"
