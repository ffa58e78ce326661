"""Inserts many rows."""

from __future__ import annotations

import json

from sqlalchemy import JSON, Insert, Table, Text, bindparam, cast, column, func, insert, select

from iam_guard.store.sql.session import Parameters, Session

#: As many rows at once: their texts are in memory once more while they are sent.
_BATCH = 5000
#: Fewer than these are sent one by one.
_FEW = 20


def insert_rows(session: Session, table: Table, rows: Parameters) -> None:
    """Insert rows, each with a value for every column.

    PostgreSQL is given many rows as one text, which takes a small part of the time that as many statements would.

    Raises:
        UnavailableError, ConcurrentModificationError: as for any statement.
    """
    if session.dialect != "postgresql" or len(rows) < _FEW:
        session.run(insert(table), rows)
        return
    statement = _from_json(table)
    for start in range(0, len(rows), _BATCH):
        session.run(statement, {"rows": json.dumps(rows[start : start + _BATCH], ensure_ascii=False)})


def _from_json(table: Table) -> Insert:
    names = [one.name for one in table.c]
    given = cast(bindparam("rows", type_=Text), JSON)
    rows = func.json_to_recordset(given).table_valued(*(column(one.name, one.type) for one in table.c))
    rows = rows.render_derived(name="given", with_types=True)
    return insert(table).from_select(names, select(*(rows.c[name] for name in names)))
