"""Formulas as SQL, for the dialects in which they mean exactly what they mean here.

Comparisons are by code point whatever the collation of a column; a column that has no value answers no, under a
negation too; every value is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from iam_guard.rows.formula import (
    All,
    Always,
    Any_,
    AtMost,
    Column,
    Expression,
    Formula,
    Like,
    Missing,
    Not,
    Same,
    SameColumns,
    Sign,
)

Dialect = Literal["sqlite", "postgresql"]
_LEAST, _MOST = -(2**63), 2**63 - 1
_ESCAPE = "!"


class SQL(NamedTuple):
    """A condition for ``WHERE``.

    Attributes:
        text: In parentheses where needed.
        parameters: For its placeholders, in order.
    """

    text: str
    parameters: tuple[str | int, ...]


class Writer:
    """Writes one formula.

    Args:
        dialect: Whose SQL.
        placeholder: Writes the placeholder of a parameter, given its position from 0.
    """

    def __init__(self, dialect: Dialect, placeholder: Callable[[int], str]) -> None:
        self._is_sqlite = dialect == "sqlite"
        self._placeholder = placeholder
        self._parameters: list[str | int] = []
        self._globbed: dict[Column, None] = {}

    def write(self, formula: Formula) -> SQL:
        """The formula as a condition."""
        text = self._formula(formula, plain=True)
        if self._is_sqlite:  # GLOB sees a text up to its first NUL only
            text = " AND ".join([text, *(f"COALESCE(instr({self._column(one)}, char(0)), 0) = 0"
                                         for one in self._globbed)])
        return SQL(f"({text})", tuple(self._parameters))

    def _formula(self, formula: Formula, *, plain: bool) -> str:
        """*plain*: where NULL does as well as no."""
        match formula:
            case Always(holds):
                return "1 = 1" if holds else "1 = 0"
            case Not(Missing(column)):
                return f"{self._name(column)} IS NOT NULL"
            case Not(part):
                return f"NOT ({self._formula(part, plain=False)})"
            case All(parts):
                return self._joined(" AND ", parts, plain)
            case Any_(parts):
                return self._joined(" OR ", parts, plain)
            case Missing(column):
                return f"{self._name(column)} IS NULL"
        text = self._atom(formula)
        return text if plain else f"({text}) IS TRUE"

    def _joined(self, word: str, parts: frozenset[Formula], plain: bool) -> str:
        ordered = sorted(parts, key=repr)
        return "(" + word.join(self._formula(part, plain=plain) for part in ordered) + ")"

    def _atom(self, formula: Formula) -> str:
        match formula:
            case Same(text, values):
                return self._same(text, sorted(filter(self._can_be_stored, values)))
            case SameColumns(first, second):
                return f"{self._exact((first,))} = {self._exact((second,))}"
            case AtMost(column, bound):
                return self._at_most(column, bound)
            case Like(text, signs):
                return self._like(text, signs)
        raise TypeError(f"{type(formula).__name__} is no formula")

    def _same(self, text: Expression, values: list[str]) -> str:
        if not values:
            return "1 = 0"
        exact = self._exact(text)  # before the values, as parameters stand in order
        written = ", ".join(map(self._parameter, values))
        return f"{exact} = {written}" if len(values) == 1 else f"{exact} IN ({written})"

    def _at_most(self, column: Column, bound: int) -> str:
        if bound < _LEAST:
            return "1 = 0"
        return f"{self._name(column)} <= {self._parameter(min(bound, _MOST))}"

    def _like(self, text: Expression, signs: tuple[Sign, ...]) -> str:
        if not self._can_be_stored("".join(sign for sign in signs if isinstance(sign, str))):
            return "1 = 0"
        if self._is_sqlite:
            self._globbed |= dict.fromkeys(part for part in text if isinstance(part, Column))
            return f"{self._expression(text)} GLOB {self._parameter(_glob(signs))}"
        return f"{self._exact(text)} LIKE {self._parameter(_like(signs))} ESCAPE '{_ESCAPE}'"

    def _can_be_stored(self, text: str) -> bool:
        """Whether a database could hold the text at all."""
        return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)

    def _exact(self, text: Expression) -> str:
        return f"{self._expression(text)} COLLATE " + ("BINARY" if self._is_sqlite else '"C"')

    def _expression(self, text: Expression) -> str:
        written = [self._column(part) if isinstance(part, Column) else self._literal(part) for part in text]
        return written[0] if len(written) == 1 else f"({' || '.join(written)})"

    def _literal(self, text: str) -> str:
        return f"CAST({self._parameter(text)} AS TEXT)"  # PostgreSQL would not know the type of a bare parameter

    def _column(self, column: Column) -> str:
        return self._name(column) if column.is_text else f"CAST({self._name(column)} AS TEXT)"

    def _name(self, column: Column) -> str:
        """Quoted, so that it is always a column: SQLite takes an unknown name in double quotes for a text."""
        quote = "[{}]" if self._is_sqlite else '"{}"'
        return ".".join(quote.format(part) for part in column.name.split("."))

    def _parameter(self, value: str | int) -> str:
        self._parameters.append(value)
        return self._placeholder(len(self._parameters) - 1)


def _glob(signs: tuple[Sign, ...]) -> str:
    return "".join("*" if sign is None else "?" if not isinstance(sign, str) else f"[{sign}]" if sign in "*?[" else sign
                   for sign in signs)


def _like(signs: tuple[Sign, ...]) -> str:
    return "".join("%" if sign is None else "_" if not isinstance(sign, str)
                   else f"{_ESCAPE}{sign}" if sign in f"%_{_ESCAPE}" else sign for sign in signs)
