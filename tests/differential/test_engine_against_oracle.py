"""The engine and the reference evaluator answer generated cases alike.

Three thousand cases in every run, a hundred thousand with ``--nightly``; each has a number, so that a
disagreement can be asked again. A disagreement is made as small as possible before it is shown.
"""

from __future__ import annotations

import json
from typing import Any

import oracle
import pytest
from differential.shrink import smallest
from hypothesis import given
from properties.strategies import cases, seeded_case

from iam_guard.simulation import evaluate_case

BLOCK = 1000
BLOCKS = [pytest.param(number, marks=[pytest.mark.nightly] if number >= 3 else [], id=f"{number * BLOCK}-")
          for number in range(100)]


def engine(case: dict[str, Any]) -> str:
    try:
        return evaluate_case(case).verdict.value
    except Exception as problem:  # a refusal is a disagreement too
        return f"{type(problem).__name__}: {problem}"


def answers(case: dict[str, Any]) -> tuple[str, str]:
    return engine(case), oracle.evaluate(case).verdict


def differ(case: dict[str, Any]) -> bool:
    ours, theirs = answers(case)
    return ours != theirs


def story(case: dict[str, Any]) -> str:
    found = answers(case)
    small = smallest(case, lambda candidate: answers(candidate) == found)
    return f"engine says {found[0]}, the reference evaluator says {found[1]}, of\n{json.dumps(small, indent=1)}"


@pytest.mark.parametrize("block", BLOCKS)
def test_the_engine_agrees_with_the_reference_evaluator(block: int) -> None:
    wrong = [seed for seed in range(block * BLOCK, (block + 1) * BLOCK) if differ(seeded_case(seed))]
    assert not wrong, f"cases {wrong[:20]} ({len(wrong)} in all); the first one: {story(seeded_case(wrong[0]))}"


@given(case=cases())
def test_they_agree_on_cases_that_shrink(case: dict[str, Any]) -> None:
    assert engine(case) == oracle.evaluate(case).verdict


def test_they_name_the_same_kind_of_policy() -> None:
    """Where the engine does not report an error: there it may name the error instead of the policy kind."""
    wrong = []
    for seed in range(BLOCK):
        case = seeded_case(seed)
        answer, decision = oracle.evaluate(case), evaluate_case(case)
        if decision.reason_type.value not in (answer.reason, "evaluation_error"):
            wrong.append((seed, answer.reason, decision.reason_type.value))
    assert not wrong
