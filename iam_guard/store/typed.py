"""Settings texts to typed values: every key known, every value of its type, every fault with its place.

The types are :class:`msgspec.Struct` classes and data classes. They are read here rather than by msgspec
because msgspec stops at the first mistake and knows no line: a person who mends a file wants to hear of all
of them, where they stand, and what was probably meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.policy.source import Number, Pairs, SourceText, pointer

T = TypeVar("T")
_SEPARATORS = re.compile(r"[-_ ]")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}\Z")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?\Z")


def read_typed(source: SourceText, kind: type[T]) -> T:
    """Read a whole text as *kind*.

    Raises:
        ConfigurationError: with every fault that was found.
        DocumentError: the text is not well-formed.
    """
    return read_value(source.value(), kind, file=source.file, position=source.position)


def read_value(value: Any, kind: type[T], *, file: str = "",
               position: Callable[[str], tuple[int, int]] = lambda place: (0, 0), base: str = "") -> T:
    """Read plain mappings, lists and scalars as *kind*.

    Args:
        value: What was read from a text, or written in code.
        kind: A Struct, or what its fields are made of.
        file: Name of the text.
        position: Line and column of a JSON pointer; ``POINTER#key`` asks for the key's.
        base: JSON pointer to *value* in the text.

    Raises:
        ConfigurationError: with every fault that was found.
    """
    reader = _Reader(kind, file, position)
    found = reader.read(value, kind, base)
    if reader.faults:
        raise ConfigurationError(reader.faults)
    return found  # type: ignore[no-any-return]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A mend for a misspelt word: the nearest known one, else all of them."""
    return nearest(word, known) or f"write one of {', '.join(sorted(set(known)))}"


def nearest(word: str, known: Iterable[str]) -> str:
    """A mend that names the known word closest to *word*; empty when none is close."""
    plain = {_SEPARATORS.sub("", name).lower(): name for name in known}
    near = difflib.get_close_matches(_SEPARATORS.sub("", word).lower(), plain, n=1, cutoff=0.6)
    return f"did you mean '{plain[near[0]]}'?" if near else ""


