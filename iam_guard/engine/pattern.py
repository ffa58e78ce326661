"""Globs: ``*`` and ``?`` in time linear in pattern and text (language specification, section 2.1).

A pattern is cut at its stars into pieces; matching walks the text once, taking each piece at the first
place where it fits. That is exact because every star stands for any characters, and it never goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from iam_guard.policy.variables import Literal

Test = Callable[[str], bool]


class Piece:
    """A run of a pattern that holds ``?`` but no ``*``."""

    __slots__ = ("length", "literals")

    def __init__(self, parts: list[str | None]) -> None:
        self.length = 0
        self.literals: list[tuple[int, str]] = []
        for part in parts:
            if part is not None:
                self.literals.append((self.length, part))
            self.length += 1 if part is None else len(part)

    def fits(self, text: str, at: int) -> bool:
        """Whether the piece stands at offset *at*."""
        if at < 0 or at + self.length > len(text):
            return False
        return all(text.startswith(literal, at + offset) for offset, literal in self.literals)

    def find(self, text: str, start: int, end: int) -> int:
        """First offset in ``[start, end - length]`` where the piece stands, or -1."""
        return next((at for at in range(start, end - self.length + 1) if self.fits(text, at)), -1)


#: A pattern cut at its stars: one entry more than there are stars.
Pieces = list[str | Piece]


def cut(parts: Iterable[str]) -> Pieces:
    """Cut a pattern at its stars.

    Args:
        parts: Text of the policy, in which ``*`` and ``?`` are wildcards, and Literal text, in which they
            are not.
    """
    pieces: list[list[str | None]] = [[]]
    for part in parts:
        if isinstance(part, Literal):
            pieces[-1].append(part)
            continue
        for count, run in enumerate(part.split("*")):
            if count:
                pieces.append([])
            for index, literal in enumerate(run.split("?")):
                if index:
                    pieces[-1].append(None)
                if literal:
                    pieces[-1].append(literal)
    return [_piece(piece) for piece in pieces]


def _piece(parts: list[str | None]) -> str | Piece:
    return Piece(parts) if None in parts else "".join(part for part in parts if part)


def matches(pieces: Pieces, text: str) -> bool:
    """Whether the whole of *text* is matched by a pattern that was cut at its stars."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return text == first if isinstance(first, str) else first.length == len(text) and first.fits(text, 0)
    if not (text.startswith(first) if isinstance(first, str) else first.fits(text, 0)):
        return False
    at, end = _length(first), len(text) - _length(last)
    if end < at or not (text.endswith(last) if isinstance(last, str) else last.fits(text, end)):
        return False
    for piece in pieces[1:-1]:
        found = text.find(piece, at, end) if isinstance(piece, str) else piece.find(text, at, end)
        if found < 0:
            return False
        at = found + _length(piece)
    return True


def _length(piece: str | Piece) -> int:
    return len(piece) if isinstance(piece, str) else piece.length


def compile_glob(parts: Iterable[str]) -> Test:
    """Make a test of a pattern without variables, in the quickest form its shape allows."""
    pieces = cut(parts)
    if not all(isinstance(piece, str) for piece in pieces):
        return lambda text: matches(pieces, text)
    texts = [str(piece) for piece in pieces]
    first, last = texts[0], texts[-1]
    if len(texts) == 1:
        return first.__eq__
    if len(texts) == 2:
        return _two_ended(first, last)
    middle = [text for text in texts[1:-1] if text]
    if not first and not last and len(middle) == 1:
        return lambda text: middle[0] in text
    return _many_starred(first, middle, last)


def _two_ended(first: str, last: str) -> Test:
    if not last:
        return lambda text: text.startswith(first)
    if not first:
        return lambda text: text.endswith(last)
    least = len(first) + len(last)
    return lambda text: len(text) >= least and text.startswith(first) and text.endswith(last)


def _many_starred(first: str, middle: list[str], last: str) -> Test:
    start, tail = len(first), len(last)

    def test(text: str) -> bool:
        if not text.startswith(first) or not text.endswith(last):
            return False
        at, end = start, len(text) - tail
        for piece in middle:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return at <= end

    return test
