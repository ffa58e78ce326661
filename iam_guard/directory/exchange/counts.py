"""How many use a policy: an export counts, and what it counts need not all be in it.

What is kept is how many more (or fewer) there are than those in the export, so that the count of a later export
follows what was attached and detached in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from iam_guard.directory.entities import AnyEntity, Group, ManagedPolicy, Role, User

ATTACHED = "AttachmentCount"
BOUNDARIES = "PermissionsBoundaryUsageCount"


def uses(entities: Iterable[AnyEntity]) -> dict[str, Counter[str]]:
    """How often each policy is attached, and is a boundary, by ARN."""
    attached: Counter[str] = Counter()
    boundaries: Counter[str] = Counter()
    for one in entities:
        if isinstance(one, User | Group | Role):
            attached.update(one.policies)
        if isinstance(one, User | Role) and one.boundary:
            boundaries[one.boundary] += 1
    return {ATTACHED: attached, BOUNDARIES: boundaries}


def count_elsewhere(entities: list[AnyEntity]) -> list[AnyEntity]:
    """Turn the counts of an export into what they say beyond the export."""
    counted = uses(entities)
    return [_turned(one, counted, -1) if isinstance(one, ManagedPolicy) else one for one in entities]


def count_all(policy: ManagedPolicy, counted: dict[str, Counter[str]]) -> dict[str, Any]:
    """The counts of a policy for an export, and what else is in its extra."""
    start = {ATTACHED: 0, BOUNDARIES: 0}
    return _turned(replace(policy, extra=start | policy.extra), counted, 1).extra


def _turned(policy: ManagedPolicy, counted: dict[str, Counter[str]], sign: int) -> ManagedPolicy:
    extra = dict(policy.extra)
    for name, count in counted.items():
        if isinstance(extra.get(name), int):
            extra[name] += sign * count[policy.arn]
    return replace(policy, extra=extra)