class _Reader:
    """Walks a value and its type together; keeps the faults."""

    def __init__(self, root: Any, file: str, position: Callable[[str], tuple[int, int]]) -> None:
        self._root, self.file, self.position = root, file, position
        self.faults: list[Fault] = []

    def fault(self, at: str, message: str, mend: str = "", *, key: bool = False) -> None:
        line, column = self.position(f"{at}#key" if key else at)
        self.faults.append(Fault(message, mend, at, line, column, self.file))

    def read(self, value: Any, kind: Any, at: str) -> Any:
        """Read *value* as *kind*; what is returned after a fault is never used."""
        origin = get_origin(kind)
        if origin is Annotated:
            return self._constrained(value, kind, at)
        if origin in (Union, UnionType):
            return self._either(value, get_args(kind), at)
        if origin is Literal:
            return self._word(value, get_args(kind), at)
        if origin is tuple:
            return self._items(value, get_args(kind)[0], at)
        if origin in (dict, Mapping):
            return self._table(value, get_args(kind)[1], at)
        if _has_fields(kind):
            return self._struct(value, kind, at)
        return self._scalar(value, kind, at)

    def _struct(self, value: Any, kind: Any, at: str) -> Any:
        if not self._is_object(value, at):
            return None
        known = _fields_of(kind)
        before = len(self.faults)
        for name in value:
            if name not in known:
                mend = nearest(name, known) or self._belongs(name) or did_you_mean(name, known)
                self.fault(pointer(at, name), f"'{name}' is not a setting here", mend, key=True)
        for name, field in known.items():
            if field.required and name not in value:
                self.fault(at, f"'{name}' is missing", f"add '{name}: ...'")
        found = {name: self.read(one, known[name].type, pointer(at, name))
                 for name, one in value.items() if name in known}
        return self._made(kind, found, at) if len(self.faults) == before else None

    def _belongs(self, name: str) -> str:
        """Where a misplaced setting has its place."""
        for section, field in (_fields_of(self._root) if _has_fields(self._root) else {}).items():
            parts = get_args(field.type) or (field.type,)
            if any(_has_fields(part) and name in _fields_of(part) for part in parts):
                return f"it belongs under '{section}'"
        return ""

    def _made(self, kind: type[Any], members: dict[str, Any], at: str) -> Any:
        """Build the object; what it says against its own values stands where the object stands."""
        try:
            return kind(**members)
        except ConfigurationError as refused:
            for fault in refused.faults:
                self.fault(at + fault.pointer, fault.message, fault.mend)
            return None

    def _table(self, value: Any, kind: Any, at: str) -> Any:
        if not self._is_object(value, at):
            return {}
        return {name: self.read(one, kind, pointer(at, name)) for name, one in value.items()}

    def _is_object(self, value: Any, at: str) -> bool:
        if not isinstance(value, Mapping):
            self.fault(at, f"expected an object of keys and values, not {_shape(value)}",
                       "write '{}' for one without any" if value is None else "")
            return False
        for name in value.repeated() if isinstance(value, Pairs) else ():
            self.fault(pointer(at, name), f"'{name}' is given twice", "keep one of the two", key=True)
        return True

    def _items(self, value: Any, kind: Any, at: str) -> Any:
        if not isinstance(value, list | tuple):
            self.fault(at, f"expected a list, not {_shape(value)}", "write '[...]'")
            return ()
        return tuple(self.read(one, kind, pointer(at, index)) for index, one in enumerate(value))

    def _either(self, value: Any, kinds: tuple[Any, ...], at: str) -> Any:
        fitting = [kind for kind in kinds if _has_shape(value, kind)]
        if not fitting:
            expected = " or ".join(_described(kind) for kind in kinds)
            self.fault(at, f"expected {expected}, not {_shape(value)}")
            return None
        return self.read(value, fitting[0], at)

    def _word(self, value: Any, words: tuple[str, ...], at: str) -> Any:
        if value not in words:
            known = ", ".join(words)
            mend = did_you_mean(value, words) if isinstance(value, str) else f"write one of {known}"
            self.fault(at, f"{_called(value)} is not one of {known}", mend)
        return value

    def _constrained(self, value: Any, kind: Any, at: str) -> Any:
        before = len(self.faults)
        found = self.read(value, get_args(kind)[0], at)
        if len(self.faults) > before:
            return None
        try:
            return msgspec.convert(found, kind)
        except msgspec.ValidationError as problem:
            message = str(problem).partition(" - at")[0]
            for name, words in (("`float`", "a number"), ("`int`", "a whole number"), ("`str`", "text"), ("`", "'")):
                message = message.replace(name, words)
            self.fault(at, f"{_called(value)} does not fit: {message[0].lower()}{message[1:]}")
            return None

    def _scalar(self, value: Any, kind: Any, at: str) -> Any:
        if kind is Any:
            return value
        if not _has_shape(value, kind):
            mend = "put it in quotes" if kind is str and isinstance(value, bool) else ""
            self.fault(at, f"expected {_described(kind)}, not {_called(value)}", mend)
            return None
        if kind is str:
            return str(value)
        return kind(value) if kind in (int, float) else value


class _Field(NamedTuple):
    type: Any
    required: bool


def _has_fields(kind: Any) -> bool:
    return isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or is_dataclass(kind))


@cache
def _fields_of(kind: Any) -> dict[str, _Field]:
    if issubclass(kind, msgspec.Struct):
        return {field.name: _Field(field.type, field.required) for field in msgspec.structs.fields(kind)}
    types = get_type_hints(kind)
    return {field.name: _Field(types[field.name], field.default is MISSING and field.default_factory is MISSING)
            for field in fields(kind) if field.init}


def field_types(kind: Any) -> Mapping[str, Any] | None:
    """The settings that a type has, and their types; ``None`` for a type without any."""
    return {name: field.type for name, field in _fields_of(kind).items()} if _has_fields(kind) else None


def _has_shape(value: Any, kind: Any) -> bool:
    """Whether *value* looks like *kind* from outside."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if kind in (None, NoneType):
        return value is None
    if kind is bool:
        return isinstance(value, bool)
    if kind in (int, float):
        form = _WHOLE_NUMBER if kind is int else _NUMBER
        is_number = isinstance(value, int | float | Number) and not isinstance(value, bool)
        return is_number and bool(form.match(str(value)))
    if kind is str or get_origin(kind) is Literal:
        return isinstance(value, str)
    return isinstance(value, list | tuple if get_origin(kind) is tuple else Mapping)


def _described(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is tuple:
        return "a list"
    return _WORDS.get(kind, "an object of keys and values")


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "nothing"}


def _shape(value: Any) -> str:
    """What kind of value it is, without repeating it: it may be a secret."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool | int | float | Number) or value is None:
        return _called(value)
    return "text"


def _called(value: Any) -> str:
    """A wrong value in a message, where it cannot be a secret: itself when short."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping | list | tuple):
        return _shape(value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}'" if len(text) <= 40 else "a long text"
