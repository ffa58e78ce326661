"""Formulas over the columns of a row: what a query can ask, and nothing that it cannot.

They are built by functions that simplify as they build, so that what is known from the start never reaches the
database. Every question about a column that has no value is answered no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iam_guard.engine.pattern import cut, matches
from iam_guard.policy.variables import Literal


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name, with that of the table if needed.
        is_integer: It holds integers.
        is_text: It is of a text type.
    """

    name: str
    is_integer: bool = False
    is_text: bool = False


#: Text with columns in it.
Expression = tuple[str | Column, ...]


@dataclass(frozen=True, slots=True)
class Always:
    """Yes or no, whatever the row."""

    holds: bool


@dataclass(frozen=True, slots=True)
class Same:
    """A text is one of some others."""

    text: Expression
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class SameColumns:
    """Two columns hold the same text."""

    first: Column
    second: Column


@dataclass(frozen=True, slots=True)
class Like:
    """A text fits a glob: characters, and ``*`` and ``?`` where they are ``None`` and ``True``."""

    text: Expression
    signs: tuple[Sign, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A column has no value."""

    column: Column


@dataclass(frozen=True, slots=True)
class AtMost:
    """An integer is not larger than a bound."""

    column: Column
    bound: int


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Formula


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: frozenset[Formula]


@dataclass(frozen=True, slots=True)
class Any_:  # noqa: N801 - 'Any' is taken
    """Some part holds."""

    parts: frozenset[Formula]


Formula = Always | Same | SameColumns | Like | Missing | AtMost | Not | All | Any_
#: A character, ``None`` for a star, ``True`` for a question mark.
Sign = str | bool | None

YES, NO = Always(True), Always(False)


def always(holds: bool) -> Always:
    """A constant."""
    return YES if holds else NO


def opposite(part: Formula) -> Formula:
    """*part* turned round."""
    if isinstance(part, Always):
        return always(not part.holds)
    return part.part if isinstance(part, Not) else Not(part)


def all_of(parts: Iterable[Formula]) -> Formula:
    """Whether all hold; yes of none."""
    found = _flat(parts, All)
    if NO in found or any(opposite(one) in found for one in found):
        return NO
    return _one(found - {YES}, YES, All)


def any_of(parts: Iterable[Formula]) -> Formula:
    """Whether one holds; no of none."""
    found = _flat(parts, Any_)
    if YES in found or any(opposite(one) in found for one in found):
        return YES
    return _one(_united(found - {NO}), NO, Any_)


def _flat(parts: Iterable[Formula], kind: type[All | Any_]) -> frozenset[Formula]:
    return frozenset(one for part in parts for one in (part.parts if isinstance(part, kind) else (part,)))


def _one(found: frozenset[Formula], of_none: Formula, kind: type[All | Any_]) -> Formula:
    if len(found) < 2:
        return next(iter(found), of_none)
    return kind(found)


def _united(parts: frozenset[Formula]) -> frozenset[Formula]:
    """Comparisons of one text with several others, as one."""
    texts: dict[Expression, frozenset[str]] = {}
    for part in parts:
        if isinstance(part, Same):
            texts[part.text] = texts.get(part.text, frozenset()) | part.values
    rest = (part for part in parts if not isinstance(part, Same))
    return frozenset((*rest, *(Same(text, values) for text, values in texts.items())))


def present(text: Expression) -> Formula:
    """Whether every column of *text* has a value."""
    return all_of(Not(Missing(part)) for part in text if isinstance(part, Column))


def same(text: Expression, value: str) -> Formula:
    """Whether *text* is *value*."""
    return like(text, [Literal(value)])


def like(text: Expression, pattern: Iterable[str]) -> Formula:
    """Whether *text* fits a glob.

    Args:
        text: Text with columns in it.
        pattern: Text in which ``*`` and ``?`` are wildcards, and Literal text, in which they are not.
    """
    signs = [sign for part in pattern for sign in _signs(part)]
    parts = list(text)
    if not _strip(parts, signs, 0) or not _strip(parts, signs, -1):
        return NO
    rest = tuple(parts)
    if all(isinstance(part, str) for part in rest):
        return always(matches(cut(_pattern(signs)), "".join(map(str, rest))))
    if signs and all(sign is None for sign in signs):
        return present(rest)
    if all(isinstance(sign, str) for sign in signs):
        return Same(rest, frozenset(["".join(str(sign) for sign in signs)]))
    return Like(rest, tuple(signs))


def _signs(part: str) -> Iterable[Sign]:
    if isinstance(part, Literal):
        return part
    return ({"*": None, "?": True}.get(char, char) for char in part)


def _strip(parts: list[str | Column], signs: list[Sign], end: int) -> bool:
    """Take off what is fixed on both sides at one end; False when it differs there."""
    while parts and isinstance(known := parts[end], str):
        if not known:
            parts.pop(end)
        elif not signs:
            return False
        elif signs[end] is None:
            return True
        elif signs[end] is not True and signs[end] != known[end]:
            return False
        else:
            signs.pop(end)
            parts[end] = known[1:] if end == 0 else known[:-1]
    return True


# Asking a row


def holds(formula: Formula, row: Mapping[str, Any], text_of: Callable[[Any], str]) -> bool:
    """Whether *formula* holds for a row.

    Args:
        formula: The question.
        row: Values by the names of their columns.
        text_of: Writes a value as text.
    """
    match formula:
        case Always(answer):
            return answer
        case Not(part):
            return not holds(part, row, text_of)
        case All(parts):
            return all(holds(part, row, text_of) for part in parts)
        case Any_(parts):
            return any(holds(part, row, text_of) for part in parts)
        case Missing(column):
            return row[column.name] is None
        case AtMost(column, bound):
            return row[column.name] is not None and row[column.name] <= bound
        case Same(text, values):
            return _text(text, row, text_of) in values
        case SameColumns(first, second):
            value = _text((first,), row, text_of)
            return value is not None and value == _text((second,), row, text_of)
        case Like(text, signs):
            value = _text(text, row, text_of)
            return value is not None and matches(cut(_pattern(signs)), value)
    raise TypeError(f"{type(formula).__name__} is no formula")


def _text(text: Expression, row: Mapping[str, Any], text_of: Callable[[Any], str]) -> str | None:
    found = [part if isinstance(part, str) else row[part.name] for part in text]
    return None if None in found else "".join(text_of(part) for part in found)


def _pattern(signs: Iterable[Sign]) -> list[str]:
    return [Literal(sign) if isinstance(sign, str) else "*" if sign is None else "?" for sign in signs]
