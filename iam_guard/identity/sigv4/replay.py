"""The replay window: signatures that were used, for as long as they could be used again."""

from __future__ import annotations

import heapq

from iam_guard.errors import UnavailableError
from iam_guard.identity.sigv4.refusals import not_valid


class ReplayWindow:
    """Lets each signature in once.

    It is bounded, and forgets nothing early: an attacker who could fill it would otherwise push out what they mean
    to repeat. Only signatures of known keys come in.

    Args:
        limit: How many are remembered.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._seen)

    def admit(self, signature: str, *, until: float, now: float) -> None:
        """Let a signature in, and never again before *until*.

        Raises:
            AuthenticationError: it was let in already.
            UnavailableError: no more can be remembered.
        """
        self._forget(now)
        if signature in self._seen:
            raise not_valid("the signature was used before")
        if len(self._seen) >= self._limit:
            raise UnavailableError("as many signatures are remembered as may be; raise 'replay_entries'")
        self._seen.add(signature)
        heapq.heappush(self._ends, (until, signature))

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] < now:
            self._seen.discard(heapq.heappop(self._ends)[1])
