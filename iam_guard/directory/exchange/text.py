"""Text to JSON and back for exports: strictly, because a member that is silently dropped may be a Deny's condition."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from iam_guard.errors import DocumentError, Fault


def read_json(text: str | bytes, place: str) -> Any:
    """Read JSON in which no member stands twice and every number is one.

    Args:
        text: The text.
        place: What faults call it.

    Raises:
        DocumentError: it is no such text.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
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
