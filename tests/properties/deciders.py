"""Who is asked: each decider answers a case with a verdict, and every theorem holds for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import oracle

Decider = Callable[[dict[str, Any]], str]


def reference_evaluator(case: dict[str, Any]) -> str:
    return oracle.evaluate(case).verdict


DECIDERS: dict[str, Decider] = {"oracle": reference_evaluator}
