"""Every worked example of the language specification, and the engine's rows of the threat catalogue (kind E).

Rows of kind ``parse`` are for the loader's own test; ``not_cases`` says what a case cannot express.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from oracle import evaluate

HERE = Path(__file__).parent
EXAMPLES = json.loads((HERE / "spec_examples.json").read_text(encoding="utf-8"))
THREATS = json.loads((HERE / "threat_examples.json").read_text(encoding="utf-8"))
ROWS: list[dict[str, Any]] = EXAMPLES["rows"]


def to_evaluate(rows: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(row, id=row["id"]) for row in rows if row["kind"] == "evaluate"]


@pytest.mark.parametrize("row", to_evaluate(ROWS) + to_evaluate(THREATS["rows"]))
def test_worked_example(row: dict[str, Any]) -> None:
    answer = evaluate(row)
    assert answer.verdict == row["verdict"]
    if "reason" in row:
        assert answer.reason == row["reason"]


@pytest.mark.parametrize(
    ("letter", "last"),
    [("G", 22), ("A", 8), ("R", 19), ("V", 8), ("P", 13), ("N", 7), ("C", 5), ("M", 12), ("S", 12), ("T", 7),
     ("I", 6), ("AR", 7), ("VC", 12), ("E", 48), ("TR", 12), ("ST", 8), ("X", 7), ("CH", 5), ("W", 4)],
)
def test_no_example_is_forgotten(letter: str, last: int) -> None:
    """Each table is there from its first number to its last, as a row or with a reason why not."""
    ids = [row["id"] for row in ROWS + EXAMPLES["not_cases"]]
    numbers = {int(found[1]) for one in ids if (found := re.match(rf"{letter}(\d+)(?![0-9])", one))}
    assert numbers == set(range(1, last + 1))


def test_every_row_is_complete() -> None:
    every = ROWS + THREATS["rows"]
    assert len({row["id"] for row in every}) == len(every)
    for row in every:
        if row["kind"] == "parse":
            assert row["policyKind"] in {"identity", "resource", "trust", "scp", "rcp"}, row["id"]
            assert row["mode"] in {"strict", "import"}, row["id"]
            assert isinstance(row["refused"], bool), row["id"]
            assert ("document" in row) != ("text" in row), row["id"]
        else:
            assert row["kind"] == "evaluate", row["id"]
            assert row["verdict"] in {"allowed", "explicitDeny", "implicitDeny"}, row["id"]
