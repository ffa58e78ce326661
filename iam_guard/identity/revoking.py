"""Writing a file of revocations, while guards read it and others write it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from iam_guard.identity.revocation import RevocationList, RevokedSessions, RevokedToken, read_revocations
from iam_guard.identity.whole_file import alone, replace_whole

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
    with alone(place):
        before = read_revocations(place.read_bytes()) if place.exists() else RevocationList()
        after = _together(before, more, now or datetime.now(UTC))
        written = msgspec.json.format(msgspec.json.encode(after), indent=1) + b"\n"
        read_revocations(written)
        replace_whole(place, written)
    return after


def _together(before: RevocationList, more: tuple[Entry, ...], now: datetime) -> RevocationList:
    alive = [one for one in dict.fromkeys((*before.tokens, *before.sessions, *more))
             if one.until is None or one.until > now]
    return RevocationList(tokens=tuple(one for one in alive if isinstance(one, RevokedToken)),
                          sessions=tuple(one for one in alive if isinstance(one, RevokedSessions)))
