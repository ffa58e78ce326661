"""Whether a stronger or fresher login would turn a denial into a yes (RFC 9470)."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from iam_guard.engine.decision import Decision
from iam_guard.http.challenge import is_scope
from iam_guard.model import ascii_lower
from iam_guard.policy.operators import read_operator
from iam_guard.policy.values import read_number
from iam_guard.remedies.trial import MAX_TRIED, allows_with, conditions_on, is_fixed, is_remediable

#: How strong the login was, and when it was, as tokens say it.
STRENGTH, SIGNED_IN = "jwt:acr", "jwt:auth_time"
#: The same as an authenticator of one's own may say it; nothing that a token holds becomes these.
FACTOR, FACTOR_AGE = "aws:multifactorauthpresent", "aws:multifactorauthage"
#: Bounds on the age of a login that are longer than ten years are not told.
LONGEST = 315_360_000


class StepUp(NamedTuple):
    """A login that would help.

    Attributes:
        acr_values: Authentication contexts, each of which suffices; empty when any login does that is fresher or has
            more factors.
        max_age: Seconds that it may be old; ``None`` when its age does not matter.
    """

    acr_values: tuple[str, ...] = ()
    max_age: int | None = None


def step_up(decision: Decision, *, of_subject: bool = False) -> StepUp | None:
    """The login that would help *decision*'s caller.

    ``None`` when the decision allows, when it could not be made, when the caller sent no token, and when no
    login would help. A second factor is only asked for where whoever authenticated the caller says whether
    there was one: otherwise the next token would say as little.

    Args:
        decision: A denial.
        of_subject: A program asked about somebody else, whose token nobody here has seen.
    """
    if decision.allowed or decision.error or not (of_subject or is_remediable(decision)):
        return None
    fresh, max_age = _fresh(decision)
    if fresh and allows_with(decision, fresh):
        return StepUp((), max_age)
    values = tuple(dict.fromkeys(value for condition in conditions_on(decision, (STRENGTH,))
                                 for value in condition.values if is_scope(value) and is_fixed(value)))[:MAX_TRIED]
    for known, age in (({}, None), (fresh, max_age)):
        enough = tuple(value for value in values if allows_with(decision, {**known, STRENGTH: value}))
        if enough:
            return StepUp(enough, age)
    return None


def _fresh(decision: Decision) -> tuple[dict[str, str], int | None]:
    """What a login of this moment would change, where policies ask for it; and how old it may be."""
    context = decision.request.context
    fresh: dict[str, str] = {}
    ages: list[int] = []
    for condition in conditions_on(decision, (SIGNED_IN, FACTOR, FACTOR_AGE)):
        key = ascii_lower(condition.key)
        if key == SIGNED_IN and isinstance(now := context.get("aws:epochtime"), str):
            fresh[SIGNED_IN] = now
            ages.append(0)
        elif key in (FACTOR, FACTOR_AGE) and (FACTOR in context or FACTOR_AGE in context):
            fresh |= {FACTOR: "true", FACTOR_AGE: "0"}
            ages += _bounds(condition.operator, condition.values) if key == FACTOR_AGE else ()
    return fresh, min(ages, default=None)


def _bounds(operator: str, values: tuple[str, ...]) -> list[int]:
    """The most whole seconds that an upper bound leaves."""
    read = read_operator(operator)
    if read is None or read.comparison.test not in ("lt", "le"):
        return []
    numbers = [number for value in values if (number := read_number(value)) is not None and 0 < number <= LONGEST]
    return [ceil(number) - 1 if read.comparison.test == "lt" else int(number) for number in numbers]
