"""Reads Condition blocks: operators, keys and typed values (language specification, sections 3.1-3.9)."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from sys import intern
from typing import Any

from iam_guard.model import ascii_lower
from iam_guard.policy.document import Condition
from iam_guard.policy.findings import Findings, Stage
from iam_guard.policy.keys import is_multivalued
from iam_guard.policy.operators import COMPARISONS, Family, Operator, Qualifier, read_operator
from iam_guard.policy.source import members, pointer
from iam_guard.policy.values import read_boolean, read_bytes, read_instant, read_network, read_number
from iam_guard.policy.variables import VariableSyntaxError, split_variables

_READERS: dict[Family, tuple[Callable[[str], Any], str, str]] = {
    Family.NUMERIC: (read_number, "a number", "TYPE_MISMATCH_NUMBER"),
    Family.DATE: (read_instant, "a date", "TYPE_MISMATCH_DATE"),
    Family.BOOL: (read_boolean, "true or false", "TYPE_MISMATCH_BOOLEAN"),
    Family.NULL: (read_boolean, "true or false", "TYPE_MISMATCH_BOOLEAN"),
    Family.BINARY: (read_bytes, "base64", "TYPE_MISMATCH"),
    Family.ADDRESS: (read_network, "an address or a CIDR range", "TYPE_MISMATCH_IP_RANGE"),
}


def read_conditions(bodies: list[Any], at: str, found: Findings, *,
                    variables: bool) -> tuple[tuple[Condition, ...], tuple[int, ...]]:
    """Read the Condition of one statement.

    Args:
        bodies: The block; several when the element was given twice, and then all of them count.
        at: JSON pointer to it.
        found: Where faults go.
        variables: Whether ``${...}`` means anything in this document.

    Returns:
        The pairs, and which of them cannot be evaluated as written (import mode only).
    """
    reader = _Clauses(found, variables)
    for body in bodies:
        reader.block(body, at)
    return tuple(reader.conditions), tuple(sorted(reader.broken))


class _Clauses:
    def __init__(self, found: Findings, variables: bool) -> None:
        self.found = found
        self.variables = variables
        self.conditions: list[Condition] = []
        self.broken: set[int] = set()

    def block(self, body: Any, at: str) -> None:
        if not isinstance(body, dict):
            self.found.refuse(Stage.SYNTAX, at, "Condition is an object", '{"StringEquals": {"key": "value"}}',
                              code="DATA_TYPE_MISMATCH")
            return
        seen: set[str] = set()
        for name, pairs in members(body):
            self._once(name, seen, pointer(at, name))
            self._operator(name, pairs, pointer(at, name))

    def _once(self, name: str, seen: set[str], at: str) -> None:
        if name in seen:
            self.found.object_to(Stage.SYNTAX, at, f"'{name}' is given twice", "put the keys under one",
                                 code="DUPLICATE_KEYS")
        seen.add(name)

    def _operator(self, name: str, body: Any, at: str) -> None:
        operator = read_operator(name)
        if operator is None:
            self._unknown_operator(name, at)
            return
        if not operator.exact:
            self.found.object_to(Stage.SYNTAX, at, f"there is no operator '{name}'", f"write '{operator}'",
                                 code="INVALID_CONDITION_OPERATOR")
        if not isinstance(body, dict):
            self.found.refuse(Stage.SYNTAX, at, "an operator holds an object", '{"key": "value"}',
                              code="DATA_TYPE_MISMATCH")
            return
        seen: set[str] = set()
        for key, values in members(body):
            place = pointer(at, key)
            self._key_once(key, seen, place)
            self._pair(intern(str(operator)), operator, key, values, place)

    def _unknown_operator(self, name: str, at: str) -> None:
        bare = name.rpartition(":")[2].removesuffix("IfExists")
        if bare == "Null":
            self.found.refuse(Stage.SYNTAX, at, "Null does not go with IfExists", "write 'Null'",
                              code="NULL_WITH_IF_EXISTS")
            return
        close = difflib.get_close_matches(bare, COMPARISONS, 1, 0.6)
        self.found.refuse(Stage.SYNTAX, at, f"there is no operator '{name}'",
                          f"did you mean '{close[0]}'?" if close else "use one of IAM's condition operators",
                          code="INVALID_CONDITION_OPERATOR")

    def _key_once(self, key: str, seen: set[str], at: str) -> None:
        lower = ascii_lower(key)
        if lower in seen:
            self.found.object_to(Stage.SYNTAX, at, f"the key '{key}' is given twice (case does not count)",
                                 "put the values in one list", code="DUPLICATE_KEYS_WITH_DIFFERENT_CASE")
        seen.add(lower)
        if ":" not in key.strip(":"):
            self.found.object_to(Stage.SYNTAX, at, f"the key '{key}' has no service prefix",
                                 "write 'service:name'", code="INVALID_CONDITION_KEY_FORMAT")
        elif key.endswith("Tag/"):
            self.found.object_to(Stage.SYNTAX, at, f"the key '{key}' names no tag", f"write '{key}NAME'",
                                 code="MISSING_TAG_KEY_IN_CONDITION")

    def _pair(self, name: str, operator: Operator, key: str, raw: Any, at: str) -> None:
        values = raw if isinstance(raw, list) else [raw]
        texts: list[str] = []
        for place, value in enumerate(values):
            where = pointer(at, place) if isinstance(raw, list) else at
            text = self._text(value, where)
            if text is not None:
                self._check_value(operator, text, where)
                texts.append(text)
        if not values:
            self.found.object_to(Stage.SYNTAX, at, f"the key '{key}' is compared with nothing", "name a value",
                                 code="EMPTY_ARRAY_CONDITION")
        plain = operator.qualifier is Qualifier.NONE and operator.comparison.family is not Family.NULL
        if plain and is_multivalued(key):
            self.found.object_to(Stage.SYNTAX, at, f"the key '{key}' holds a set of values",
                                 f"write 'ForAnyValue:{name}' or 'ForAllValues:{name}'", code="MISSING_QUALIFIER")
        self.conditions.append(Condition(name, intern(key), tuple(texts)))

    def _text(self, value: Any, at: str) -> str | None:
        if isinstance(value, str):
            return str(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):  # from a mapping made in code; texts keep the number's spelling
            return str(value)
        self.found.refuse(Stage.SYNTAX, at, "a condition value is text, a number or a boolean",
                          code="INVALID_CONDITION_DATA_TYPE")
        return None

    def _check_value(self, operator: Operator, text: str, at: str) -> None:
        family = operator.comparison.family
        if family.takes_variables:
            if self.variables and "${" in text:
                self._check_variables(text, at)
            return
        reader, wanted, code = _READERS[family]
        if reader(text) is not None:
            return
        if self.variables and "${" in text:
            wanted, code = f"{wanted}; variables are not substituted here", "INVALID_VARIABLE_FOR_OPERATOR"
        stage = Stage.LEGACY if family is Family.DATE else Stage.SYNTAX
        self.found.object_to(stage, at, f"'{text}' is not {wanted}", code=code)
        # A Bool compares with any text and simply never equals an odd one (section 3.6); a Null with a set
        # operator has its one answer whatever its value (section 3.5).
        if family is not Family.BOOL and not (family is Family.NULL and operator.qualifier is not Qualifier.NONE):
            self.broken.add(len(self.conditions))

    def _check_variables(self, text: str, at: str) -> None:
        try:
            split_variables(text)
        except VariableSyntaxError as problem:
            self.found.object_to(Stage.SYNTAX, at, f"{problem} in '{text}'", code=problem.code)
            self.broken.add(len(self.conditions))
