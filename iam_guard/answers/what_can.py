"""What somebody can do: every permission that reaches a caller, with what is left of it under all limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, NamedTuple

from iam_guard.answers.examiner import Certainty, Examiner
from iam_guard.answers.holdings import Holding, holdings
from iam_guard.engine.arn import HEAD_FIELDS
from iam_guard.engine.decision import ReasonType
from iam_guard.engine.pattern import compile_glob
from iam_guard.model import Principal, ascii_lower
from iam_guard.policy.document import Statement

#: No policy names this, so it stands for whatever a star lets through.
_ANYTHING = "any-0x7e"
#: How many narrower permissions are tried where limits leave nothing of a wide one as a whole.
MAX_NARROWER = 256

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LIMITS = frozenset({ReasonType.BOUNDARY, ReasonType.SCP})
_GRANTS = frozenset({ReasonType.IDENTITY, ReasonType.RESOURCE})


@dataclass(frozen=True, slots=True)
class Permission:
    """Something that a caller can, or expressly cannot, do.

    Attributes:
        action: Pattern of actions; ``not X, Y`` for all but some.
        resource: Pattern of resources; ``not X, Y`` for all but some.
        certainty: Whether it depends on what a request brings along; ``denied`` is an exception from the others.
        depends_on: Condition keys on which it depends.
        reason: The kind of policy that says so.
        policy_id: That policy.
        path: The way by which it came to the caller, the nearest first.
    """

    action: str
    resource: str
    certainty: Certainty
    depends_on: tuple[str, ...]
    reason: ReasonType
    policy_id: str
    path: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"Action": self.action, "Resource": self.resource, "Access": str(self.certainty),
                "DependsOn": list(self.depends_on), "Kind": str(self.reason), "Policy": self.policy_id,
                "Path": list(self.path)}


class _Pair(NamedTuple):
    """An action and a resource of a statement, as written and as a request that stands for them."""

    action: str
    resource: str
    asked: tuple[str, str]


def what_can(examiner: Examiner, who: Principal) -> Iterator[Permission]:
    """Every permission of a caller, then what is expressly denied to it.

    A permission is held against all limits by a request that stands for it. Where they cut a wide one, what the
    limits themselves name within it is told instead.

    Args:
        examiner: Knows the policies, and what is known of a request.
        who: The caller.
    """
    held = [*holdings(examiner.attachments, who), *_resource_policies(examiner, who)]
    limits = [one for one in held if one.kind in _LIMITS]
    told: set[tuple[str, str, str]] = set()
    for holding in held:
        for statement in holding.policy.document.statements if holding.kind in _GRANTS else ():
            if not statement.is_deny:
                for found in _left_of(examiner, who, holding, statement, limits):
                    if (found.action, found.resource, found.policy_id) not in told:
                        told.add((found.action, found.resource, found.policy_id))
                        yield found
    yield from _denials(held)


def _resource_policies(examiner: Examiner, who: Principal) -> Iterator[Holding]:
    """Policies of resources of the caller's account or of others; whether they mean the caller, asking tells."""
    for arn, policy in examiner.attachments.resources.items():
        if not _is_role(arn):
            yield Holding(ReasonType.RESOURCE, (arn,), policy)


def _is_role(arn: str) -> bool:
    return arn.startswith("arn:") and arn.split(":", HEAD_FIELDS)[-1].startswith("role/")


def _left_of(examiner: Examiner, who: Principal, holding: Holding, statement: Statement,
             limits: Iterable[Holding]) -> Iterator[Permission]:
    """What the limits leave of one statement that allows."""
    for pair in _pairs(statement, holding, who):
        whole = _asked(examiner, who, holding, pair)
        if whole is not None:
            yield whole
        elif not (statement.not_action or statement.not_resource):
            narrower = islice(_within(pair, limits, who), MAX_NARROWER)
            yield from filter(None, (_asked(examiner, who, holding, one) for one in narrower))


