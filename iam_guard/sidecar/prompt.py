"""Answers calls of proxies in the moment in which their head is read, where nothing has to be waited for.

A proxy asks about every request of its clients, and its client waits as long. The head of its call is all there is to
read, so most answers are there at once: then there is no task for them, and they leave in one write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from iam_guard.sidecar.bounded import BoundedProtocol

Fields = Sequence[tuple[bytes, bytes]]
#: Given a scope: status, headers and body, the length among the headers; or nothing, with nothing done, for the usual
#: way. It never raises.
Promptly = Callable[[Mapping[str, Any]], tuple[int, Fields, bytes] | None]


class PromptProtocol(BoundedProtocol):
    """uvicorn's protocol for an application that has a method ``promptly``, see :data:`Promptly`."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._promptly: Promptly | None = getattr(self.app, "promptly", None)
        if self.config.access_log or self.limit_concurrency is not None:
            self._promptly = None  # kept by the ordinary way alone

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """See uvicorn. Calls with bodies and calls that are sent ahead go the usual way, as who does not read does."""
        if (self._promptly is None or self.pipeline or self.flow.write_paused or self.transport.is_closing()
                or _has_body(cycle.scope)):
            super()._start_asgi_task(cycle, app)
            return
        answer = self._promptly(cycle.scope)
        if answer is None or not _is_plain(answer[1]):
            super()._start_asgi_task(cycle, app)
        else:
            self._answer(cycle, *answer)

    def _answer(self, cycle: RequestResponseCycle, status: int, fields: Fields, body: bytes) -> None:
        """Write an answer and account for it as the usual way does."""
        told = b"".join([b"%b: %b\r\n" % field for field in (*cycle.default_headers, *fields)])
        ends = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.response_started = cycle.response_complete = True
        self.transport.write(b"%b%b%b%b" % (STATUS_LINE[status], told, ends,
                                            b"" if cycle.scope["method"] == "HEAD" else body))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()


def _has_body(scope: Mapping[str, Any]) -> bool:
    """Whether something follows the head: a call is answered when it is seen to be one to its end."""
    told = dict(scope["headers"])
    return b"transfer-encoding" in told or told.get(b"content-length", b"0") != b"0"


def _is_plain(fields: Fields) -> bool:
    """Whether no header could be read as two."""
    told = b"".join([part for field in fields for part in field])
    return b"\r" not in told and b"\n" not in told and b"\0" not in told
