"""The port to which decisions are reported, and what is reported: one DecisionRecord per decision.

A record names the question and the answer. It never holds a token, a query string or a header value
(security contract S20), and no text of a client reaches it unescaped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypedDict

import msgspec

from iam_guard.model import Principal

if TYPE_CHECKING:
    from iam_guard.engine.decision import Decision
    from iam_guard.http.request import HTTPRequest

#: Longer text is cut: a record has a bounded size whatever a client sends.
MAX_TEXT = 512


def plain(text: str, limit: int = MAX_TEXT) -> str:
    """Make *text* safe to write down: one line, nothing a terminal would obey, not too long.

    Control, formatting and lone surrogate characters become escapes such as ``\\x1b``; so does the
    backslash, so that an escape in a record always stands for the character itself.
    """
    if len(text) > limit:
        text = text[:limit] + "..."
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(one if one.isprintable() and one != "\\" else _escape(one) for one in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class _RequestFields(TypedDict, total=False):
    method: str
    path: str
    source_ip: str


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """What was asked, by whom, and what the answer was.

    Attributes:
        id: The decision's id, which a denial shows to the client.
        time: When it was made, in UTC.
        verdict: ``allowed``, ``explicitDeny`` or ``implicitDeny`` when policies were asked; otherwise why
            they were not: ``unauthenticated``, ``unmapped``, ``refused`` or ``unavailable``.
        reason: One short line.
        revision: Of the policies that decided.
        principal: ARN of the caller, ``anonymous``, or empty when nobody was asked for.
        account: The caller's account.
        action: ``service:Name``.
        resource: The full ARN.
        policy_id: The policy whose statement decided, where one did.
        sid: That statement's name.
        method: HTTP method, or ``WEBSOCKET``.
        path: The path that was checked, without its query.
        route: The matched route's template.
        source_ip: The client's address, after trusted proxies.
        latency_us: Microseconds that the decision took.
    """

    id: str
    time: datetime
    verdict: str
    reason: str = ""
    revision: str = ""
    principal: str = ""
    account: str = ""
    action: str = ""
    resource: str = ""
    policy_id: str = ""
    sid: str = ""
    method: str = ""
    path: str = ""
    route: str = ""
    source_ip: str = ""
    latency_us: float = 0.0

    def to_json(self) -> bytes:
        """The record as one line of JSON, without a line end."""
        return msgspec.json.encode(self)

    def __str__(self) -> str:
        where = f" ({self.method} {self.path})" if self.method else ""
        return f"{self.verdict}: {self.principal or '-'} {self.action or '-'} {self.resource or '-'}{where}"


class DecisionLog(Protocol):
    """Where decisions are recorded. It observes and cannot change an answer."""

    def record(self, allowed: bool, make: Callable[[], DecisionRecord]) -> None:
        """Record one decision.

        Args:
            allowed: The answer, so that a log of denials need not make a record of every other one.
            make: Makes the record; called only by a log that wants it.
        """


def record_of_decision(decision: Decision, time: datetime, *, request: HTTPRequest | None = None,
                       route: str = "", latency_us: float = 0.0) -> DecisionRecord:
    """The record of a decision that policies made."""
    question = decision.request
    return DecisionRecord(
        id=decision.id, time=time, verdict=str(decision.verdict), reason=plain(decision.reason),
        revision=decision.revision, principal=plain(_name(question.principal)),
        account=plain(question.principal.account), action=plain(question.action),
        resource=plain(question.resource), policy_id=plain(decision.policy_id), sid=plain(decision.sid),
        latency_us=round(latency_us, 1), route=plain(route), **_of_request(request),
    )


def record_of_refusal(id: str, time: datetime, verdict: str, reason: str, *,
                      principal: Principal | None = None, request: HTTPRequest | None = None) -> DecisionRecord:
    """The record of a request that was refused before any policy was asked."""
    return DecisionRecord(
        id=id, time=time, verdict=verdict, reason=plain(reason),
        principal=plain(_name(principal)) if principal else "",
        account=plain(principal.account) if principal else "", **_of_request(request),
    )


def _name(principal: Principal) -> str:
    return principal.arn or "anonymous"


def _of_request(request: HTTPRequest | None) -> _RequestFields:
    if request is None:
        return {}
    method = "WEBSOCKET" if request.kind == "websocket" else request.method
    return {"method": plain(method, 32), "path": plain(request.path), "source_ip": plain(request.source_ip, 64)}
