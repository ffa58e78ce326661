"""JSON from strangers: one meaning or none.

The readers of the standard library and of msgspec keep the last of two members with one name, accept
NaN, half characters and any depth. Two readers of one token could then see different subjects, so what
has more than one reading is refused here (threat catalogue, J14 and J15).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 32

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


def read_object(data: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Read *data* as one JSON object (RFC 8259, restricted as RFC 7493 asks).

    Args:
        data: UTF-8 without a byte-order mark; its length is the caller's to limit.
        max_depth: How deep objects and arrays may nest.

    Raises:
        ValueError: it is not JSON, not an object, repeats a name, nests too deep, or holds text that is
            not Unicode or a number that is not finite.
    """
    text = data.decode("utf-8")
    _check_depth(text, max_depth)
    value = _DECODER.decode(text)
    if not isinstance(value, dict):
        raise ValueError("the JSON text is not an object")
    if "\\u" in text:
        _check_unicode(value)
    return value


def _check_unicode(value: Any) -> None:
    # Only an escape can produce half of a surrogate pair, and only encoding notices one.
    json.dumps(value, ensure_ascii=False).encode("utf-8")


def _check_depth(text: str, limit: int) -> None:
    if text.count("{") + text.count("[") <= limit:
        return
    depth = 0
    for character in _STRINGS.sub("", text):
        if character in "{[":
            depth += 1
            if depth > limit:
                raise ValueError(f"the JSON text nests deeper than {limit} levels")
        elif character in "}]":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("the JSON text names a member twice")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the JSON text holds a number out of range")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(f"the JSON text holds '{text}'")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_constant)
