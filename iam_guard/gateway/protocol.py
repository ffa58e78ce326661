"""One connection of a client: uvicorn's, with deadlines and bounds that it lacks (threats F05 and F06)."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from iam_guard.gateway.trailers import TRAILERS, TrailingCycle, wants_trailers

#: What the parser of targets can hold.
_LONGEST_TARGET = 65_535
_TOO_LONG = b"HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(slots=True)
class ConnectionRules:
    """What every connection is held to.

    Attributes:
        head_seconds: How long a request may take to arrive up to the end of its header.
        body_seconds: How long its body may take from there.
        max_head_bytes: How long that part may be. The guard has a narrower bound of its own, with a proper answer;
            this one keeps a stranger from filling the memory before the guard is asked.
        ending: No connection outlives its next answer.
    """

    head_seconds: float
    body_seconds: float
    max_head_bytes: int
    ending: bool = False


class GatewayConfig(uvicorn.Config):
    """uvicorn's settings, and what every connection is held to.

    Args:
        app: The application.
        rules: What every connection is held to.
        more: As uvicorn knows them.
    """

    def __init__(self, app: Any, rules: ConnectionRules, **more: Any) -> None:
        super().__init__(app, http=GatewayProtocol, **more)
        self.rules = rules


class GatewayProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def __init__(self, config: GatewayConfig, server_state: ServerState, app_state: dict[str, Any],
                 _loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._rules = config.rules
        self._deadline: asyncio.TimerHandle | None = None
        self._body_deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = False
        self._ending = False
        self._extensions: dict[str, Any] = {}
        self.url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin: from now on a request is waited for, and not for ever."""
        super().connection_made(transport)
        self._extensions = _certificates(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._disarm()
        self._body_ended()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read, within bounds."""
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._arm()  # what comes between requests is not waited for longer than a request
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self._rules.max_head_bytes:
            self._refuse(_TOO_LARGE)
        if self._body_deadline is None and not self._in_head and self.cycle is not None and self.cycle.more_body:
            self._body_deadline = self.loop.call_later(self._rules.body_seconds, self._refuse, b"")

    def on_message_complete(self) -> None:
        """The body is complete."""
        super().on_message_complete()
        self._body_ended()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        if self._extensions:
            self.scope["extensions"] = dict(self._extensions)

    def on_headers_complete(self) -> None:
        """The header is complete."""
        self._in_head = False
        self._disarm()
        super().on_headers_complete()
        if self.scope["method"] != "HEAD" and wants_trailers(self.headers):
            self._let_trail()
        if b"://" in self.url and not self.url.startswith(b"/"):
            self._tell_authority()
        if self.cycle is not None and (self._ending or self._rules.ending):
            self.cycle.keep_alive = False

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over; what is known of the client's certificate goes along."""
        super().handle_websocket_upgrade()
        scope = getattr(self.transport.get_protocol(), "scope", None)
        if self._extensions and scope is not None:
            scope["extensions"] = {**(scope.get("extensions") or {}), **self._extensions}

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read as a request, and close."""
        if len(self.url) > _LONGEST_TARGET:
            self._refuse(_TOO_LONG)
        else:
            super().send_400_response(msg)

    def _let_trail(self) -> None:
        """Offer trailers. The cycle has not begun: its task runs when this callback of the parser is over."""
        if self.cycle is not None and self.cycle.scope is self.scope and not self.cycle.response_started:
            self.cycle.__class__ = TrailingCycle
            self.scope["extensions"] = {**(self.scope.get("extensions") or {}), TRAILERS: {}}

    def _tell_authority(self) -> None:
        """Leave an absolute target whole: the guard compares its host with that of the header (threat G01)."""
        raw = self.url.partition(b"?")[0]
        self.scope["raw_path"] = raw
        self.scope["path"] = unquote(raw.decode("latin-1"))

    def shutdown(self) -> None:
        """The gateway stops: a request that has begun to arrive is still served."""
        if self._in_head and not self.transport.is_closing():
            self._ending = True
        else:
            super().shutdown()

    def _arm(self) -> None:
        self._deadline = self.loop.call_later(self._rules.head_seconds, self._too_slow)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _body_ended(self) -> None:
        if self._body_deadline is not None:
            self._body_deadline.cancel()
            self._body_deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self._refuse(_TOO_SLOW if self._in_head else b"")

    def _refuse(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        if answer and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(answer)
        self.transport.close()


def _certificates(transport: asyncio.Transport) -> dict[str, Any]:
    """The ASGI extension ``tls``, where the client showed a certificate that was verified."""
    over: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    shown = over.getpeercert(binary_form=True) if over is not None else None
    if not shown:
        return {}
    return {"tls": {"client_cert_chain": (ssl.DER_cert_to_PEM_cert(shown),), "client_cert_error": None}}
