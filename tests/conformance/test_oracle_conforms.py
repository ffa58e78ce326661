"""The reference evaluator answers the shared tables, so that it may judge the engine."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from oracle import evaluate

HERE = Path(__file__).parent


def table(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


CASES = table("cases.jsonl")
USER_CASES = table("user-cases.jsonl")
DISPUTED = table("disputed.jsonl")
DEVIATIONS = {row["id"]: row for row in json.loads((HERE / "deviations.json").read_text(encoding="utf-8"))}


def named(rows: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(row, id=row["id"]) for row in rows]


@pytest.mark.parametrize("case", named(CASES))
def test_agreed_case(case: dict[str, Any]) -> None:
    assert evaluate(case).verdict == case["verdict"]


@pytest.mark.parametrize("case", named(USER_CASES))
def test_user_case(case: dict[str, Any]) -> None:
    assert evaluate(case).verdict == case["expect"], case["why"]


@pytest.mark.parametrize("case", named(DISPUTED))
def test_disputed_case(case: dict[str, Any]) -> None:
    """The judgement, or the deviation that the specification orders."""
    deviation = DEVIATIONS.get(case["id"])
    expected = deviation["ours"] if deviation else case["judgement"]["verdict"]
    assert evaluate(case).verdict == expected, case["judgement"]["reason"]


def test_the_tables_are_complete() -> None:
    assert (len(CASES), len(USER_CASES), len(DISPUTED)) == (1833, 70, 459)


def test_every_deviation_deviates() -> None:
    """A line that says what the judgement says is not a deviation and has to go."""
    judgements = {row["id"]: row["judgement"] for row in DISPUTED}
    for row in DEVIATIONS.values():
        judgement = judgements[row["id"]]
        assert row["ours"] != judgement["verdict"], row["id"]
        assert (row["judged"], row["topic"], row["basis"]) == (
            judgement["verdict"], judgement["topic"], judgement["basis"]), row["id"]
        assert row["because"]


def test_deviations_by_topic() -> None:
    """Written out, so that a new deviation is a decision and not an accident."""
    assert Counter(row["topic"] for row in DEVIATIONS.values()) == {
        "star-at-the-end-of-an-arn-segment": 13,
        "notprincipal-with-allow": 7,
        "aws-star-and-service-principals": 4,
        "notresource-with-valueless-variable": 4,
        "null-of-an-empty-value": 4,
        "set-operator-and-empty-string": 2,
        "variable-before-the-fifth-colon": 1,
    }
