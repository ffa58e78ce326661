"""Trailers of answers (ASGI extension ``http.response.trailers``), which uvicorn does not send."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, RequestResponseCycle

#: Name of the extension.
TRAILERS = "http.response.trailers"


def wants_trailers(fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a client takes trailers (RFC 9110 section 10.1.4)."""
    said = dict(fields).get(b"te")
    return said is not None and b"trailers" in [one.split(b";")[0].strip().lower() for one in said.split(b",")]


class TrailingCycle(RequestResponseCycle):
    """One request and its answer, where the client takes trailers.

    The end of the body is held back until they come. An answer that ends without them was ended by somebody else than
    the application: its connection is cut, as for any answer that stays incomplete.
    """

    _holds = False

    async def send(self, message: Any) -> None:
        """Send one message of the application."""
        kind = message["type"]
        if kind == TRAILERS:
            self._end(message["headers"])
        elif self._holds and not message.get("more_body", False):
            more: Any = {**message, "more_body": True}
            await super().send(more)
        else:
            await super().send(message)
            if kind == "http.response.start":
                self._holds = bool(message.get("trailers")) and self.chunked_encoding is True

    def _end(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        if not self._holds or self.disconnected or self.response_complete:
            return
        self._holds = False
        lines = [b"0\r\n"]
        for name, value in fields:
            if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
                raise RuntimeError("a trailer cannot be written")  # ends the connection
            lines.append(b"%b: %b\r\n" % (name, value))
        self.transport.write(b"".join([*lines, b"\r\n"]))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
