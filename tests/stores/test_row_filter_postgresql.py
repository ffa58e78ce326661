"""A row filter means in PostgreSQL what it means in Python."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from postgresql_server import Server

from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.model import Principal
from iam_guard.rows import Rows, row_filter

ROWS = Rows("document/{id}", {"docs:Owner": "owner", "docs:Size": "size", "docs:Ref": "ref"}, integers=("size", "id"),
            texts=("owner",))
OWNERS = ["ann", "ANN", "an", "a%", "a_b", "a!b", "axb", "a\\b", "", None, "\u00e4nn", "ann\n"]
TABLE: list[dict[str, Any]] = [
    {"id": number, "owner": OWNERS[number % len(OWNERS)], "size": (None, 3, 10**12)[number % 3],
     "ref": ("6f9619ff-8b86-d011-b42d-00c04fc964ff", None)[number % 2]} for number in range(48)]

CASES: dict[str, dict[str, Any]] = {
    "equal": {"StringEquals": {"docs:Owner": ["ann", "a%"]}},
    "not equal": {"StringNotEquals": {"docs:Owner": ["ann", ""]}},
    "like": {"StringLike": {"docs:Owner": ["a?n*", "a!*", "a_*"]}},
    "not like": {"StringNotLike": {"docs:Owner": "a?b"}},
    "a backslash": {"StringLike": {"docs:Owner": "?\\*"}},
    "numbers": {"NumericGreaterThan": {"docs:Size": "3"}, "NumericLessThan": {"docs:Size": "1" + "0" * 40}},
    "absent": {"Null": {"docs:Size": "true"}},
    "identifiers": {"StringEquals": {"docs:Ref": "6f9619ff-8b86-d011-b42d-00c04fc964ff"}},
    "two columns": {"StringEquals": {"docs:Owner": "${docs:Ref, 'ann'}"}},
    "what no database holds": {"StringEquals": {"docs:Owner": ["ann", "\ud800"]}},
}


@pytest.mark.parametrize("name", CASES)
def test_a_filter_means_the_same_in_postgresql(server: Server, name: str) -> None:
    guard = Guard(PolicySet.from_json(json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "docs:Get", "Condition": CASES[name],
         "Resource": [f"arn:app:docs:*:*:document/{end}" for end in ("?", "*1", "3*")]}]})))
    found = row_filter(guard, Principal.user("ann"), "docs:Get", ROWS)
    where, parameters = found.sql("postgresql")
    with psycopg.connect(server.database()) as connection:
        connection.execute(
            'CREATE TABLE documents (id INTEGER, owner TEXT, size BIGINT, ref UUID)')
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO documents VALUES (%(id)s, %(owner)s, %(size)s, %(ref)s)", TABLE)
        rows = connection.execute(f"SELECT id FROM documents WHERE {where} ORDER BY id", parameters).fetchall()
        connection.rollback()
    wanted = [row["id"] for row in guard.filter_allowed(Principal.user("ann"), "docs:Get", TABLE,
                                                        resource=ROWS.resource_of, context=ROWS.context_of)]
    assert [row[0] for row in rows] == [row["id"] for row in TABLE if found.matches(row)] == wanted
    assert found.is_exact
