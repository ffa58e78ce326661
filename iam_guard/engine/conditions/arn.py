"""ARN operators: six fields, each a glob, compared with case (section 3.6)."""

from __future__ import annotations

from collections.abc import Callable

from iam_guard.engine.arn import HEAD_FIELDS, split_fields
from iam_guard.engine.pattern import compile_glob, cut, matches
from iam_guard.engine.substitution import resolve
from iam_guard.model import Context
from iam_guard.policy.operators import Comparison
from iam_guard.policy.variables import Literal, Part, Variable, split_variables

ValueTest = Callable[[str, Context], bool | None]
#: Whether six fields of a value match; ``None`` when the pattern is no ARN.
FieldTest = Callable[[list[str], Context], bool | None]


def arn_test(comparison: Comparison, values: tuple[str, ...], variables: bool) -> ValueTest:
    """Make the test for the Arn operators.

    Text that is no ARN matches nothing under a positive operator; under a negated one it cannot be
    compared, and neither can a pattern that is no ARN.
    """
    tests = [_pattern(split_variables(value) if variables and "${" in value else [value]) for value in values]
    if not tests:  # with nothing to compare there is nothing that could not be compared
        return lambda value, context: False
    no_arn = None if comparison.negated else False

    def test(value: str, context: Context) -> bool | None:
        fields = value.split(":", HEAD_FIELDS)
        if len(fields) <= HEAD_FIELDS or fields[0] != "arn":
            return no_arn
        unknown = False
        for one in tests:
            hit = one(fields, context)
            if hit:
                return True
            unknown = unknown or hit is None
        return no_arn if unknown else False

    return test


def _pattern(parts: list[Part]) -> FieldTest:
    if any(isinstance(part, Variable) for part in parts):
        return _with_variables(parts)
    fields = split_fields(parts)
    if len(fields) <= HEAD_FIELDS:
        return lambda found, context: None
    tests = [(index, compile_glob([part for part in field if isinstance(part, str)]))
             for index, field in enumerate(fields) if field != ["*"]]
    return lambda found, context: all(test(found[index]) is True for index, test in tests)


def _with_variables(parts: list[Part]) -> FieldTest:
    def test(found: list[str], context: Context) -> bool | None:
        resolved = resolve(parts, context)
        if resolved is None:
            return False
        fields = _split_resolved(resolved)
        if len(fields) <= HEAD_FIELDS:
            return None
        return all(matches(cut(field), text) for field, text in zip(fields, found, strict=True))

    return test


def _split_resolved(parts: list[str]) -> list[list[str]]:
    """Cut at the first five colons, those inside values included; what is literal stays literal."""
    fields: list[list[str]] = [[]]
    for part in parts:
        kind = Literal if isinstance(part, Literal) else str
        room = HEAD_FIELDS + 1 - len(fields)
        for index, run in enumerate(part.split(":", room) if room else [part]):
            if index:
                fields.append([])
            if run:
                fields[-1].append(kind(run))
    return fields
