"""Policy variables: ``${key}``, ``${key, 'default'}`` and the three escapes (language specification, 3.8).

A text is split before anything is substituted, so that a value can never become part of a pattern.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from iam_guard.model import ascii_lower


class Variable(NamedTuple):
    """A reference to a condition key.

    Attributes:
        key: The key, in lower case.
        default: Text to use when the key has no value; ``None`` when there is no default.
    """

    key: str
    default: str | None = None


class Literal(str):
    """Text in which ``*`` and ``?`` are ordinary characters."""

    __slots__ = ()


class VariableSyntaxError(ValueError):
    """A ``${`` that does not begin a well-formed variable.

    Attributes:
        code: Access Analyzer's name of the fault.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


Part = str | Literal | Variable

_VARIABLE = re.compile(r"\$\{(?:(?P<escape>[*?$])|(?P<key>[^\s{}',]+)(?:, '(?P<default>[^']*)')?)\}")


def split_variables(text: str) -> list[Part]:
    """Split a policy text into plain text, literal text and variables.

    Raises:
        VariableSyntaxError: a variable is malformed.
    """
    parts: list[Part] = []
    start = 0
    while (at := text.find("${", start)) >= 0:
        found = _VARIABLE.match(text, at)
        if not found:
            raise _diagnosis(text[at:])
        if at > start:
            parts.append(text[start:at])
        escape, key, default = found.group("escape", "key", "default")
        parts.append(Literal(escape) if escape else Variable(ascii_lower(key), default))
        start = found.end()
    if start < len(text):
        parts.append(text[start:])
    return parts


def _diagnosis(rest: str) -> VariableSyntaxError:
    body, brace, _ = rest[2:].partition("}")
    if not brace or "${" in body:
        return VariableSyntaxError("MISSING_BRACE_IN_VARIABLE", "a variable is not closed with '}'")
    if not body.strip():
        return VariableSyntaxError("EMPTY_VARIABLE", "a variable has no name")
    if body.count("'") != 2 and ("'" in body or "," in body):
        return VariableSyntaxError("MISSING_QUOTE_IN_VARIABLE",
                                   "the default of a variable has to stand between single quotes")
    return VariableSyntaxError("UNSUPPORTED_SPACE_IN_VARIABLE",
                               "a variable is written ${key} or ${key, 'default'}, with no other blanks")
