"""Writing a file of revocations, while guards read it and others write it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec

from iam_guard.identity.revocation import RevocationList, RevokedSessions, RevokedToken, read_revocations

Entry = RevokedToken | RevokedSessions


def add_revocations(path: str | os.PathLike[str], *more: Entry, now: datetime | None = None) -> RevocationList:
    """Revoke *more*, and forget entries whose tokens have expired by themselves.

    The file is replaced as a whole, so a guard reads the old list or the new one; writers wait for each other.

    Args:
        path: The file; made when it is not there.
        more: What is over from now on.
        now: The time.

    Returns:
        The list as it is written now.

    Raises:
        OSError: the file cannot be written.
        ValueError: what is there is no list of revocations; it is left as it is.
    """
    place = Path(path)
    with _alone(place):
        before = read_revocations(place.read_bytes()) if place.exists() else RevocationList()
        after = _together(before, more, now or datetime.now(UTC))
        written = msgspec.json.format(msgspec.json.encode(after), indent=1) + b"\n"
        read_revocations(written)
        _replace(place, written)
    return after


def _together(before: RevocationList, more: tuple[Entry, ...], now: datetime) -> RevocationList:
    alive = [one for one in dict.fromkeys((*before.tokens, *before.sessions, *more))
             if one.until is None or one.until > now]
    return RevocationList(tokens=tuple(one for one in alive if isinstance(one, RevokedToken)),
                          sessions=tuple(one for one in alive if isinstance(one, RevokedSessions)))


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Keep other writers out; the lock is beside the file, since the file itself is replaced."""
    with place.with_name(f".{place.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(place: Path, written: bytes) -> None:
    with NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}.", delete=False) as beside:
        try:
            beside.write(written)
            beside.flush()
            os.fsync(beside.fileno())
            # Others read it: a guard may run as another user. It holds names of tokens, and no token.
            os.fchmod(beside.fileno(), 0o644)
            os.replace(beside.name, place)
        except BaseException:
            os.unlink(beside.name)
            raise
