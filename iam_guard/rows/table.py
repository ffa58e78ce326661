"""How rows of a table become resources: what names them, and which columns are condition keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.model import EMPTY, ContextValue, ascii_lower, scalar_text
from iam_guard.rows.formula import Column, Expression

_GAP = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?\Z")
#: The beginning of a short name that a colon in a value would make the name of a service.
_COULD_BE_A_SERVICE = re.compile(r"[a-z0-9-]*\Z")


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table, as resources.

    Columns hold text, integers, UUIDs (in PostgreSQL) or nothing; what is no text is compared by its decimal digits or
    its usual spelling. A row without a value in a column that names it is never admitted; without one in a column of
    *keys*, that key is absent.

    Args:
        resource: Name of a row's resource: a full ARN or a short name, ``document/{id}``. Columns stand in braces, and
            only in the last part of an ARN. Values go in as they are.
        keys: Condition keys, and the column that each comes from.
        integers: Columns that hold integers; only these can be compared as numbers.
        texts: Columns of a text type. The database need not be told to read them as text, so it can use an index.

    Raises:
        ConfigurationError: a column's name is not one, a brace is not closed, or a short name begins with a column, so
            that a value could name a service.
    """

    resource: str
    keys: Mapping[str, str] = field(default_factory=dict)
    integers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [*_GAP.findall(self.resource), *self.keys.values(), *self.integers, *self.texts]
        wrong = [name for name in names if not _NAME.match(name)]
        if wrong or any(brace in _GAP.sub("", self.resource) for brace in "{}"):
            raise ConfigurationError(Fault(f"'{wrong[0] if wrong else self.resource}' does not name a column",
                                           "write 'document/{id}'; 'table.column' does as well"))
        if "{" in self.resource and _COULD_BE_A_SERVICE.match(self.resource.partition("{")[0]):
            raise ConfigurationError(Fault(f"a value could name the service of '{self.resource}'",
                                           "begin it with its own text, like 'document/{id}' or 'docs:{id}'"))

    def column(self, name: str) -> Column:
        """A column by its name."""
        return Column(name, is_integer=name in self.integers, is_text=name in self.texts)

    def columns(self) -> dict[str, Column]:
        """Columns by condition key, in lower case."""
        return {ascii_lower(key): self.column(name) for key, name in self.keys.items()}

    def expression(self, text: str) -> Expression:
        """*text* with columns in braces, taken apart."""
        return tuple(self._parts(text))

    def _parts(self, text: str) -> Iterator[str | Column]:
        for place, part in enumerate(_GAP.split(text)):
            if place % 2:
                yield self.column(part)
            elif part:
                yield part

    def resource_of(self, row: Mapping[str, Any]) -> str:
        """The resource of a row, for :meth:`iam_guard.Guard.authorize`.

        Raises:
            ValueError: a column that names it has no value.
        """
        def value(found: re.Match[str]) -> str:
            if row[found[1]] is None:
                raise ValueError(f"a row without '{found[1]}' has no name")
            return as_text(row[found[1]])
        return _GAP.sub(value, self.resource)

    def context_of(self, row: Mapping[str, Any]) -> Mapping[str, ContextValue]:
        """The condition keys of a row, likewise."""
        return {key: as_text(row[name]) for key, name in self.keys.items() if row[name] is not None} or EMPTY


def as_text(value: Any) -> str:
    """A column's value as conditions read it."""
    return scalar_text(value) if isinstance(value, str | int) else str(value)