def _asked(examiner: Examiner, who: Principal, holding: Holding, pair: _Pair) -> Permission | None:
    access = examiner.access(who, *pair.asked)
    if access.certainty is Certainty.DENIED or (holding.kind is not access.reason):
        return None
    return Permission(pair.action, pair.resource, access.certainty, access.depends_on, holding.kind,
                      holding.policy.id, holding.path)


def _pairs(statement: Statement, holding: Holding, who: Principal) -> Iterator[_Pair]:
    """Every action with every resource of a statement; what it speaks of negatively stays together."""
    own = (holding.path[-1],) if holding.kind is ReasonType.RESOURCE else ("*",)
    resources = statement.resources or own
    actions = (_negated(statement.actions),) if statement.not_action else statement.actions
    named = (_negated(resources),) if statement.not_resource else resources
    for action, resource in product(actions, named):
        yield _Pair(action, resource, (_example(action), _resource(resource, action, who)))


def _negated(texts: tuple[str, ...]) -> str:
    return f"not {', '.join(texts)}"


def _within(pair: _Pair, limits: Iterable[Holding], who: Principal) -> Iterator[_Pair]:
    """Pairs that limits name inside of a pair."""
    fits_action, fits_resource = compile_glob([ascii_lower(pair.action)]), compile_glob([pair.resource])
    for limit in limits:
        for statement in limit.policy.document.statements:
            if statement.is_deny or statement.not_action or statement.not_resource:
                continue
            actions = [one for one in statement.actions if fits_action(ascii_lower(one))] or [pair.action]
            resources = [one for one in statement.resources or () if fits_resource(one)] or [pair.resource]
            for action, resource in product(actions, resources):
                if (action, resource) != (pair.action, pair.resource):
                    yield _Pair(action, resource, (_example(action), _resource(resource, action, who)))


def _denials(held: Iterable[Holding]) -> Iterator[Permission]:
    """What is denied, unless it is only so under conditions that may not hold."""
    for holding in held:
        for statement in holding.policy.document.statements:
            if statement.is_deny and holding.kind is not ReasonType.TRUST:
                keys = tuple(dict.fromkeys(ascii_lower(one.key) for one in statement.conditions))
                yield Permission(_shown(statement.actions, statement.not_action),
                                 _shown(statement.resources or (holding.path[-1],), statement.not_resource),
                                 Certainty.DENIED, keys, holding.kind, holding.policy.id, holding.path)


def _shown(texts: tuple[str, ...], negated: bool) -> str:
    return _negated(texts) if negated else ", ".join(texts)


# --- requests that stand for patterns -------------------------------------------------------------------


def _example(action: str) -> str:
    """An action that a pattern means and nothing else does."""
    if action.startswith("not ") or action == "*":
        return f"{_ANYTHING}:{_ANYTHING}"
    return action.replace("*", _ANYTHING).replace("?", "x")


def _resource(text: str, action: str, who: Principal) -> str:
    """A resource that a pattern means and nothing else does, in the caller's account where it may be in any."""
    if text.startswith("not ") or text == "*":
        partition = who.arn.split(":", 2)[1] if who.arn.startswith("arn:") else "app"
        service = _example(action).partition(":")[0]
        return f"arn:{partition}:{service}::{who.account}:{_ANYTHING}"
    fields = _filled(text, who).split(":", HEAD_FIELDS)
    if len(fields) > HEAD_FIELDS and fields[HEAD_FIELDS - 1] == "*":
        fields[HEAD_FIELDS - 1] = who.account
    return ":".join(fields).replace("*", _ANYTHING).replace("?", "x")


def _filled(text: str, who: Principal) -> str:
    """Variables of the caller filled in; any other stands for anything."""

    def value(found: re.Match[str]) -> str:
        known = who.context.get(ascii_lower(found[1].partition(",")[0].strip()))
        return known if isinstance(known, str) else _ANYTHING

    return _VARIABLE.sub(value, text)

