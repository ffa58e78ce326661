"""Makes a case smaller for as long as it stays interesting."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

Json = Any

#: What a statement or document cannot do without; dropping one would ask another question.
KEPT = {"Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal",
        "Statement", "Version", "resourceAccountId"}


def smallest(case: dict[str, Any], interesting: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Drop members of objects and lists, one at a time, until nothing more can go."""
    while True:
        for candidate in smaller(case):
            if holds(interesting, candidate):
                case = candidate
                break
        else:
            return case


def holds(interesting: Callable[[dict[str, Any]], bool], candidate: dict[str, Any]) -> bool:
    try:
        return interesting(candidate)
    except (KeyError, TypeError, ValueError, AttributeError):  # so much was dropped that it is no case any more
        return False


def smaller(value: Json) -> Iterator[Json]:
    """Every value with one member less, or with one member made smaller; a list of one unwrapped."""
    if isinstance(value, dict):
        for key in [key for key in value if key not in KEPT]:
            yield {k: copy.deepcopy(v) for k, v in value.items() if k != key}
        for key, inner in value.items():
            for less in smaller(inner):
                yield value | {key: less}
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield value[:place] + value[place + 1:]
            for less in smaller(inner):
                yield [*value[:place], less, *value[place + 1:]]
        if len(value) == 1 and isinstance(value[0], str):
            yield value[0]
