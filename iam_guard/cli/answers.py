"""How the answer of an operation is printed: as IAM's JSON, or as a table for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from iam_guard.cli.output import Format, note, print_json, print_table, print_text

#: Said about the pages of a list, not part of it.
_PAGING = ("IsTruncated", "Marker")
#: Columns that come first, in this order; the rest follows as the answer has it.
_FIRST = ("UserName", "GroupName", "RoleName", "PolicyName", "Name", "Id", "AccountId", "AccessKeyId", "Arn",
          "PolicyArn", "Status", "VersionId")
#: More columns than this are not readable; JSON has everything.
_MOST = 5


def print_answer(answer: Mapping[str, Any], format: Format) -> None:
    """Print an answer."""
    if format is Format.JSON:
        print_json(answer)
        return
    for name, value in answer.items():
        if name not in _PAGING:
            _print_part(name, value)
    if answer.get("IsTruncated"):
        note(f"there is more: --marker {answer['Marker']}, or --all")


def _print_part(name: str, value: Any) -> None:
    if isinstance(value, list):
        _print_rows(name, value)
    elif isinstance(value, Mapping):
        print_table((name, ""), [(key, _cell(one)) for key, one in value.items()])
    else:
        print_text(f"{name}: {_cell(value)}")


def _print_rows(name: str, rows: list[Any]) -> None:
    if not rows:
        print_text(f"{name}: none")
        return
    if not all(isinstance(row, Mapping) for row in rows):
        print_table((name,), [(_cell(row),) for row in rows])
        return
    columns = _columns(rows)
    print_table(columns, [[_cell(row.get(column, "")) for column in columns] for row in rows])


def _columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    found = list(dict.fromkeys(key for row in rows for key, value in row.items() if not isinstance(value, list | dict)))
    found.sort(key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))
    return found[:_MOST]


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
