"""Trailers of answers (ASGI extension ``http.response.trailers``), which uvicorn does not send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE

from iam_guard.gateway.cycle import GatewayCycle

#: Name of the extension.
TRAILERS = "http.response.trailers"


def wants_trailers(said: Mapping[bytes, bytes]) -> bool:
    """Whether a client takes trailers (RFC 9110 section 10.1.4).

    Args:
        said: The header of its request.
    """
    te = said.get(b"te")
    return te is not None and b"trailers" in [one.split(b";")[0].strip().lower() for one in te.split(b",")]


class TrailingCycle(GatewayCycle):
    """One request and its answer, where the client takes trailers.

    The end of the body is held back until they come. An answer that ends without them was ended by somebody else than
    the application: its connection is cut, as for any answer that stays incomplete.
    """

    _holds = False

    async def send(self, message: Any) -> None:
        """Send one message of the application."""
        if message["type"] == TRAILERS:
            self._end(message["headers"])
            return
        await super().send(message)
        if message["type"] == "http.response.start":
            self._holds = bool(message.get("trailers")) and self.chunked_encoding is True

    def _end_of_chunks(self) -> bytes:
        return b"" if self._holds else super()._end_of_chunks()

    def _complete(self) -> None:
        if not self._holds:
            super()._complete()

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
        self._complete()
