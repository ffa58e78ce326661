"""Text to JSON and back for exports: strictly, because a member that is silently dropped may be a Deny's condition."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from iam_guard.errors import DocumentError, Fault


def read_json(text: str | bytes, place: str) -> Any:
    """Read JSON in which no member stands twice and every number can be kept.

    Args:
        text: The text.
        place: What faults call it.

    Raises:
        DocumentError: it is no such text.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError) as problem:
        raise DocumentError(Fault(f"this is not JSON: {problem}", file=place)) from None


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        twice = next(name for place, (name, _) in enumerate(members) if name in dict(members[:place]))
        raise ValueError(f"'{twice}' stands twice in one object")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _number(text: str) -> float:
    return value if math.isfinite(value := float(text)) else _no_number(text)


def from_objects(value: Any, place: str) -> Any:
    """What a program got from an SDK, as the JSON that it stands for.

    Raises:
        DocumentError: it holds something that JSON has no form for, and that is no date.
    """
    try:
        return json.loads(json.dumps(value, default=_date_of, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as problem:
        raise DocumentError(Fault(f"this has no form in JSON: {problem}", file=place)) from None


def _date_of(value: Any) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"a value of type {type(value).__name__}")
    return value.isoformat()


def date_text(value: Any, place: str) -> str:
    """A date as it is kept: text as it was given, seconds since 1970 in ISO 8601.

    Raises:
        DocumentError: it is no date.
    """
    try:
        if isinstance(value, str):
            datetime.fromisoformat(value)
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        pass
    raise DocumentError(Fault("a date is text in ISO 8601, or seconds since 1970", file=place))


def document_text(document: Any, place: str) -> str:
    """A policy document as it is kept: the API percent-encodes it, AWS's command line hands out an object.

    Raises:
        DocumentError: it is neither.
    """
    if isinstance(document, dict):
        return json.dumps(document, separators=(",", ":"))
    if not isinstance(document, str):
        raise DocumentError(Fault("a policy document is an object, or text that holds one", file=place))
    text = document if document.lstrip().startswith("{") else unquote(document, errors="strict")
    if not isinstance(read_json(text, place), dict):
        raise DocumentError(Fault("a policy document is an object, or text that holds one", file=place))
    return text
