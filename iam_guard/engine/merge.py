"""Statements about the very same resources: equal ones are asked once."""

from __future__ import annotations

from iam_guard.engine.statement import CompiledStatement
from iam_guard.model import Context


class Bucket:
    """Statements of one sign that speak of the same action and the same resources.

    They differ in their conditions only, so one without conditions speaks for all, and of several with
    equal conditions the first speaks for the others.
    """

    __slots__ = ("_conditional", "_plain")

    def __init__(self, statements: list[CompiledStatement]) -> None:
        self._plain = next((one for one in statements if one.holds is None), None)
        distinct = {(one.statement.conditions, one.statement.variables, one.statement.broken): one
                    for one in reversed(statements)}
        self._conditional = [] if self._plain else list(reversed(distinct.values()))

    def find(self, context: Context) -> CompiledStatement | None:
        """The first statement whose conditions hold."""
        if self._plain is not None:
            return self._plain
        for one in self._conditional:
            if one.holds(context):  # type: ignore[misc]
                return one
        return None
