"""Patterns held against patterns: is whatever one matches matched by the other, can both match one text?

A pattern is a tuple of tokens: a character stands for itself, the others are in :class:`Wild` and :class:`Hole`.
Whoever says *covers* has proved it; a no may also mean that it was not worth finding out.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from iam_guard.model import ascii_lower


class Wild(Enum):
    """A token that stands for other characters than itself."""

    RUN = "any characters"
    FIELD_RUN = "any characters but colons"
    ONE = "any character"
    FIELD_ONE = "any character but a colon"


class Hole(NamedTuple):
    """A variable whose value comes with the request and is the same for both sides.

    Attributes:
        key: The condition key, in lower case.
        default: Its text without a value; ``None`` when the pattern then matches nothing.
        in_field: Whether it stands among the first five fields, where a value with a colon counts as none.
    """

    key: str
    default: str | None
    in_field: bool


Token = str | Wild | Hole
Glob = tuple[Token, ...]

EVERYTHING: Glob = (Wild.RUN,)
_RUNS = frozenset({Wild.RUN, Wild.FIELD_RUN})
_REMEMBERED = 16_384


def action_glob(text: str) -> Glob:
    """The pattern of an action; actions ignore case."""
    wild = {"*": Wild.RUN, "?": Wild.ONE}
    return tuple(wild.get(char, char) for char in ascii_lower(text))


@lru_cache(maxsize=_REMEMBERED)
def covers(wide: Glob, narrow: Glob) -> bool:
    """Whether everything that *narrow* matches is matched by *wide*.

    Follows every way in which *wide* can read *narrow* as if it were a text, in which only a run can take a run.
    """
    if wide in (EVERYTHING, narrow):
        return True
    places = _with_skips(wide, {0})
    for token in narrow:
        places = _with_skips(wide, {after for place in places if place < len(wide)
                                    for after in _after(wide[place], token, place)})
        if not places:
            return False
    return len(wide) in places


def _with_skips(glob: Glob, places: set[int]) -> set[int]:
    """The places, and those behind runs that take nothing."""
    found = set(places)
    for place in sorted(places):
        while place < len(glob) and glob[place] in _RUNS:
            place += 1
            found.add(place)
    return found


def _after(taker: Token, token: Token, place: int) -> tuple[int, ...]:
    """Where *taker* at *place* stands after it has taken a token of the narrower pattern."""
    if taker in _RUNS:
        return (place,) if taker is Wild.RUN or _has_no_colon(token) else ()
    if taker == token:
        return (place + 1,)
    one = isinstance(token, str) or token in (Wild.ONE, Wild.FIELD_ONE)
    takes = (taker is Wild.ONE and one) or (taker is Wild.FIELD_ONE and one and _has_no_colon(token))
    return (place + 1,) if takes else ()


def _has_no_colon(token: Token) -> bool:
    if isinstance(token, Hole):
        return token.in_field
    return token not in (":", Wild.RUN, Wild.ONE)


@lru_cache(maxsize=_REMEMBERED)
def meets(one: Glob, other: Glob) -> bool:
    """Whether a text may exist that both match."""
    seen = {(0, 0)}
    ways = [(0, 0)]
    while ways:
        here, there = ways.pop()
        if here == len(one) and there == len(other):
            return True
        for way in _ways(one, other, here, there):
            if way not in seen:
                seen.add(way)
                ways.append(way)
    return False


def _ways(one: Glob, other: Glob, here: int, there: int) -> list[tuple[int, int]]:
    first = one[here] if here < len(one) else None
    second = other[there] if there < len(other) else None
    ways = []
    if first is not None and _is_open(first):
        ways.append((here + 1, there))
        if second is not None and _is_common(first, second):
            ways.append((here, there + 1))
    if second is not None and _is_open(second):
        ways.append((here, there + 1))
        if first is not None and _is_common(first, second):
            ways.append((here + 1, there))
    if (first is not None and second is not None and not _is_open(first) and not _is_open(second)
            and _is_common(first, second)):
        ways.append((here + 1, there + 1))
    return ways


def _is_open(token: Token) -> bool:
    """Whether it may stand for several characters."""
    return token in _RUNS or isinstance(token, Hole)


def _is_common(one: Token, other: Token) -> bool:
    """Whether a character exists that both may stand for."""
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    return not ((one == ":" and _has_no_colon(other)) or (other == ":" and _has_no_colon(one)))
