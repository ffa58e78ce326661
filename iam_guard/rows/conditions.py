"""A condition as a question about rows: its key, or a variable in its values, comes from a column."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from iam_guard.engine.conditions.compile import compile_condition
from iam_guard.engine.substitution import resolve
from iam_guard.model import Context, ascii_lower
from iam_guard.policy.document import Condition, Statement
from iam_guard.policy.operators import Family, Operator, Qualifier, read_operator
from iam_guard.policy.values import read_boolean, read_number
from iam_guard.policy.variables import Part, Variable, split_variables
from iam_guard.rows.formula import AtMost, Column, Formula, Missing, SameColumns, all_of, any_of, like, opposite, same
from iam_guard.rows.span import Span, between, both, constant, either, exactly, not_, unknown


class Known(NamedTuple):
    """What is known when the query is made.

    Attributes:
        context: Condition keys of the caller, the request and the clock.
        columns: Condition keys that come from a column.
    """

    context: Context
    columns: Mapping[str, Column]


def condition_span(condition: Condition, statement: Statement, index: int, known: Known) -> Span:
    """When a condition of a statement holds.

    Args:
        condition: The condition.
        statement: Where it stands.
        index: Which one of the statement's it is.
        known: What is known.
    """
    operator, broken = read_operator(condition.operator), index in statement.broken
    key = ascii_lower(condition.key)
    values = [_split(value, operator, statement) for value in condition.values]
    of_row = {part.key for parts in values for part in parts if isinstance(part, Variable)} & known.columns.keys()
    if operator is None or broken or not (key in known.columns or of_row):
        return constant(compile_condition(condition, statement, broken=broken)(known.context))
    if key in known.columns:
        return _of_column(known.columns[key], operator, condition, values, known)
    return _of_known(known.context.get(key), operator, condition, values, known)


def _split(value: str, operator: Operator | None, statement: Statement) -> list[Part]:
    if operator is None or not operator.comparison.family.takes_variables or not statement.variables:
        return [value]
    return split_variables(value) if "${" in value else [value]


def _of_column(column: Column, operator: Operator, condition: Condition, values: list[list[Part]],
               known: Known) -> Span:
    missing, negated = exactly(Missing(column)), operator.comparison.negated
    if operator.comparison.family is Family.NULL:
        return _null(column, operator, condition.values)
    if not values and negated and operator.qualifier is not Qualifier.NONE:
        return unknown(f"{condition.operator} with nothing to compare")
    hit = _hit(column, operator, condition, values, known)
    fits = not_(hit) if negated else hit
    match operator.qualifier:
        case Qualifier.ANY:
            return both(not_(missing), fits)
        case Qualifier.ALL:
            return either(missing, exactly(same((column,), "")), fits)
    return either(missing, fits) if negated or operator.if_exists else both(not_(missing), fits)


def _null(column: Column, operator: Operator, values: tuple[str, ...]) -> Span:
    if operator.qualifier is not Qualifier.NONE:
        return constant(operator.qualifier is Qualifier.ALL)
    wants = {value.lower() == "true" for value in values}
    return exactly(any_of(Missing(column) if want else opposite(Missing(column)) for want in wants))


def _hit(column: Column, operator: Operator, condition: Condition, values: list[list[Part]], known: Known) -> Span:
    """Whether the column's value is matched by one of the policy's."""
    comparison = operator.comparison
    if comparison.family is Family.STRING and comparison.test in ("equals", "like"):
        return either(*(_text_hit(column, comparison.test, parts, known) for parts in values))
    if comparison.family is Family.BOOL:
        return _boolean_hit(column, condition.values)
    if comparison.family is Family.NUMERIC and column.is_integer:
        return _number_hit(column, comparison.test, condition.values)
    return unknown(f"no query compares '{condition.key}' with {condition.operator}")


def _text_hit(column: Column, test: str, parts: list[Part], known: Known) -> Span:
    other = _whole_variable(parts, known)
    if other is not None and test == "equals":
        return exactly(_same_as(column, known.columns[other.key], other.default))
    if any(isinstance(part, Variable) and part.key in known.columns for part in parts):
        return unknown("no query puts the value of one column into a pattern for another")
    found = resolve(parts, known.context)
    if found is None:
        return constant(False)
    return exactly(same((column,), "".join(found)) if test == "equals" else like((column,), found))


def _whole_variable(parts: list[Part], known: Known) -> Variable | None:
    """The variable of a column that is all there is in a value."""
    only = parts[0] if len(parts) == 1 else None
    return only if isinstance(only, Variable) and only.key in known.columns else None


def _same_as(column: Column, other: Column, default: str | None) -> Formula:
    """A variable without text counts as none, and then its default counts."""
    empty = any_of((Missing(other), same((other,), "")))
    equal = all_of((opposite(empty), SameColumns(column, other)))
    return equal if default is None else any_of((equal, all_of((empty, same((column,), default)))))


def _boolean_hit(column: Column, values: tuple[str, ...]) -> Span:
    """Spellings other than the usual one are not looked for; they may be either."""
    wanted = {read_boolean(value) for value in values} - {None}
    names = {True: same((column,), "true"), False: same((column,), "false")}
    others = (names[one] for one in names if one not in wanted)
    over = all_of((opposite(Missing(column)), *(opposite(one) for one in others)))
    under = any_of(names[one] for one in names if one in wanted)
    return between(under, over, "a query knows 'true' and 'false' in lower case only") if wanted else constant(False)


def _number_hit(column: Column, test: str, values: tuple[str, ...]) -> Span:
    numbers = [read_number(value) for value in values]
    found = [number for number in numbers if number is not None]
    if len(found) < len(numbers):
        return unknown("a value is no number")
    if test == "equals":
        return exactly(any_of(_equal(column, int(one)) for one in found if one == one.to_integral_value()))
    return exactly(any_of(_ordered(column, test, one) for one in found))


def _equal(column: Column, number: int) -> Formula:
    return all_of((AtMost(column, number), opposite(AtMost(column, number - 1))))


def _ordered(column: Column, test: str, bound: Decimal) -> Formula:
    match test:
        case "lt":
            return AtMost(column, math.ceil(bound) - 1)
        case "le":
            return AtMost(column, math.floor(bound))
        case "gt":
            return all_of((opposite(Missing(column)), opposite(AtMost(column, math.floor(bound)))))
    return all_of((opposite(Missing(column)), opposite(AtMost(column, math.ceil(bound) - 1))))


def _of_known(value: str | tuple[str, ...] | None, operator: Operator, condition: Condition,
              values: list[list[Part]], known: Known) -> Span:
    """A value that is known, compared with columns."""
    negated = operator.comparison.negated
    if value is None:
        return constant({Qualifier.ANY: False, Qualifier.ALL: True}.get(
            operator.qualifier, negated or operator.if_exists))
    plain = operator.comparison.family is Family.STRING and operator.comparison.test == "equals"
    if not plain or operator.qualifier is not Qualifier.NONE or isinstance(value, tuple):
        return unknown(f"no query compares '{condition.key}' with columns by {condition.operator}")
    hit = either(*(_known_hit(value, parts, known) for parts in values))
    return not_(hit) if negated else hit


def _known_hit(value: str, parts: list[Part], known: Known) -> Span:
    other = _whole_variable(parts, known)
    if other is not None:
        column = known.columns[other.key]
        empty = any_of((Missing(column), same((column,), "")))
        equal = all_of((opposite(empty), same((column,), value)))
        return exactly(any_of((equal, empty)) if other.default == value else equal)
    if any(isinstance(part, Variable) and part.key in known.columns for part in parts):
        return unknown("no query compares a text with parts of which one is a column's value")
    found = resolve(parts, known.context)
    return constant(found is not None and "".join(found) == value)
