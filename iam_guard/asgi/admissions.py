"""Remembers who was let in: programs send the same head again and again, over connections that they keep.

What a head says and whose credential it carries follows from its bytes and from the peer, so both are remembered for
the rest of the second. Everything that can change in it is looked at each time: the credential by whoever accepted it,
the policies and the clock by the guard, which decides anew when they are not the same. Denials are never remembered,
nor is a credential that is good for one request only.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import NamedTuple

from iam_guard.asgi.judge import Admission
from iam_guard.guard import InformedCaller
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.repeatable import Again, how_again, is_still

#: The key in ``scope["extensions"]`` under which a server names the bytes of a whole request but for its body.
HEAD_KEY = "iam_guard.head"
#: Admissions that are remembered at a time, and of these of one caller, so that nobody takes the room of all others.
KEPT, KEPT_OF_ONE = 512, 64
#: Seconds for which an admission is remembered at most. Certificates, for one, expire with a second.
SECONDS = 1.0


class _Remembered(NamedTuple):
    admission: Admission
    again: Again


class Admissions:
    """Admissions of the last second.

    Nothing is pushed out by something newer: when there is no room, newcomers are judged from the start. The first of
    them after the second clears the memory, credentials included.

    Args:
        authenticator: Knows whether a credential still counts.
        clock: Monotonic seconds.
    """

    def __init__(self, authenticator: Authenticator, clock: Callable[[], float] = time.monotonic) -> None:
        self._authenticator = authenticator
        self._clock = clock
        self._until = 0.0
        self._known: dict[Hashable, _Remembered] = {}
        self._of_one: Counter[str] = Counter()

    def find(self, key: Hashable) -> Admission | None:
        """What was given to a request of the same *key*, if its credential still counts."""
        found = self._known.get(key)
        if found is None or self._clock() >= self._until:
            return None
        if not is_still(found.again):
            del self._known[key]
            return None
        return found.admission

    def keep(self, key: Hashable, admission: Admission) -> None:
        """Remember an admission, if that may be done.

        Args:
            key: Of the request, everything that judging it depends on.
            admission: It asked something, and was given just now.
        """
        caller, now = admission.caller, self._clock()
        request, name = caller.request, caller.principal.key
        if request is None or request.body is not None or request.tls_chain or not admission.questions:
            return
        if now >= self._until:
            self._forget(now)
        if not self._has_room(key, name):
            return
        again = how_again(self._authenticator, request, caller.principal)
        if again is not None:
            bare = InformedCaller(caller.principal, request, caller.context, {}, route=caller.route)
            self._of_one[name] += key not in self._known
            self._known[key] = _Remembered(Admission(bare, admission.questions), again)

    def keep_also(self, other: Hashable, key: Hashable) -> None:
        """Find what is remembered by *key*, if anything is, by another key too."""
        found = self._known.get(key)
        if found is None:
            return
        name = found.admission.caller.principal.key
        if self._has_room(other, name):
            self._of_one[name] += other not in self._known
            self._known[other] = found

    def _has_room(self, key: Hashable, name: str) -> bool:
        return key in self._known or (len(self._known) < KEPT and self._of_one[name] < KEPT_OF_ONE)

    def _forget(self, now: float) -> None:
        self._known.clear()
        self._of_one.clear()
        self._until = now + SECONDS
