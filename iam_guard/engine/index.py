"""Finds the statements of one action that apply to a resource, by the literal parts of their patterns.

Whole names are looked up, beginnings are probed by length, and only patterns with a wildcard in the middle
are tried one by one, and then only those whose literal beginning fits. So the work of a decision follows
what could match and not what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from iam_guard.engine.arn import Shape
from iam_guard.engine.memo import Memo
from iam_guard.engine.merge import Bucket
from iam_guard.engine.statement import CompiledPolicy, CompiledStatement, ResourceTest, not_resource_test
from iam_guard.model import Context

#: How many actions an index is kept for, per layer; further ones push out the oldest.
MAX_ACTIONS = 1024


class ResourceIndex:
    """Statements of one sign, found by resource."""

    __slots__ = ("_anything", "_beginnings", "_empty", "_names", "_tests")

    def __init__(self, statements: Iterable[CompiledStatement]) -> None:
        anything: list[CompiledStatement] = []
        names: dict[str, list[CompiledStatement]] = {}
        beginnings: dict[str, list[CompiledStatement]] = {}
        tests: dict[str, list[tuple[ResourceTest, CompiledStatement]]] = {}
        for one in statements:
            if one.patterns is None:
                anything.append(one)
            elif one.statement.not_resource:
                tests.setdefault("", []).append((not_resource_test(one), one))
            else:
                for pattern in one.patterns:
                    if pattern.shape is Shape.ANY:
                        anything.append(one)
                    elif pattern.test is not None:
                        tests.setdefault(pattern.text, []).append((pattern.test, one))
                    else:
                        table = names if pattern.shape is Shape.EXACT else beginnings
                        table.setdefault(pattern.text, []).append(one)
        self._anything = Bucket(anything)
        self._names = {text: Bucket(found) for text, found in names.items()}
        self._beginnings = _by_length({text: Bucket(found) for text, found in beginnings.items()})
        self._tests = _by_length(tests)
        self._empty = not (anything or names or beginnings or tests)

    def find(self, key: str, context: Context) -> CompiledStatement | None:
        """The first statement found that applies, or ``None``."""
        if self._empty:
            return None
        found = self._anything.find(context)
        if found is not None:
            return found
        bucket = self._names.get(key)
        if bucket is not None:
            found = bucket.find(context)
            if found is not None:
                return found
        for length, table in self._beginnings:
            bucket = table.get(key[:length])
            if bucket is not None:
                found = bucket.find(context)
                if found is not None:
                    return found
        for length, tests in self._tests:
            for test, one in tests.get(key[:length], ()):
                if test(key, context) and (one.holds is None or one.holds(context)):
                    return one
        return None


Found = TypeVar("Found")


def _by_length(table: dict[str, Found]) -> list[tuple[int, dict[str, Found]]]:
    lengths: dict[int, dict[str, Found]] = {}
    for text, found in table.items():
        lengths.setdefault(len(text), {})[text] = found
    return sorted(lengths.items())


class ActionIndex:
    """The statements of a layer that speak of one action."""

    __slots__ = ("allows", "denies", "statements")

    def __init__(self, statements: list[CompiledStatement]) -> None:
        self.statements = statements
        self.denies = ResourceIndex(one for one in statements if one.deny)
        self.allows = ResourceIndex(one for one in statements if not one.deny)


class Layer:
    """Policies of one kind that count together: any Deny denies, any Allow allows.

    Args:
        policies: The policies.
        names_principals: Whether their statements say whom they are about.
    """

    __slots__ = ("_actions", "names_principals", "policies")

    def __init__(self, policies: tuple[CompiledPolicy, ...], *, names_principals: bool = False) -> None:
        self.policies = policies
        self.names_principals = names_principals
        self._actions: Memo[str, ActionIndex] = Memo(MAX_ACTIONS)

    def action(self, action: str) -> ActionIndex:
        """The index of an action, in lower case; made when first needed."""
        found = self._actions.get(action)
        if found is None:
            found = self._actions.keep(action, ActionIndex(
                [one for policy in self.policies for one in policy.for_action(action)]))
        return found
