"""Resource and NotResource as questions about rows, which differ in the last part of their ARNs only."""

from __future__ import annotations

from typing import NamedTuple

from iam_guard.engine.arn import HEAD_FIELDS, resource_key, split_fields
from iam_guard.engine.pattern import cut, matches
from iam_guard.engine.substitution import resolve
from iam_guard.model import ascii_lower
from iam_guard.policy.document import Statement
from iam_guard.policy.variables import Literal, Part, Variable, VariableSyntaxError, split_variables
from iam_guard.rows.conditions import Known
from iam_guard.rows.formula import NO, YES, Expression, Formula, all_of, any_of, like
from iam_guard.rows.span import Span, between, constant, either, exactly, not_, unknown


class RowName(NamedTuple):
    """The ARN of a row.

    Attributes:
        head: Up to the fifth colon.
        name: What follows.
    """

    head: str
    name: Expression

    @property
    def fields(self) -> list[str]:
        """The first five fields as they are compared."""
        return resource_key(self.head).split(":")[:HEAD_FIELDS]


def resource_span(statement: Statement, row: RowName, known: Known) -> Span:
    """For which rows a statement speaks of the resource."""
    if statement.resources is None:
        return constant(True)
    deny = statement.is_deny
    wide = deny is not statement.not_resource
    entries = [_entry(text, statement, row, known, wide=wide) for text in statement.resources]
    found = either(*(one for one in entries if one is not None))
    if not statement.not_resource:
        return found
    if not deny and (not entries or None in entries):
        return constant(False)  # an entry without a value would grant more than was meant
    return not_(found)


def _entry(text: str, statement: Statement, row: RowName, known: Known, *, wide: bool) -> Span | None:
    """For which rows one entry matches; ``None`` when one of its variables has no value."""
    if text == "*":
        return constant(True)
    try:
        parts: list[Part] = split_variables(text) if statement.variables and "${" in text else [text]
    except VariableSyntaxError:
        return None if statement.not_resource else constant(statement.is_deny)
    if any(isinstance(part, Variable) and part.key in known.columns for part in parts):
        return unknown(f"no query puts the value of a column into '{text}'")
    fields = split_fields(parts)
    if any(isinstance(part, Variable) for field in fields[:3] for part in field):
        return None
    found = [resolve(field, known.context, forbid_colon=index < HEAD_FIELDS) for index, field in enumerate(fields)]
    filled = [field for field in found if field is not None]
    if len(filled) < len(found):
        return None
    lower = [[_lower(part) for part in field] for field in filled[:3]] + filled[3:]
    return _matched(lower, row, text, wide=wide)


def _lower(part: str) -> str:
    return part if isinstance(part, Literal) else ascii_lower(part)


def _matched(fields: list[list[str]], row: RowName, text: str, *, wide: bool) -> Span:
    """By fields, as ARNs are matched; and, where a star may reach further than its field, by the whole text at most."""
    heads = zip(fields[:HEAD_FIELDS], row.fields, strict=False)
    if len(fields) <= HEAD_FIELDS:
        fits = fields[-1] == ["*"] and all(matches(cut(field), known) for field, known in
                                           zip(fields[:-1], row.fields, strict=False))
        return between(YES if fits else NO, YES if fits else _whole(fields, row), f"'{text}' is no whole ARN")
    narrow = like(row.name, fields[HEAD_FIELDS]) if all(matches(cut(field), known) for field, known in heads) else NO
    if not wide or not any(map(_ends_open, fields[:HEAD_FIELDS])):
        return exactly(narrow)
    if not _may_hold_colon(row.name):
        return exactly(narrow)
    further = all_of((like(row.name, ["*:*"]), _whole(fields, row)))
    return between(narrow, any_of((narrow, further)), f"a star in '{text}' may reach into a name with a colon")


def _may_hold_colon(name: Expression) -> bool:
    return any(":" in part if isinstance(part, str) else not part.is_integer for part in name)


def _ends_open(field: list[str]) -> bool:
    return bool(field) and not isinstance(field[-1], Literal) and field[-1].endswith("*")


def _whole(fields: list[list[str]], row: RowName) -> Formula:
    """The pattern over the whole text, every star reaching anywhere: more than any reading matches."""
    parts = [part for index, field in enumerate(fields) for part in ((Literal(":"),) if index else ()) + tuple(field)]
    return like((resource_key(row.head), *row.name), parts)
