"""The ``api_keys`` section to what is known of each key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from iam_guard.config.credential_settings import ApiKeyEntry, ApiKeyFile, ApiKeySettings
from iam_guard.config.place import Origin
from iam_guard.errors import ConfigurationError, DocumentError, Fault
from iam_guard.identity.api_keys import ApiKey, ApiKeyAuthenticator, ApiKeys, ApiKeyTable
from iam_guard.identity.watched_keys import WatchedApiKeys
from iam_guard.model import Principal, PrincipalKind
from iam_guard.policy.source import SourceText
from iam_guard.store.typed import read_value

#: Largest file of keys.
MAX_FILE_BYTES = 1_048_576

_KINDS = (PrincipalKind.USER, PrincipalKind.ROLE_SESSION)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def read_api_keys(settings: ApiKeySettings, origin: Origin, at: str, *, realm: str) -> ApiKeyAuthenticator:
    """Make the way.

    Raises:
        ConfigurationError: with everything that is wrong with any key.
    """
    if bool(settings.keys) == bool(settings.file):
        raise ConfigurationError(origin.fault(at, "keys are in one place", "list 'keys', or name a 'file'"))
    keys = _followed(settings.file, origin, at) if settings.file else _table(settings.keys, origin, f"{at}/keys")
    return ApiKeyAuthenticator(keys, header=settings.header, realm=realm)


def _followed(name: str, origin: Origin, at: str) -> ApiKeys:
    place = origin.path(name)
    try:
        return WatchedApiKeys(partial(_read_file, place), partial(_stamp, place))
    except OSError as problem:
        raise ConfigurationError(origin.fault(f"{at}/file", f"'{name}' cannot be read: {problem.strerror}",
                                              "write it, or name another")) from None


def _stamp(place: Path) -> object:
    found = place.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read_file(place: Path) -> ApiKeys:
    entries, origin = _entries(place, _content(place))
    return _table(entries, origin, "/keys")


def read_key_entries(place: Path, content: bytes | None = None) -> tuple[ApiKeyEntry, ...]:
    """The entries of a file of keys, each of which could be used.

    Args:
        place: The file.
        content: What will be in it, instead of what is.

    Raises:
        ConfigurationError: with everything that is wrong with any key.
        OSError: the file cannot be read.
    """
    entries, origin = _entries(place, _content(place) if content is None else content)
    _table(entries, origin, "/keys")
    return entries


def _content(place: Path) -> bytes:
    with place.open("rb") as stream:
        return stream.read(MAX_FILE_BYTES + 1)


def _entries(place: Path, content: bytes) -> tuple[tuple[ApiKeyEntry, ...], Origin]:
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError(Fault(f"the file is longer than {MAX_FILE_BYTES} bytes", file=str(place)))
    source = SourceText(content.decode("utf-8", "replace"), file=str(place), is_yaml=place.suffix != ".json")
    try:
        value = source.value()
    except DocumentError as refused:
        raise ConfigurationError(refused.faults) from None
    read = read_value(value, ApiKeyFile, file=source.file, position=source.position)
    return read.keys, Origin(source.file, place.parent, source.position)


def _table(entries: Sequence[ApiKeyEntry], origin: Origin, at: str) -> ApiKeyTable:
    faults: list[Fault] = []
    read = [origin.attempt(faults, f"{at}/{index}", partial(_key, entry)) for index, entry in enumerate(entries)]
    if faults:
        raise ConfigurationError(faults)
    table = origin.attempt(faults, at, lambda: ApiKeyTable(key for key in read if key))
    if table is None:
        raise ConfigurationError(faults)
    return table


def _key(entry: ApiKeyEntry) -> ApiKey:
    if not _SHA256.fullmatch(entry.sha256):
        raise ConfigurationError(Fault("this is not a SHA-256 digest", "write 64 hexadecimal digits in lower case",
                                       "/sha256"))
    return ApiKey(entry.id, bytes.fromhex(entry.sha256), _principal(entry), _end(entry.expires))


def _principal(entry: ApiKeyEntry) -> Principal:
    try:
        found = Principal.from_arn(entry.principal, tags=entry.tags) if entry.principal.startswith("arn:") else None
    except (ValueError, TypeError):
        found = None
    if found is None or found.kind not in _KINDS:
        raise ConfigurationError(Fault(f"'{entry.principal}' cannot have a key", "write the ARN of a user or role",
                                       "/principal"))
    return found


def _end(text: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(Fault(f"'{text}' is not a moment", "write it like '2030-01-01T00:00:00Z'",
                                       "/expires"))
    return moment.timestamp()
