"""Who no longer uses what it holds: the holdings of everybody beside the records of decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from iam_guard.answers.holdings import holdings
from iam_guard.audit.log import DecisionRecord
from iam_guard.engine.attachments import Attachments
from iam_guard.engine.decision import ReasonType
from iam_guard.errors import DocumentError, Fault
from iam_guard.model import Principal

_ALLOWED = "allowed"


@dataclass(slots=True)
class _Use:
    """What one caller was allowed.

    Attributes:
        last: When it last was allowed anything.
        policies: The policies that allowed it.
    """

    last: datetime
    policies: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Unused:
    """What somebody holds and does not use.

    Attributes:
        principal: ARN of a user or role.
        last_used: When it was last allowed anything; ``None`` when it never was in the time that is looked at.
        policies: Policies that it holds, none of whose statements allowed it anything.
        holds: How many policies it holds that could allow something.
    """

    principal: str
    last_used: datetime | None
    policies: tuple[str, ...]
    holds: int

    @property
    def is_idle(self) -> bool:
        """Whether it used nothing at all."""
        return self.last_used is None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"Principal": self.principal, "LastUsed": self.last_used.isoformat() if self.last_used else None,
                "UnusedPolicies": list(self.policies), "Holds": self.holds}


def unused(attachments: Attachments, records: Iterable[DecisionRecord], *,
           since: datetime | None = None) -> Iterator[Unused]:
    """Everybody who holds policies and does not use all of them.

    Args:
        attachments: What is attached to whom.
        records: What was decided.
        since: Records before this do not count.
    """
    uses = _uses(records, since)
    for arn in attachments.holders:
        held = dict.fromkeys(one.policy.id for one in holdings(attachments, Principal.from_arn(arn))
                             if one.kind is ReasonType.IDENTITY and one.path != ("everyone",))
        use = uses.get(_who(arn))
        left = tuple(id for id in held if use is None or id not in use.policies)  # noqa: A001
        if left:
            yield Unused(arn, use.last if use else None, left, len(held))


def read_records(lines: Iterable[bytes], file: str = "") -> Iterator[DecisionRecord]:
    """Read the lines that the log of decisions wrote.

    Raises:
        DocumentError: a line is no record.
    """
    decoder = msgspec.json.Decoder(DecisionRecord)
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError as error:
                fault = Fault(f"this is no record of a decision: {error}", file=file, line=number)
                raise DocumentError(fault) from None


def _uses(records: Iterable[DecisionRecord], since: datetime | None) -> dict[tuple[str, str, str], _Use]:
    uses: dict[tuple[str, str, str], _Use] = {}
    for one in records:
        if one.verdict == _ALLOWED and (since is None or one.time >= since):
            who = _who(one.principal)
            use = uses.setdefault(who, _Use(one.time))
            use.last = max(use.last, one.time)
            use.policies.add(one.policy_id)
    return uses


def _who(arn: str) -> tuple[str, str, str]:
    """Account, kind and name: a session's ARN does not tell the path of its role."""
    if not arn.startswith("arn:"):
        return "", "", arn
    account, rest = arn.split(":", 5)[4:]
    kind, *names = rest.split("/")
    if kind == "assumed-role":
        return account, "role", names[0]
    return account, kind, names[-1] if names else ""
