"""Texts with places: JSON and YAML read into plain values, and where in the text each value stands.

Reading is quick and keeps what matters to a reviewer: a key given twice becomes :class:`Pairs`, a number
keeps the spelling it was written with. Places are worked out only when somebody asks for one, which is
when there is a fault to report or a decision to explain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from iam_guard.errors import DocumentError, Fault

#: Longest text that is looked at, in characters (language specification, section 1.1).
MAX_TEXT = 1_048_576
#: Deepest nesting that is followed.
MAX_DEPTH = 64

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Number(str):
    """A JSON or YAML number, as it was spelled: ``1.0`` stays ``1.0``."""

    __slots__ = ()


class Pairs(dict[str, Any]):
    """An object in which a key was given twice; as a mapping the last one counts.

    Attributes:
        pairs: Every member in the order of the text.
    """

    pairs: list[tuple[str, Any]]

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def repeated(self) -> list[str]:
        """The keys that were given more than once."""
        names = [name for name, _ in self.pairs]
        return sorted({name for name in names if names.count(name) > 1})


def members(mapping: Any) -> list[tuple[str, Any]]:
    """All members of an object, repeated ones included."""
    return mapping.pairs if isinstance(mapping, Pairs) else list(mapping.items())


def pointer(base: str, *steps: str | int) -> str:
    """Extend an RFC 6901 JSON pointer."""
    return base + "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


class SourceText:
    """One text, what it is called, and how to find places in it.

    Args:
        text: JSON or YAML.
        file: Its name, for faults; empty when it came from memory.
        is_yaml: Read as YAML rather than JSON.
    """

    __slots__ = ("_positions", "file", "is_yaml", "text")

    def __init__(self, text: str, *, file: str = "", is_yaml: bool = False) -> None:
        self.text = text
        self.file = file
        self.is_yaml = is_yaml
        self._positions: dict[str, tuple[int, int]] | None = None

    def value(self) -> Any:
        """Read the text.

        Returns:
            Mappings, lists, strings, booleans, ``None`` and :class:`Number`.

        Raises:
            DocumentError: with the place, when the text is not well-formed, too long or nested too deeply.
        """
        if len(self.text) > MAX_TEXT:
            raise DocumentError(Fault(f"text of {len(self.text)} characters is longer than {MAX_TEXT}",
                                      "split it", file=self.file, line=1, column=1))
        try:
            return _YAMLReader(self.text).value() if self.is_yaml else _read_json(self.text)
        except _UnreadableError as problem:
            raise DocumentError(Fault(problem.message, problem.mend, problem.pointer, problem.line,
                                      problem.column, self.file, "JSON_SYNTAX_ERROR")) from None

    def position(self, place: str) -> tuple[int, int]:
        """Line and column, both from 1, of the value at a JSON pointer; of its nearest parent when absent."""
        if self._positions is None:
            try:
                self._positions = _YAMLReader(self.text).positions() if self.is_yaml else _json_positions(self.text)
            except (_UnreadableError, yaml.YAMLError):
                self._positions = {}  # reading says what is wrong with such a text, and where
        while place not in self._positions and place:
            place = place.rpartition("/")[0]
        return self._positions.get(place, (1, 1))


class _UnreadableError(Exception):
    def __init__(self, message: str, line: int = 1, column: int = 1, mend: str = "", pointer: str = "") -> None:
        self.message, self.mend, self.line, self.column, self.pointer = message, mend, line, column, pointer


# --- JSON -------------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Pairs(pairs)


def _no_constant(name: str) -> Any:
    raise _UnreadableError(f"'{name}' is not a JSON value", mend="write a string or a number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=Number, parse_float=Number,
                            parse_constant=_no_constant)


def _read_json(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as problem:
        mend = "remove the comma" if "trailing comma" in problem.msg.lower() else ""
        raise _UnreadableError(f"not valid JSON: {problem.msg[0].lower()}{problem.msg[1:]}",
                          problem.lineno, problem.colno, mend) from None
    except RecursionError:
        raise _UnreadableError(f"nested deeper than {MAX_DEPTH} levels") from None


_TOKEN = re.compile(r'[{}\[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+', re.DOTALL)


def _json_positions(text: str) -> dict[str, tuple[int, int]]:
    """Map the pointer of every value to its place; of a repeated key, the last."""
    places = _Places(text)
    found: dict[str, tuple[int, int]] = {}
    stack: list[tuple[str, list[int] | None]] = []
    at, expect_key = "", False
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in "}]":
            stack.pop()
            at = stack[-1][0] if stack else ""
        elif sign == ",":
            base, count = stack[-1]
            if count is None:
                expect_key = True
            else:
                count[0] += 1
                at = pointer(base, count[0])
        elif sign == ":":
            expect_key = False
        elif expect_key:
            at = pointer(stack[-1][0], json.loads(sign))
            found[at + "#key"] = places.of(token.start())
        else:
            found[at] = places.of(token.start())
            if sign in "{[":
                stack.append((at, [0] if sign == "[" else None))
                expect_key = sign == "{"
                at = pointer(at, 0) if sign == "[" else at
        if sign in "}]":
            expect_key = False
    return found


class _Places:
    """Turns offsets into line and column; asked with growing offsets."""

    def __init__(self, text: str) -> None:
        self._text, self._line, self._start, self._seen = text, 1, 0, 0

    def of(self, offset: int) -> tuple[int, int]:
        breaks = self._text.count("\n", self._seen, offset)
        if breaks:
            self._line += breaks
            self._start = self._text.rfind("\n", 0, offset) + 1
        self._seen = offset
        return self._line, offset - self._start + 1


# --- YAML -------------------------------------------------------------------------------------------

_YAML_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?\Z")
_YAML_WORDS: dict[str, Any] = {"true": True, "True": True, "TRUE": True, "false": False, "False": False,
                               "FALSE": False, "null": None, "Null": None, "~": None, "": None}


def plain_in_yaml(number: str) -> bool:
    """Whether YAML, as it is read here, takes a number for one; others are text there."""
    return bool(_YAML_NUMBER.match(number))


class _YAMLReader:
    """Builds values from YAML events: no tags, no anchors, words as in YAML 1.2.

    A date such as ``2012-10-17`` and words such as ``no`` stay text, as a policy author expects.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._positions: dict[str, tuple[int, int]] = {}

    def value(self) -> Any:
        try:
            return self._document()
        except yaml.MarkedYAMLError as problem:
            mark = problem.problem_mark or problem.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise _UnreadableError(f"not valid YAML: {problem.problem or problem.context}", line, column) from None
        except yaml.YAMLError as problem:
            raise _UnreadableError(f"not valid YAML: {str(problem).splitlines()[0]}") from None

    def positions(self) -> dict[str, tuple[int, int]]:
        self._document()
        return self._positions

    def _document(self) -> Any:
        events = iter(yaml.parse(self._text, Loader=_LOADER))
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                value = self._node(next(events), events, "", 0)
                next(events)
                self._expect_the_end(events)
                return value
        return None

    def _expect_the_end(self, events: Iterator[Any]) -> None:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                raise _UnreadableError("a second document follows", *_mark(event), "keep one document in a file")

    def _node(self, event: Any, events: Iterator[Any], at: str, depth: int) -> Any:
        line, column = _mark(event)
        self._positions[at] = (line, column)
        if depth > MAX_DEPTH:
            raise _UnreadableError(f"nested deeper than {MAX_DEPTH} levels", line, column)
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise _UnreadableError("anchors and aliases are not read", line, column, "write the value out", at)
        if event.tag and event.tag != "!":
            raise _UnreadableError(f"the tag '{event.tag}' is not read", line, column, "remove it", at)
        if isinstance(event, yaml.ScalarEvent):
            return _yaml_scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, at, depth)
        return self._mapping(events, at, depth)

    def _sequence(self, events: Iterator[Any], at: str, depth: int) -> list[Any]:
        found: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._node(event, events, pointer(at, len(found)), depth + 1))
        return found

    def _mapping(self, events: Iterator[Any], at: str, depth: int) -> dict[str, Any]:
        pairs: list[tuple[str, Any]] = []
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                raise _UnreadableError("a key has to be text", *_mark(event), pointer=at)
            place = pointer(at, event.value)
            self._positions[place + "#key"] = _mark(event)
            pairs.append((event.value, self._node(next(events), events, place, depth + 1)))
        return _object(pairs)


def _mark(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _yaml_scalar(event: Any) -> Any:
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _YAML_WORDS:
        return _YAML_WORDS[text]
    return Number(text) if _YAML_NUMBER.match(text) else text
