"""What each write did: read, and forgotten in time."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, select

from iam_guard.directory.entities import AnyEntity
from iam_guard.directory.port import Change, Entry, Note
from iam_guard.errors import HistoryGoneError
from iam_guard.store.sql.reading import entity_of, key_of
from iam_guard.store.sql.schema import changes
from iam_guard.store.sql.session import Rows, Session

_OLDEST = select(func.min(changes.c.revision))
_BETWEEN = (select(changes)
            .where(changes.c.revision > bindparam("since"), changes.c.revision <= bindparam("until"))
            .order_by(changes.c.revision, changes.c.ordinal))
_FORGET = delete(changes).where(changes.c.revision < bindparam("before"))


def changes_since(session: Session, newest: int, since: int, limit: int) -> list[Change]:
    """Writes after a revision, oldest first.

    Args:
        session: The transaction to read in.
        newest: The newest revision in it.
        since: After which.
        limit: How many at most.

    Raises:
        HistoryGoneError: not all of them are kept.
    """
    if since >= newest or limit < 1:
        return []
    oldest = session.rows(_OLDEST)[0][0]
    if oldest is None or oldest > since + 1:
        raise HistoryGoneError(f"what changed after revision {since} is no longer known")
    rows = session.rows(_BETWEEN, since=since, until=since + limit)
    return [_change(revision, list(found)) for revision, found in groupby(rows, key=lambda row: int(row.revision))]


def forget(session: Session, before: int) -> None:
    """Forget what the writes before a revision did."""
    session.run(_FORGET, [{"before": before}])


def _change(revision: int, rows: Rows) -> Change:
    first = rows[0]
    return Change(revision, Note(first.who, first.operation, first.at), tuple(_entry(row) for row in rows))


def _entry(row: Row[Any]) -> Entry:
    return Entry(key_of(row), _entity(row.before), _entity(row.after))


def _entity(data: str | None) -> AnyEntity | None:
    return None if data is None else entity_of(data)
