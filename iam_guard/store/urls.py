"""A store is a URL everywhere: this opens the one that a URL names."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import SplitResult, unquote, urlsplit

from iam_guard.directory.port import DirectoryStore
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.store.memory_directory import MemoryDirectoryStore

_EXAMPLES = "write sqlite:///iam.db, postgresql://host/database, file:./folder or memory:"


def open_store(url: str) -> DirectoryStore:
    """Open the store that a URL names, and make it or bring its schema up to date where that is needed.

    Args:
        url: ``sqlite:///iam.db`` (relative) or ``sqlite:////var/lib/iam.db``, ``postgresql://user@host/database``
            with whatever else libpq knows after a question mark, ``file:./folder``, or ``memory:``.

    Raises:
        ConfigurationError: it is no such URL, or the extra that it needs is not installed, or what is there
            cannot be used.
        UnavailableError: the place cannot be reached.
    """
    scheme, colon, _ = url.partition(":")
    opener = _OPENERS.get(scheme.lower()) if colon else None
    if opener is None:
        # Not repeated whole: it may hold a password.
        raise ConfigurationError([Fault(f"'{scheme[:32]}' is no kind of store", mend=_EXAMPLES)])
    return opener(url)


def _open_memory(url: str) -> DirectoryStore:
    if url.partition(":")[2]:
        raise ConfigurationError([Fault("a store in memory has no place", mend="write memory:")])
    return MemoryDirectoryStore()


def _open_folder(url: str) -> DirectoryStore:
    from iam_guard.store.folder_directory import FolderDirectoryStore

    return FolderDirectoryStore.open(_path(urlsplit(url), "file:./folder"))


def _open_sqlite(url: str) -> DirectoryStore:
    try:
        from iam_guard.store.sql.sqlite import SQLiteDirectoryStore
    except ModuleNotFoundError as missing:
        raise _without("directory", missing) from None

    parts = urlsplit(url)
    path = _path(parts, "sqlite:///iam.db").removeprefix("/")
    if not url.partition(":")[2].startswith("///") or path in ("", ":memory:"):
        raise ConfigurationError([Fault("a store in SQLite needs a file",
                                        mend="write sqlite:///iam.db, or memory: for none")])
    return SQLiteDirectoryStore(path)


def _open_postgresql(url: str) -> DirectoryStore:
    try:
        from iam_guard.store.sql.postgresql import PostgreSQLDirectoryStore
    except ModuleNotFoundError as missing:
        raise _without("postgres", missing) from None

    return PostgreSQLDirectoryStore.open(url)


_OPENERS: dict[str, Callable[[str], DirectoryStore]] = {
    "memory": _open_memory,
    "file": _open_folder,
    "sqlite": _open_sqlite,
    "postgresql": _open_postgresql,
    "postgres": _open_postgresql,
}


def _path(parts: SplitResult, example: str) -> str:
    """The path, on this machine."""
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not parts.path:
        raise ConfigurationError([Fault("the URL of a store on this machine is its path and nothing else",
                                        mend=f"write {example}")])
    return unquote(parts.path)


def _without(extra: str, missing: ModuleNotFoundError) -> ConfigurationError:
    """Say which extra brings what is missing; what this package lacks itself is no matter of extras."""
    if (missing.name or "iam_guard").split(".")[0] == "iam_guard":
        raise missing
    return ConfigurationError([Fault(f"'{missing.name}' is not installed",
                                     mend=f"pip install 'iam-guard[{extra}]'")])
