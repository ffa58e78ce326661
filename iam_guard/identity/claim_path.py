"""Finding a value in the claims of a token: ``realm_access.roles``, ``cognito:groups``.

A dot goes one level down; a backslash makes a dot part of a name, as in ``https://aws\\.amazon\\.com/tags``.
The claim's own text never chooses how a path is read: there is no guessing between a nested claim and one
with a dot in its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SEGMENT = re.compile(r"(?:[^.\\]|\\[.\\])+")


def split_path(text: str) -> tuple[str, ...]:
    r"""Split a dotted path into names.

    Raises:
        ValueError: a name is empty, or a backslash stands before anything but a dot or a backslash.
    """
    names, at = [], 0
    while found := _SEGMENT.match(text, at):
        names.append(re.sub(r"\\(.)", r"\1", found[0]))
        at = found.end() + 1
        if at > len(text):
            break
        if text[at - 1] != ".":
            raise ValueError(f"'{text}' is not a path of claim names")
    if not names or at <= len(text):
        raise ValueError(f"'{text}' is not a path of claim names")
    if "://" in text and "." not in names[0]:
        raise ValueError(f"'{text}' names a claim by URL and leaves its dots bare")
    return tuple(names)


def claim_at(claims: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value at *path*; ``None`` when there is none, which is also what a null is."""
    value: Any = claims
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
