"""What the guard has Envoy tell an upstream beside who the caller is: where a request came from, and a signature."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from iam_guard.gateway.assertion import Assertions
from iam_guard.gateway.envoy.routes import LASTING, UPSTREAM
from iam_guard.gateway.passing import came_from
from iam_guard.guard import InformedCaller

Fields = tuple[tuple[bytes, bytes], ...]

_CHOSEN, _LASTING = UPSTREAM.encode(), LASTING.encode()
#: The most that eight digits say, which is how many there may be.
_MOST = 99_999_999


class Telling:
    """Makes header fields for upstreams, the same as the gateway's own engine sends.

    Args:
        assertions: Makes signed statements; ``None`` for none.
        header: What those stand in.
        ends: WebSockets and streams of events end with the session of the caller.
        clock: Seconds since the epoch.
    """

    def __init__(self, assertions: Assertions | None = None, header: str = "", *, ends: bool = True,
                 clock: Callable[[], float] = time.time) -> None:
        self._assertions = assertions
        self._ends = ends
        self._clock = clock
        self._header = header.lower().encode("ascii")

    def __call__(self, caller: InformedCaller, original: Any) -> Fields:
        """The fields of one request that was let in.

        Args:
            caller: Who was let in.
            original: What Envoy asked about.

        Raises:
            UnavailableError: a statement cannot be signed.
            ValueError: Envoy names several upstreams.
        """
        fields = came_from(caller.request) if caller.request is not None else []
        if self._assertions is not None:
            fields += self._statement(self._assertions, caller, original)
        until = caller.principal.expires_at
        if self._ends and until is not None and _lasts(original):
            fields.append((_LASTING, _duration(until - self._clock())))
        return tuple(fields)

    def _statement(self, assertions: Assertions, caller: InformedCaller, original: Any) -> Fields:
        """A statement for the upstream that Envoy has chosen; none where it answers by itself."""
        chosen = [value for name, value in original.headers if name == _CHOSEN]
        if not chosen:
            return ()
        (upstream,) = chosen
        return ((self._header, assertions.statement(caller.principal, unquote(upstream.decode("ascii")))),)


def _lasts(original: Any) -> bool:
    """Whether it is for something that may last: a WebSocket, or events (server-sent events say so in ``Accept``)."""
    return original.websocket or any(name == b"accept" and b"text/event-stream" in value.lower()
                                     for name, value in original.headers)


def _duration(seconds: float) -> bytes:
    """In milliseconds, or seconds where those are too many."""
    milliseconds = max(1, int(seconds * 1000))
    return b"%dm" % milliseconds if milliseconds <= _MOST else b"%dS" % min(milliseconds // 1000, _MOST)
