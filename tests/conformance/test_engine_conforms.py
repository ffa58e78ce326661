"""The engine on every shared case, every worked example of the language specification and the threats' tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iam_guard.errors import PolicyDocumentError
from iam_guard.policy.document import Mode, PolicyKind
from iam_guard.policy.parse import parse_policy
from iam_guard.simulation import evaluate_case

HERE = Path(__file__).parent
DEVIATIONS = {row["id"]: row for row in json.loads((HERE / "deviations.json").read_text())}


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text().splitlines()]


def examples() -> Iterator[dict[str, Any]]:
    for name in ("spec_examples.json", "threat_examples.json"):
        yield from json.loads((HERE / name).read_text())["rows"]


def wrong(cases: list[dict[str, Any]], member: str) -> list[tuple[str, str, str]]:
    answers = [(case["id"], case[member], str(evaluate_case(case).verdict)) for case in cases]
    return [answer for answer in answers if answer[1] != answer[2]]


@pytest.mark.parametrize(("name", "member", "count"), [("cases.jsonl", "verdict", 1833),
                                                       ("user-cases.jsonl", "expect", 70)])
def test_every_case(name: str, member: str, count: int) -> None:
    cases = lines(name)
    assert len(cases) == count
    assert wrong(cases, member) == []


def test_every_documented_judgement_but_the_written_out_deviations() -> None:
    cases = [{**case, "verdict": DEVIATIONS.get(case["id"], {}).get("ours", case["judgement"]["verdict"])}
             for case in lines("disputed.jsonl") if case["judgement"]["basis"] == "documented"]
    assert len(cases) > 250
    assert wrong(cases, "verdict") == []


def test_the_undocumented_ones_are_answered_on_purpose() -> None:
    cases = [{**case, "verdict": DEVIATIONS[case["id"]]["ours"]} for case in lines("disputed.jsonl")
             if case["id"] in DEVIATIONS]
    assert wrong(cases, "verdict") == []


EVALUATED = [row for row in examples() if row["kind"] == "evaluate"]
PARSED = [row for row in examples() if row["kind"] == "parse"]


@pytest.mark.parametrize("row", EVALUATED, ids=[row["id"] for row in EVALUATED])
def test_worked_example(row: dict[str, Any]) -> None:
    decision = evaluate_case(row)
    assert str(decision.verdict) == row["verdict"], decision.explain()
    if "reason" in row:
        assert str(decision.reason_type) == row["reason"]


@pytest.mark.parametrize("row", PARSED, ids=[row["id"] for row in PARSED])
def test_worked_document(row: dict[str, Any]) -> None:
    text = row.get("text") or json.dumps(row["document"])
    kind, mode = PolicyKind(row["policyKind"]), Mode(row["mode"])
    if row["refused"]:
        with pytest.raises(PolicyDocumentError):
            parse_policy(text, kind=kind, mode=mode)
    else:
        parse_policy(text, kind=kind, mode=mode)
