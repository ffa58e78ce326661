"""The promise of a row filter: it never admits a row that would be denied by itself, in Python or in SQL."""

from __future__ import annotations

import sqlite3
from typing import Any

from hypothesis import HealthCheck, event, given, note, settings
from row_cases import PRINCIPALS, ROWS, TABLES, allowed, guards

from iam_guard.guard import Guard
from iam_guard.model import Principal
from iam_guard.rows import RowFilter, Rows, row_filter


def selected(found: RowFilter, table: list[dict[str, Any]]) -> list[int]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE t (place INTEGER, id TEXT COLLATE NOCASE, owner TEXT COLLATE NOCASE, "
                           "team TEXT, open TEXT, size INTEGER)")
        connection.executemany("INSERT INTO t VALUES (:place, :id, :owner, :team, :open, :size)",
                               [{**row, "place": place} for place, row in enumerate(table)])
        where, parameters = found.sql("sqlite")
        return [row[0] for row in connection.execute(f"SELECT place FROM t WHERE {where} ORDER BY place", parameters)]
    finally:
        connection.close()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(guards(), PRINCIPALS, ROWS, TABLES)
def test_no_row_is_admitted_that_would_be_denied(guard: Guard, who: Principal, rows: Rows,
                                                 table: list[dict[str, Any]]) -> None:
    note(f"{guard.policies.attachments}")
    found = row_filter(guard, who, "docs:Get", rows)
    admitted = [place for place, row in enumerate(table) if found.matches(row)]
    wanted = allowed(guard, who, rows, table)
    event(f"exact {found.is_exact}, admits {bool(admitted)}, allows {bool(wanted)}")
    assert set(admitted) <= set(wanted)
    if found.is_exact:
        assert admitted == wanted
    assert selected(found, table) == admitted
