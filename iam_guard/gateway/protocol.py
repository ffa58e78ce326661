"""One connection of a client: uvicorn's, with deadlines and bounds that it lacks (threats F05 and F06)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from math import inf
from typing import Any
from urllib.parse import unquote

import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from iam_guard.asgi.admissions import HEAD_KEY
from iam_guard.asgi.serving import NEWCOMER_SECONDS
from iam_guard.gateway.cycle import GatewayCycle
from iam_guard.gateway.head import HeadWriter
from iam_guard.gateway.patience import ConnectionRules as ConnectionRules
from iam_guard.gateway.patience import Deadline, Patience, Patient
from iam_guard.gateway.sockets import GatewaySocket
from iam_guard.gateway.trailers import TRAILERS, TrailingCycle, wants_trailers

#: What the parser of targets can hold.
_LONGEST_TARGET = 65_535
#: No longer head is remembered.
_LONGEST_HEAD = 16_384
_END = b"\r\n\r\n"
#: Heads of which is known that they were seen.
_MOST_MARKS = 8192
#: Requests that a client may send before it has the answers to those in front of them.
_MOST_WAITING = 100


class Seen:
    """Knows whether bytes were seen before; most heads never come again, and to remember them all would cost more."""

    def __init__(self) -> None:
        self._marks: set[int] = set()

    def before(self, data: bytes) -> bool:
        """Whether they were, not too long ago; others may be taken for them, so it decides nothing."""
        mark = hash(data)
        if mark in self._marks:
            return True
        if len(self._marks) >= _MOST_MARKS:
            self._marks.clear()
        self._marks.add(mark)
        return False


class GatewayConfig(uvicorn.Config):
    """uvicorn's settings, and what every connection is held to.

    Args:
        app: The application.
        rules: What every connection is held to.
        more: As uvicorn knows them.
    """

    def __init__(self, app: Any, rules: ConnectionRules, **more: Any) -> None:
        super().__init__(app, http=GatewayProtocol, ws=GatewaySocket, **more)
        self.rules = rules
        self.heads = HeadWriter()
        self.seen = Seen()


class GatewayProtocol(Patient, HttpToolsProtocol):
    """One connection of a client."""

    def __init__(self, config: GatewayConfig, server_state: ServerState, app_state: dict[str, Any],
                 _loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._rules = config.rules
        self._heads = config.heads
        self._seen = config.seen
        self._head = Deadline(self._head_is_late)
        self._body = Deadline(self._body_is_late)
        self._idle = Deadline(self._nobody_asks)
        self._head_bytes = 0
        self._in_head = False
        self._between = True
        self._whole: bytes | None = None
        self._front: Any = None
        self._ending = False
        self._extensions: dict[str, Any] = {}
        self.url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin: from now on a request is waited for, and not for ever."""
        super().connection_made(transport)
        self._extensions = _certificates(transport)
        self.patience = Patience(self.loop, self._rules, transport, self._head, self._body, self._idle)
        self._head.at = self.loop.time() + self._rules.head_seconds

    def data_received(self, data: bytes) -> None:
        """Read, within bounds."""
        if self._idle.at != inf:
            self._idle.at = inf  # what comes between requests is not waited for longer than a request
            self._head.at = self.loop.time() + self._rules.head_seconds
        if self._in_head:
            self._head_bytes += len(data)
        self._whole = data if self._is_quiet() and _is_head(data) and self._seen.before(data) else None
        super().data_received(data)
        if self._in_head and self._head_bytes > self._rules.max_head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if self._body.at == inf and not self._in_head and self.cycle is not None and self.cycle.more_body:
            self._body.at = self.loop.time() + self._rules.body_seconds

    def on_body(self, body: bytes) -> None:
        """A part of the body has come."""
        cycle = self.cycle
        if not isinstance(cycle, GatewayCycle):
            super().on_body(body)  # a switch of protocols, or nobody's
        elif not cycle.response_complete and not (self.parser.should_upgrade() and self._should_upgrade()):
            cycle.put(body)
            if cycle.waiting > HIGH_WATER_LIMIT:
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """The body is complete."""
        super().on_message_complete()
        self._body.at = inf
        self._between = True

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._between = False
        if self._extensions:
            self.scope["extensions"] = dict(self._extensions)

    def on_headers_complete(self) -> None:
        """The header is complete."""
        self._in_head = False
        self._head.at = inf
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            raise ValueError("a version of HTTP that is not spoken here")
        stays = self.parser.should_upgrade() and not self._should_upgrade()
        if stays and _has_body(self.headers):
            # The parser takes it for the other protocol, and what comes in the next segment for a request (threat M08).
            raise ValueError("a body behind a switch of protocols that is not made")
        before = self.cycle
        if self._whole is not None:
            named: dict[str, Any] = {HEAD_KEY: (self.client and self.client[0], self._whole)}
            self.scope["extensions"] = named
            self._whole = None  # whatever ends a head in the eyes of the parser, these bytes name one request
        super().on_headers_complete()
        if self.cycle is not before:  # its task begins when this callback of the parser is over
            self.cycle.__class__ = GatewayCycle
            self.cycle.heads = self._heads  # type: ignore[attr-defined]
        if len(self.pipeline) > _MOST_WAITING:
            raise ValueError("too many requests wait")  # the parser stops here, and the connection ends
        said = dict(self.headers)
        if b"te" in said and self.scope["method"] != "HEAD" and wants_trailers(said):
            self._let_trail()
        if b"#" in self.url or (b"://" in self.url and not self.url.startswith(b"/")):
            self._tell_whole()
        if b"transfer-encoding" in said:
            self.headers = list(self.headers)  # what comes from now on are trailers; those of the scope are complete
        # Behind a switch that is not made the parser forgets the rest of the segment.
        if self.cycle is not None and (stays or self._ending or self._rules.ending or _ends_unclearly(said)):
            self.cycle.keep_alive = False

    def _is_quiet(self) -> bool:
        """Whether the next byte begins a request, of a client of whom nothing else is known than what it sends."""
        return (self._between and not self._extensions and self.client is not None
                and (self.cycle is None or self.cycle.response_complete))

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over; what is known of the client's certificate goes along."""
        if (self.cycle is not None and not self.cycle.response_complete) or _has_body(self.scope["headers"]):
            # Its answer would come before others, or its body be taken for messages.
            self.send_400_response("")
            return
        if self.patience is not None:
            self.patience.end()
        super().handle_websocket_upgrade()
        taken = self.transport.get_protocol()
        if not getattr(taken, "handshake_initiated", False):
            self._refuse(HTTPStatus.BAD_REQUEST)  # it is no handshake, and nobody else will say so
            return
        scope = getattr(taken, "scope", None)
        if self._extensions and scope is not None:
            scope["extensions"] = {**(scope.get("extensions") or {}), **self._extensions}

    def _get_upgrade(self) -> bytes | None:
        """What the header asks to switch to; trailers ask for nothing."""
        self.headers, trailing = self.scope["headers"], self.headers  # type: ignore[assignment]
        try:
            return super()._get_upgrade()
        finally:
            self.headers = trailing

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read as a request, and close; never in the middle of the answer to another one."""
        if len(self.url) > _LONGEST_TARGET:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG)
            return
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if cycle.more_body and not cycle.response_started and not self.pipeline:
            # It is the body of the request which is to be answered next.
            self.transport.write(self._heads.refusal(HTTPStatus.BAD_REQUEST))
        self.transport.close()
        self._silence()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """See uvicorn; the newest request is not the one that is answered when several were sent ahead."""
        self._front = cycle
        super()._start_asgi_task(cycle, app)

    def _silence(self) -> None:
        """Nothing more is said to anybody: the request that is answered learns that its client has gone."""
        for cycle in (self._front, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def _let_trail(self) -> None:
        """Offer trailers."""
        if self.cycle is not None and self.cycle.scope is self.scope and not self.cycle.response_started:
            self.cycle.__class__ = TrailingCycle
            self.scope["extensions"] = {**(self.scope.get("extensions") or {}), TRAILERS: {}}

    def _tell_whole(self) -> None:
        """Leave a target whole that the parser would cut.

        The guard compares the host of an absolute one with that of the header (threat G01), and refuses one with a
        fragment (threat P07).
        """
        raw = self.url if b"#" in self.url else self.url.partition(b"?")[0]
        self.scope["raw_path"] = raw
        self.scope["path"] = unquote(raw.decode("latin-1"))

    def shutdown(self) -> None:
        """The gateway stops: a request that has begun to arrive is still served, and a newcomer is heard."""
        heard = self.cycle is not None
        if self.transport.is_closing():
            super().shutdown()
        elif self._in_head:
            self._ending = True
        elif not heard and not self._ending:
            self._ending = True
            self.loop.call_later(NEWCOMER_SECONDS, self.shutdown)
        else:
            super().shutdown()

    def on_response_complete(self) -> None:
        """The answer is written: begin with the next request that waits, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._in_head:
            self._head.at = self.loop.time() + self._rules.head_seconds
        else:
            self._idle.at = self.loop.time() + self._rules.keep_seconds

    def _head_is_late(self) -> None:
        self._refuse(HTTPStatus.REQUEST_TIMEOUT if self._in_head else None)

    def _body_is_late(self) -> None:
        self._refuse(None)

    def _nobody_asks(self) -> None:
        self.transport.close()

    def _refuse(self, status: HTTPStatus | None) -> None:
        if self.transport.is_closing():
            return
        if status is not None and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(self._heads.refusal(status))
        self.transport.close()


def _is_head(data: bytes) -> bool:
    """Whether this is the whole head of one request, and nothing but that."""
    return len(data) <= _LONGEST_HEAD and data.find(_END) == len(data) - len(_END)


def _ends_unclearly(said: Mapping[bytes, bytes]) -> bool:
    """Whether others might see another end of the request than the parser; it is refused, and nothing follows it."""
    return said.get(b"transfer-encoding", b"chunked").lower() != b"chunked"


def _has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 \t"))
               for name, value in headers)


def _certificates(transport: asyncio.Transport) -> dict[str, Any]:
    """The ASGI extension ``tls``, where the client showed a certificate that was verified."""
    over: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    shown = over.getpeercert(binary_form=True) if over is not None else None
    if not shown:
        return {}
    return {"tls": {"client_cert_chain": (ssl.DER_cert_to_PEM_cert(shown),), "client_cert_error": None}}
