"""What one caller may do with one resource, when not everything about the request is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from iam_guard.answers.holdings import holdings
from iam_guard.answers.readings import Readings, is_known, read_twice
from iam_guard.engine.attachments import Attachments
from iam_guard.engine.decision import Decision, ReasonType
from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import EMPTY, AuthorizationRequest, ContextValue, Principal, PrincipalKind, normalise_context

#: Nobody in a directory has this name; it stands for any signed-in caller that is in no directory.
ANYBODY = "anybody-signed-in"


class Certainty(StrEnum):
    """Whether access depends on what a request brings along."""

    ALLOWED = "allowed"
    DEPENDS = "depends"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody's access to something.

    Attributes:
        principal: ARN of a user or role, host name of a service; ``*`` for any signed-in caller of the account,
            ``anonymous`` for anybody at all.
        certainty: Whether it depends on what the request brings along.
        depends_on: The condition keys on which it depends.
        reason: The kind of policy that grants it.
        policy_id: The policy that grants it; empty where none does, as for the root of an account.
        path: The way by which that policy came to the principal, the nearest first.
        via: Roles to assume one after the other; the last has the access.
    """

    principal: str
    certainty: Certainty
    depends_on: tuple[str, ...] = ()
    reason: ReasonType = ReasonType.IDENTITY
    policy_id: str = ""
    path: tuple[str, ...] = ()
    via: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"Principal": self.principal, "Access": str(self.certainty), "DependsOn": list(self.depends_on),
                "Via": list(self.via), "Kind": str(self.reason), "Policy": self.policy_id, "Path": list(self.path)}


class Examiner:
    """Answers about access, for one state of the policies.

    Args:
        attachments: What is attached to whom.
        context: Condition keys that the request is known to have.
        absent: Condition keys that it is known not to have. All others, but for those of the caller, may or may
            not be there.
    """

    def __init__(self, attachments: Attachments, *, context: Mapping[str, ContextValue] = EMPTY,
                 absent: Collection[str] = ()) -> None:
        self.attachments = attachments
        self._context = normalise_context(context)
        self._known = frozenset((*self._context, *(key.lower() for key in absent)))
        self._readings: Readings = read_twice(attachments, self._known)
        self._policies = PolicySet(attachments)

    def access(self, who: Principal, action: str, resource: str) -> Access:
        """What one caller may do with one resource."""
        widest = self._evaluate(self._readings.widest, who, action, resource)
        if not widest:
            return Access(_name(who), Certainty.DENIED, reason=widest.reason_type)
        certain = self._evaluate(self._readings.narrowest, who, action, resource)
        depends = () if certain else self._depends_on(who, action, resource)
        granted = certain if certain else widest
        return Access(_name(who), Certainty.ALLOWED if certain else Certainty.DEPENDS, depends, granted.reason_type,
                      granted.policy_id, self._path(who, granted))

    def _evaluate(self, policies: PolicySet, who: Principal, action: str, resource: str) -> Decision:
        context = {**policies.principal_context(who), **self._context}
        return policies.evaluate(AuthorizationRequest(who, action, resource, context))

    def _depends_on(self, who: Principal, action: str, resource: str) -> tuple[str, ...]:
        """Keys that the statements about this action and resource read and nobody can tell beforehand."""
        decision = self._evaluate(self._policies, who, action, resource)
        return tuple(key for key in decision.consulted_keys if not is_known(key, self._known))

    def _path(self, who: Principal, decision: Decision) -> tuple[str, ...]:
        if decision.reason_type in (ReasonType.RESOURCE, ReasonType.TRUST):
            return (decision.request.resource,)
        return next((one.path for one in holdings(self.attachments, who) if one.policy.id == decision.policy_id), ())


def _name(who: Principal) -> str:
    if who.kind is PrincipalKind.USER and who.name == ANYBODY:
        return "*"
    return who.role_arn or who.arn or "anonymous"
