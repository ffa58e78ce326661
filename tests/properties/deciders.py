"""Who is asked: each decider answers a case with a verdict, and every theorem holds for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import oracle

from iam_guard.simulation import evaluate_case

Decider = Callable[[dict[str, Any]], str]


def reference_evaluator(case: dict[str, Any]) -> str:
    return oracle.evaluate(case).verdict


def engine(case: dict[str, Any]) -> str:
    return evaluate_case(case).verdict.value


DECIDERS: dict[str, Decider] = {"oracle": reference_evaluator, "engine": engine}
