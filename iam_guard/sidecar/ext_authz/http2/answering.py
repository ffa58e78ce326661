"""Who answers calls, and what becomes of a call that nobody can answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from iam_guard.sidecar.ext_authz.http2.calls import UNAVAILABLE, Call, Reply

_logger = logging.getLogger("iam_guard")


class Answering(Protocol):
    """Answers calls; what it raises ends a call with an error."""

    def at_once(self, calls: Sequence[Call]) -> Sequence[Reply | None]:
        """The answers, in the same order; ``None``, with nothing done, for a call that takes waiting."""

    async def answer(self, call: Call) -> Reply:
        """The answer to a call that takes waiting."""


def at_once(calls: Sequence[Call], answering: Answering) -> Sequence[Reply | None]:
    """What *answering* says now; an error ends the calls."""
    try:
        return answering.at_once(calls)
    except Exception:
        return [_failed() for _ in calls]


async def answered(call: Call, answering: Answering) -> Reply:
    """What *answering* says in the end; an error ends the call."""
    try:
        return await answering.answer(call)
    except Exception:
        return _failed()


def _failed() -> Reply:
    _logger.exception("a call for external authorization is denied because of an error")
    return Reply(UNAVAILABLE, why="access cannot be decided at the moment")
