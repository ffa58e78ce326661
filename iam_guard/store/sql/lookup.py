"""Finds many entities by their keys at once, and by an index in either database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, column, func, select, tuple_

from iam_guard.directory.entities import Key
from iam_guard.store.sql.schema import entities
from iam_guard.store.sql.session import Rows, Session

#: PostgreSQL has room for some 20,000 keys of three parts in one statement, but is quicker with fewer.
_BATCH = 1000

_NAMED = tuple_(entities.c.kind, entities.c.account, entities.c.name)
_LISTED = select(entities).where(_NAMED.in_(bindparam("keys", expanding=True)))
# SQLite reads the whole table when the keys are listed, and uses the index when they come out of another one.
_each = func.json_each(bindparam("keys")).table_valued(column("value"))
_IN_JSON = select(entities).where(_NAMED.in_(select(*(func.json_extract(_each.c.value, f"$[{place}]")
                                                      for place in range(3)))))


def rows_of(session: Session, keys: Sequence[Key]) -> Iterator[Rows]:
    """The rows that there are for these keys, in batches."""
    for start in range(0, len(keys), _BATCH):
        wanted = [(key.kind.value, key.account, key.name) for key in keys[start : start + _BATCH]]
        if session.dialect == "sqlite":
            yield session.rows(_IN_JSON, keys=json.dumps(wanted))
        else:
            yield session.rows(_LISTED, keys=wanted)
