"""Changing the file of API keys that guards follow; it holds digests, and the keys themselves stand nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from iam_guard.config.api_keys import read_key_entries
from iam_guard.config.credential_settings import ApiKeyEntry, ApiKeyFile
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.api_keys import DEFAULT_PREFIX, key_id_of, new_api_key
from iam_guard.identity.whole_file import alone, replace_whole

_Entries = tuple[ApiKeyEntry, ...]


def api_key_entries(path: str | Path) -> _Entries:
    """The entries of a file.

    Raises:
        ConfigurationError: it cannot be read, or holds a mistake.
    """
    try:
        return read_key_entries(Path(path))
    except OSError as problem:
        raise ConfigurationError(Fault(f"the file cannot be read: {problem.strerror}", file=str(path))) from None


def add_api_key(path: str | Path, principal: str, *, tags: Mapping[str, str], expires: datetime | None = None,
                prefix: str = DEFAULT_PREFIX) -> str:
    """Make a key, and write its digest into the file.

    Args:
        path: A file that ends in ``.json``; made when it is not there.
        principal: ARN of the user or role that the key names.
        tags: Principal tags.
        expires: From when on it is worth nothing, with its zone.
        prefix: How the key begins.

    Returns:
        The key, which is kept nowhere else.

    Raises:
        ConfigurationError: the key cannot be one, or the file cannot be changed.
    """
    text, digest = new_api_key(prefix)
    entry = ApiKeyEntry(id=key_id_of(text), sha256=digest, principal=principal, tags=dict(tags),
                        expires=expires.isoformat() if expires else "")
    _change(Path(path), lambda before: (*before, entry))
    return text


def remove_api_key(path: str | Path, id: str) -> None:
    """Take a key away; guards that follow the file see it within a second.

    Raises:
        ConfigurationError: there is no such key, or the file cannot be changed.
    """
    def without(before: _Entries) -> _Entries:
        left = tuple(one for one in before if one.id != id)
        if len(left) == len(before):
            raise ConfigurationError(Fault(f"there is no key '{id}'", file=str(path)))
        return left

    _change(Path(path), without)


def _change(path: Path, change: Callable[[_Entries], _Entries]) -> None:
    if path.suffix != ".json":
        raise ConfigurationError(Fault("only files of JSON are changed here, since others may hold comments",
                                       "name a file that ends in '.json', or edit this one", file=str(path)))
    try:
        with alone(path):
            before = read_key_entries(path) if path.exists() else ()
            after = msgspec.json.encode(ApiKeyFile(keys=change(before)))
            read_key_entries(path, after)
            replace_whole(path, msgspec.json.format(after, indent=1) + b"\n")
    except OSError as problem:
        raise ConfigurationError(Fault(f"the file cannot be changed: {problem.strerror}", file=str(path))) from None
