"""Sees what the guard decides, so that the demonstration can tell why."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from iam_guard.audit.log import DecisionRecord
from iam_guard.engine.decision import Decision, ReasonType
from iam_guard.engine.explain import StatementStory
from iam_guard.guard import Guard, Question
from iam_guard.identity.caller import Caller

_KEPT = 100


class ExplainingGuard(Guard):
    """A guard that remembers its newest decisions, whole, for whoever wants them explained."""

    newest: deque[Decision] | None = None

    def begin(self, caller: Caller, questions: Sequence[Question]) -> list[Decision]:
        """Answer what a request asks at its start, and remember the answers."""
        decisions = super().begin(caller, questions)
        if self.newest is None:
            self.newest = deque(maxlen=_KEPT)
        self.newest.extend(decisions)
        return decisions

    def decision(self, id: str) -> Decision | None:
        """The decision that was called *id*, while it is remembered."""
        return next((one for one in self.newest or () if one.id == id), None)


class Witness:
    """A decision log that keeps the newest record and shows new ones once somebody looks.

    Attributes:
        last: The newest record.
        show: Called with each record.
    """

    def __init__(self) -> None:
        self.last: DecisionRecord | None = None
        self.show: Callable[[DecisionRecord], None] = lambda record: None

    def forget(self) -> None:
        """Be without a newest record until the next one."""
        self.last = None

    def record(self, allowed: bool, make: Callable[[], DecisionRecord]) -> None:
        """Take a record."""
        self.last = make()
        self.show(self.last)


def told(decision: Decision, folder: Path) -> str:
    """Why, in one line: the statement that decided, or the one that came closest and what it lacked."""
    if decision.error:
        return decision.reason
    explanation = decision.explain()
    if decision.policy_id:
        story = next(one for one in explanation.matched
                     if (one.policy_id, one.index) == (decision.policy_id, decision.statement_index))
        return f"{story.effect} {story.sid} ({_place(story, folder)})"
    near = next((one for one in explanation.near_misses if len(one.mismatches) == 1), None)
    if near is None:
        return decision.reason
    element, lacking = near.mismatches[0].element, near.mismatches[0]
    if element.startswith("condition:"):
        key = element.partition("/")[2]
        return f"{near.sid} ({_place(near, folder)}): {key} is {lacking.actual}, has to be {lacking.wanted}"
    limited = decision.reason_type is not ReasonType.IDENTITY
    return f"{decision.reason} ({_place(near, folder)})" if limited else decision.reason


def _place(story: StatementStory, folder: Path) -> str:
    """``policies/ReadOrders.yaml:4``."""
    file = Path(story.file)
    return f"{file.relative_to(folder) if file.is_relative_to(folder) else file}:{story.line}"
