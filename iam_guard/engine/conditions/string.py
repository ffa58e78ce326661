"""String operators: exact, ignoring case, and globs; with variables (section 3.6, 3.8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from iam_guard.engine.pattern import compile_glob, cut, matches
from iam_guard.engine.substitution import resolve
from iam_guard.model import Context
from iam_guard.policy.operators import Comparison, Operator
from iam_guard.policy.variables import Part, Variable, split_variables

ValueTest = Callable[[str, Context], bool | None]


def fold_case(text: str) -> str:
    """Lower-case letter by letter, so that no foreign letter ever becomes an ASCII one (promise S16)."""
    return text.lower() if text.isascii() else "".join(map(_fold_letter, text))


def _fold_letter(letter: str) -> str:
    lower = letter.lower()
    return lower if len(lower) == 1 and letter.isascii() is lower.isascii() else letter


def string_test(comparison: Comparison, values: tuple[str, ...], variables: bool) -> ValueTest:
    """Make the test for the String operators."""
    split: list[list[Part]] = [split_variables(value) if variables and "${" in value else [value] for value in values]
    fixed = [parts for parts in split if not _has_variable(parts)]
    open_ended = [parts for parts in split if _has_variable(parts)]
    static = _static_test(comparison.test, fixed)
    if not open_ended:
        return static
    return _with_variables(comparison.test, static if fixed else None, open_ended)


def quick_string(key: str, values: tuple[str, ...], operator: Operator, *, variables: bool,
                 deny: bool) -> Callable[[Context], bool] | None:
    """The commonest conditions as one function each: like a fixed glob, equal to fixed texts or to another key."""
    if operator.if_exists:
        return None
    if operator.comparison.test == "like" and len(values) == 1 and not (variables and "${" in values[0]):
        return _like_fixed(key, compile_glob([values[0]]), deny)
    if operator.comparison.test != "equals":
        return None
    if not variables or not any("${" in value for value in values):
        return _equals_fixed(key, frozenset(values), deny)
    parts = split_variables(values[0])
    if len(values) == 1 and len(parts) == 1 and isinstance(parts[0], Variable):
        return _equals_other_key(key, parts[0], deny)
    return None


def _like_fixed(key: str, glob: Callable[[str], bool], deny: bool) -> Callable[[Context], bool]:
    def holds(context: Context) -> bool:
        value = context.get(key)
        if value.__class__ is not str:  # absent, or a set, which needs a set operator (section 3.5)
            return deny and bool(value)
        return glob(value)

    return holds


def _equals_fixed(key: str, texts: frozenset[str], deny: bool) -> Callable[[Context], bool]:
    def holds(context: Context) -> bool:
        value = context.get(key)
        if value.__class__ is tuple:  # a set needs a set operator (section 3.5)
            return deny and bool(value)
        return value in texts

    return holds


def _equals_other_key(key: str, other: Variable, deny: bool) -> Callable[[Context], bool]:
    name, default = other

    def holds(context: Context) -> bool:
        value = context.get(key)
        if value.__class__ is tuple:
            return deny and bool(value)
        wanted = context.get(name)
        if not wanted or wanted.__class__ is tuple:
            wanted = default
        return value == wanted and value is not None

    return holds


def _has_variable(parts: Sequence[Part]) -> bool:
    return any(isinstance(part, Variable) for part in parts)


def _static_test(kind: str, values: list[list[Part]]) -> ValueTest:
    if kind == "like":
        return _any_glob([[part for part in parts if isinstance(part, str)] for parts in values])
    texts = frozenset("".join(str(part) for part in parts) for parts in values)
    if kind == "ignorecase":
        folded = frozenset(map(fold_case, texts))
        return lambda value, context: fold_case(value) in folded
    return lambda value, context: value in texts


def _any_glob(values: list[list[str]]) -> ValueTest:
    tests = [compile_glob(parts) for parts in values]
    if len(tests) == 1:
        only = tests[0]
        return lambda value, context: only(value)
    return lambda value, context: any(test(value) for test in tests)


def _with_variables(kind: str, static: ValueTest | None, open_ended: list[list[Part]]) -> ValueTest:
    one = {"like": _like, "ignorecase": _equals_ignoring_case}.get(kind, _equals)

    def test(value: str, context: Context) -> bool | None:
        if static is not None and static(value, context):
            return True
        return any(one(parts, value, context) for parts in open_ended)

    return test


def _like(parts: list[Part], value: str, context: Context) -> bool:
    found = resolve(parts, context)
    return found is not None and matches(cut(found), value)


def _equals(parts: list[Part], value: str, context: Context) -> bool:
    found = resolve(parts, context)
    return found is not None and "".join(found) == value


def _equals_ignoring_case(parts: list[Part], value: str, context: Context) -> bool:
    found = resolve(parts, context)
    return found is not None and fold_case("".join(found)) == fold_case(value)
