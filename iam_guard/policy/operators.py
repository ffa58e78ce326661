"""The condition operators: one table of names, and how a written operator is read (section 3.3)."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Family(Enum):
    """What an operator compares."""

    STRING = "string"
    NUMERIC = "numeric"
    DATE = "date"
    BOOL = "boolean"
    BINARY = "binary"
    ADDRESS = "address"
    ARN = "arn"
    NULL = "null"

    @property
    def takes_variables(self) -> bool:
        """Whether ``${...}`` is substituted in the policy's values."""
        return self in (Family.STRING, Family.ARN)


class Qualifier(Enum):
    """How an operator treats a key with a set of values."""

    NONE = ""
    ALL = "ForAllValues"
    ANY = "ForAnyValue"


class Comparison(NamedTuple):
    """A row of the table.

    Attributes:
        name: Canonical spelling.
        family: What is compared.
        test: How: ``equals``, ``ignorecase``, ``like``, ``lt``, ``le``, ``gt`` or ``ge``.
        negated: Whether the result is turned round; a negated operator holds when the key is missing.
    """

    name: str
    family: Family
    test: str = "equals"
    negated: bool = False


def _ordered(prefix: str, family: Family) -> list[Comparison]:
    return [
        Comparison(f"{prefix}Equals", family),
        Comparison(f"{prefix}NotEquals", family, negated=True),
        Comparison(f"{prefix}LessThan", family, "lt"),
        Comparison(f"{prefix}LessThanEquals", family, "le"),
        Comparison(f"{prefix}GreaterThan", family, "gt"),
        Comparison(f"{prefix}GreaterThanEquals", family, "ge"),
    ]


COMPARISONS = {
    row.name: row
    for row in (
        Comparison("StringEquals", Family.STRING),
        Comparison("StringNotEquals", Family.STRING, negated=True),
        Comparison("StringEqualsIgnoreCase", Family.STRING, "ignorecase"),
        Comparison("StringNotEqualsIgnoreCase", Family.STRING, "ignorecase", negated=True),
        Comparison("StringLike", Family.STRING, "like"),
        Comparison("StringNotLike", Family.STRING, "like", negated=True),
        *_ordered("Numeric", Family.NUMERIC),
        *_ordered("Date", Family.DATE),
        Comparison("Bool", Family.BOOL),
        Comparison("BinaryEquals", Family.BINARY),
        Comparison("IpAddress", Family.ADDRESS),
        Comparison("NotIpAddress", Family.ADDRESS, negated=True),
        Comparison("ArnEquals", Family.ARN, "like"),
        Comparison("ArnLike", Family.ARN, "like"),
        Comparison("ArnNotEquals", Family.ARN, "like", negated=True),
        Comparison("ArnNotLike", Family.ARN, "like", negated=True),
        Comparison("Null", Family.NULL),
    )
}
_BY_LOWER_NAME = {name.lower(): row for name, row in COMPARISONS.items()}
_QUALIFIERS = {qualifier.value: qualifier for qualifier in Qualifier if qualifier.value}


class Operator(NamedTuple):
    """A written operator, taken apart.

    Attributes:
        comparison: The row of the table.
        qualifier: ``ForAllValues``, ``ForAnyValue`` or none.
        if_exists: Whether a missing key is fine.
        exact: Whether it was written in canonical case.
    """

    comparison: Comparison
    qualifier: Qualifier = Qualifier.NONE
    if_exists: bool = False
    exact: bool = True

    def __str__(self) -> str:
        prefix = f"{self.qualifier.value}:" if self.qualifier.value else ""
        return f"{prefix}{self.comparison.name}{'IfExists' if self.if_exists else ''}"


@lru_cache(maxsize=512)
def read_operator(text: str) -> Operator | None:
    """Take an operator apart, whatever its case; ``None`` when there is no such operator."""
    prefix, colon, name = text.rpartition(":")
    qualifier = next((one for word, one in _QUALIFIERS.items() if word.lower() == prefix.lower()), None)
    if colon and qualifier is None:
        return None
    lower = name.lower()
    if_exists = lower.endswith("ifexists")
    row = _BY_LOWER_NAME.get(lower.removesuffix("ifexists") if if_exists else lower)
    if row is None or (if_exists and row.family is Family.NULL):
        return None
    operator = Operator(row, qualifier or Qualifier.NONE, if_exists)
    return operator._replace(exact=str(operator) == text)
