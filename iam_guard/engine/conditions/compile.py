"""The one table of operator families, and how a key's values are put to a family's test (sections 3.4-3.7).

A family's test says of one value whether any of the policy's values matches it: True, False, or ``None``
when the value is not of the family's type. What cannot be evaluated fails in an Allow and holds in a Deny
(the prime directive of the specification, promise S15), so no malformed value ever opens a door.
"""

from __future__ import annotations

from collections.abc import Callable

from iam_guard.engine.conditions.arn import arn_test
from iam_guard.engine.conditions.string import quick_string, string_test
from iam_guard.engine.conditions.typed import address_test, binary_test, boolean_test, ordered_test, quick_typed
from iam_guard.model import Context, ascii_lower
from iam_guard.policy.document import Condition, Statement
from iam_guard.policy.operators import Comparison, Family, Operator, Qualifier, read_operator

#: Whether a condition holds in a context.
ConditionTest = Callable[[Context], bool]
#: Whether one value of a key is matched by the policy's values; ``None`` when that cannot be told.
ValueTest = Callable[[str, Context], bool | None]
MakeTest = Callable[[Comparison, tuple[str, ...], bool], ValueTest]

FAMILIES: dict[Family, MakeTest] = {
    Family.STRING: string_test,
    Family.NUMERIC: ordered_test,
    Family.DATE: ordered_test,
    Family.BOOL: boolean_test,
    Family.BINARY: binary_test,
    Family.ADDRESS: address_test,
    Family.ARN: arn_test,
}


def compile_conditions(statement: Statement) -> tuple[ConditionTest, ...]:
    """Compile all conditions of a statement, in the order they were written."""
    return tuple(compile_condition(condition, statement, broken=index in statement.broken)
                 for index, condition in enumerate(statement.conditions))


def compile_condition(condition: Condition, statement: Statement, *, broken: bool = False) -> ConditionTest:
    """Compile one condition of *statement*.

    Args:
        condition: The operator, the key and the policy's values.
        statement: Its effect and version decide what an impossible comparison means.
        broken: Whether the policy's own values are malformed.
    """
    operator = read_operator(condition.operator)
    family = operator.comparison.family if operator else None
    if operator is None or broken or (family is not Family.NULL and family not in FAMILIES):
        deny = statement.is_deny
        return lambda context: deny
    key = ascii_lower(condition.key)
    if family is Family.NULL:
        return _null(key, operator, condition.values)
    assert family is not None
    if operator.qualifier is Qualifier.NONE and not operator.comparison.negated:
        quick = _quick(key, operator, condition, statement)
        if quick is not None:
            return quick
    test = FAMILIES[family](operator.comparison, condition.values, statement.variables)
    negated_set = operator.comparison.negated and operator.qualifier is not Qualifier.NONE
    if negated_set and not condition.values and not statement.is_deny:
        return _granted_against_nothing(key, operator.qualifier)
    match operator.qualifier:
        case Qualifier.ALL:
            return _for_all(key, test, operator.comparison.negated, statement.is_deny)
        case Qualifier.ANY:
            return _for_any(key, test, operator.comparison.negated, statement.is_deny)
    return _single(key, test, operator, statement.is_deny)


def _quick(key: str, operator: Operator, condition: Condition, statement: Statement) -> ConditionTest | None:
    """The commonest conditions have a form of their own that says the same with fewer calls."""
    if operator.comparison.family is Family.STRING:
        return quick_string(key, condition.values, operator, variables=statement.variables, deny=statement.is_deny)
    return quick_typed(key, condition.values, operator, deny=statement.is_deny)


def _null(key: str, operator: Operator, values: tuple[str, ...]) -> ConditionTest:
    if operator.qualifier is not Qualifier.NONE:
        constant = operator.qualifier is Qualifier.ALL
        return lambda context: constant
    wants = {value.lower() == "true" for value in values}
    return lambda context: (not context.get(key) and context.get(key) != "") in wants


def _single(key: str, test: ValueTest, operator: Operator, deny: bool) -> ConditionTest:
    negated = operator.comparison.negated
    when_missing = negated or operator.if_exists

    def holds(context: Context) -> bool:
        value = context.get(key)
        if value is None:
            return when_missing
        if value.__class__ is tuple:  # a set needs a set operator (section 3.5)
            return deny if value else when_missing
        hit = test(value, context)  # type: ignore[arg-type]
        if hit is None:
            return deny
        return hit is not negated

    return holds


def _granted_against_nothing(key: str, qualifier: Qualifier) -> ConditionTest:
    """A negated set operator with an empty list in an Allow: only ForAllValues over no values grants (3.9)."""
    return lambda context: qualifier is Qualifier.ALL and not any(_set_of(context.get(key)))


def _for_all(key: str, test: ValueTest, negated: bool, deny: bool) -> ConditionTest:
    def holds(context: Context) -> bool:
        for value in _set_of(context.get(key)):
            if value == "":
                continue
            hit = test(value, context)
            if deny if hit is None else hit is not negated:
                continue
            return False
        return True

    return holds


def _for_any(key: str, test: ValueTest, negated: bool, deny: bool) -> ConditionTest:
    def holds(context: Context) -> bool:
        for value in _set_of(context.get(key)):
            hit = test(value, context)
            if deny if hit is None else hit is not negated:
                return True
        return False

    return holds


def _set_of(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value
