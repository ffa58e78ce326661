"""How much of what costs the server something, and brings no call, a peer may send."""

from __future__ import annotations

from collections.abc import Callable

from iam_guard.sidecar.ext_authz.http2.frames import ENHANCE_YOUR_CALM, ConnectionFaultError

#: Calls that a peer may take back, more than it lets be answered, before it is sent away.
_MAX_RESETS = 1000
#: Frames of a second that bring no call on: pings, settings, empty data, and the like.
_MAX_IDLE = 2000


class Patience:
    """Counts what one connection has to be borne with.

    Args:
        clock: Of the event loop.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._resets = self._idle = 0
        self._since = clock()

    def answered(self) -> None:
        """A call was answered."""
        if self._resets:
            self._resets -= 1

    def taken_back(self) -> None:
        """A call was taken back before it was answered.

        Raises:
            ConnectionFaultError: one too many.
        """
        self._resets += 1
        if self._resets > _MAX_RESETS:
            raise ConnectionFaultError(ENHANCE_YOUR_CALM, "too many calls are taken back")

    def idle(self) -> None:
        """A frame came that brings no call on.

        Raises:
            ConnectionFaultError: one too many.
        """
        self._idle += 1
        if self._idle <= _MAX_IDLE:
            return
        now = self._clock()
        if now - self._since < 1:
            raise ConnectionFaultError(ENHANCE_YOUR_CALM, "too many frames bring no call on")
        self._idle, self._since = 0, now
