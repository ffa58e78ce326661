"""A sorted set that is never changed, only replaced, and shares what stays the same.

A reader keeps the set it began with while writers go on making new ones. It is cut into pieces of a bounded
size: a new set copies the list of pieces and the pieces that differ, so that one change to a hundred thousand
rows costs microseconds rather than a copy of everything.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import Any

Row = tuple[Any, ...]

#: Longest piece of a set; a longer one is cut in two.
_PIECE = 512
#: A set is sorted anew when more than one in this many of its rows change at once.
_MANY = 8


class OrderedSet:
    """An immutable sorted set of tuples.

    Args:
        pieces: Sorted lists, none empty, each before the next.
    """

    __slots__ = ("_lasts", "_pieces")

    def __init__(self, pieces: list[list[Row]] | None = None) -> None:
        self._pieces = pieces or []
        self._lasts = [piece[-1] for piece in self._pieces]

    def changed(self, added: Iterable[Row], removed: Iterable[Row]) -> OrderedSet:
        """A set with *added* and without *removed*; what is in both is in."""
        plus, minus = set(added), set(removed)
        minus -= plus
        if not plus and not minus:
            return self
        if len(plus) + len(minus) > sum(map(len, self._pieces)) // _MANY:
            return OrderedSet(_cut(sorted((set(self) - minus) | plus)))
        return self._with_few(plus, minus)

    def _with_few(self, plus: set[Row], minus: set[Row]) -> OrderedSet:
        pieces: list[list[Row]] = list(self._pieces)
        copied: set[int] = set()
        for row in sorted(plus | minus):
            index = min(bisect_left(self._lasts, row), len(pieces) - 1)
            if index not in copied:
                copied.add(index)
                pieces[index] = list(pieces[index])
            _set_member(pieces[index], row, row in plus)
        for index in sorted(copied, reverse=True):
            pieces[index : index + 1] = _cut(pieces[index])
        return OrderedSet(pieces)

    def __iter__(self) -> Iterator[Row]:
        for piece in self._pieces:
            yield from piece

    def since(self, row: Row) -> Iterator[Row]:
        """The rows from *row* on; *row* may be shorter than they are, and need not be there."""
        index = bisect_left(self._lasts, row)
        if index < len(self._pieces):
            piece = self._pieces[index]
            for at in range(bisect_left(piece, row), len(piece)):
                yield piece[at]
            for piece in self._pieces[index + 1 :]:
                yield from piece

    def starting(self, row: Row) -> Iterator[Row]:
        """The rows that begin with *row*."""
        length = len(row)
        for found in self.since(row):
            if found[:length] != row:
                return
            yield found

    def count(self, row: Row) -> int:
        """How many rows begin with *row*, whose last member is text."""
        end = (*row[:-1], row[-1] + "\0")
        return self._place(end) - self._place(row)

    def _place(self, row: Row) -> int:
        index = bisect_left(self._lasts, row)
        before = sum(map(len, self._pieces[:index]))
        return before + (bisect_left(self._pieces[index], row) if index < len(self._pieces) else 0)


def _set_member(piece: list[Row], row: Row, wanted: bool) -> None:
    at = bisect_left(piece, row)
    there = at < len(piece) and piece[at] == row
    if wanted and not there:
        insort(piece, row)
    elif there and not wanted:
        del piece[at]


def _cut(rows: list[Row]) -> list[list[Row]]:
    """Rows in pieces that have room to grow; a piece that is not too long stays whole."""
    if len(rows) <= _PIECE:
        return [rows] if rows else []
    return [rows[start : start + _PIECE // 2] for start in range(0, len(rows), _PIECE // 2)]
