"""What a caller holds: every policy that bears on it, and the way by which each came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.engine.decision import ReasonType
from iam_guard.model import Principal, PrincipalKind

_WITH_IDENTITY = frozenset({PrincipalKind.USER, PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER})


@dataclass(frozen=True, slots=True)
class Holding:
    """One policy that bears on a caller.

    Attributes:
        kind: As what: ``identity`` grants, ``boundary``, ``scp`` and ``rcp`` only limit, ``trust`` says who
            may assume the role.
        path: The way by which it came, the nearest first: the user or role, the group, or the levels of the
            organization.
        policy: The policy.
    """

    kind: ReasonType
    path: tuple[str, ...]
    policy: Policy

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"Kind": str(self.kind), "Policy": self.policy.id, "Path": list(self.path)}


def holdings(attachments: Attachments, who: Principal) -> list[Holding]:
    """Every policy that bears on a caller, in the order in which evaluation meets them.

    Args:
        attachments: What is attached to whom.
        who: The caller; groups that its token vouches for count.
    """
    arn = who.role_arn or who.user_arn or who.arn
    found: list[Holding] = []
    if who.kind in _WITH_IDENTITY:
        holder = attachments.holders.get(arn) or Holder(arn)
        found += _of_holder(attachments, holder, who)
        if holder.boundary:
            found.append(Holding(ReasonType.BOUNDARY, (arn,), holder.boundary))
    if rails := attachments.guardrails.get(who.account):
        found += _of_organization(rails, who)
    if who.role_arn and (trust := attachments.resources.get(who.role_arn)):
        found.append(Holding(ReasonType.TRUST, (who.role_arn,), trust))
    return found


def _of_holder(attachments: Attachments, holder: Holder, who: Principal) -> Iterator[Holding]:
    for policy in attachments.everyone:
        yield Holding(ReasonType.IDENTITY, ("everyone",), policy)
    for policy in holder.policies:
        yield Holding(ReasonType.IDENTITY, (holder.arn,), policy)
    for group in dict.fromkeys((*holder.groups, *(who.groups or ()))):
        for policy in attachments.groups.get(group, ()):
            yield Holding(ReasonType.IDENTITY, (holder.arn, group), policy)


def _of_organization(rails: Guardrails, who: Principal) -> Iterator[Holding]:
    """Nothing of the organization binds its management account."""
    if rails.is_management:
        return
    for kind, levels in ((ReasonType.SCP, rails.scps or ()), (ReasonType.RCP, rails.rcps)):
        nodes = _nodes(rails, who.account, len(levels))
        for level, attached in enumerate(levels):
            for policy in attached:
                yield Holding(kind, tuple(reversed(nodes[level:])), policy)


def _nodes(rails: Guardrails, account: str, count: int) -> list[str]:
    """The root, the units below it and the account; numbers where the organization's nodes have no ids."""
    units = [step for step in rails.organization_path.split("/") if step][1:]
    if len(units) + 1 != count:
        units = [f"level {level}" for level in range(count - 1)]
    return [*units, account]
