"""How much may be said in questions: each value costs time with each question that it belongs to (promise S18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iam_guard.sidecar.authzen.entities import MEMBERS
from iam_guard.sidecar.authzen.reading import invalid

#: Values of one question, and of all of a call together, those that they have in common counted for each.
MAX_VALUES, MAX_TOGETHER = 5_000, 50_000
#: In a shorter body there are not that many.
SHORT = 4 * MAX_VALUES


def check_question(members: Mapping[str, Any]) -> None:
    """Check how much a question says.

    Raises:
        RequestRefusedError: too much.
    """
    if _values([members[name] for name in MEMBERS if name in members]) > MAX_VALUES:
        raise invalid(f"A question may say {MAX_VALUES} values at most.")


def check_batch(defaults: Mapping[str, Any], items: Sequence[Any]) -> None:
    """Check how much the questions of a batch say.

    Args:
        defaults: What they have in common.
        items: What each says itself.

    Raises:
        RequestRefusedError: too much.
    """
    shared = _values(defaults)
    if shared > MAX_VALUES or shared * len(items) + _values(items) > MAX_TOGETHER:
        raise invalid(f"A question may say {MAX_VALUES} values at most, and all of a call {MAX_TOGETHER} together.")


def _values(value: Any) -> int:
    """How many members of objects and lists there are, at any depth."""
    found, left = 0, [value]
    while left:
        one = left.pop()
        found += len(one)
        left += [part for part in (one.values() if isinstance(one, Mapping) else one)
                 if type(part) is dict or type(part) is list]
    return found
