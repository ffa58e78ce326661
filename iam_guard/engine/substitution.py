"""Gives policy variables their values from the context (language specification, section 3.8)."""

from __future__ import annotations

from collections.abc import Sequence

from iam_guard.model import Context
from iam_guard.policy.variables import Literal, Part, Variable


def resolve(parts: Sequence[Part], context: Context, *, forbid_colon: bool = False) -> list[str] | None:
    """Put values in the place of variables.

    Args:
        parts: A policy text, split.
        context: Where values come from; an empty one, and a set of values, count as none.
        forbid_colon: Whether a value that holds a colon counts as none.

    Returns:
        The parts, values as Literal text; ``None`` when a variable has neither value nor default.
    """
    found: list[str] = []
    for part in parts:
        if not isinstance(part, Variable):
            found.append(part)
            continue
        value = context.get(part.key)
        if not isinstance(value, str) or not value:
            value = part.default
        if value is None or (forbid_colon and ":" in value):
            return None
        found.append(Literal(value))
    return found
