"""UpstreamApp: a server somewhere else, as an ASGI application."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from iam_guard.asgi.types import Receive, Scope, Send
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.gateway.upstream.errors import ClientGoneError, UpstreamError
from iam_guard.gateway.upstream.exchange import Exchange
from iam_guard.gateway.upstream.pool import Pool
from iam_guard.gateway.upstream.request import RequestWriter
from iam_guard.gateway.upstream.settings import ServerSettings
from iam_guard.gateway.upstream.websocket import forward_websocket, refuse_websocket
from iam_guard.http.response import PROBLEM_BASE

_logger = logging.getLogger("iam_guard")
_TITLES = {400: "Invalid request", 408: "Request timeout", 502: "Bad gateway", 503: "Upstream busy",
           504: "Gateway timeout"}


class UpstreamApp:
    """Forwards what it is given to one server, exactly as the guard decided about it.

    The request target is ``raw_path`` and ``query_string`` of the scope, byte for byte; the header is that of the
    scope without what one end of a connection says to the other. Header fields that a gateway adds belong into the
    scope's ``headers`` before the call. Server and date of an answer are the upstream's: run uvicorn with
    ``server_header=False, date_header=False``.

    Args:
        settings: Of the server.
        own_headers: Names that the gateway sets itself, which a client cannot remove by naming them in ``Connection``;
            names under ``X-Guard-``, ``X-IAM-`` and ``X-Forwarded-`` never can be.

    Raises:
        ConfigurationError: certificates cannot be loaded.
    """

    def __init__(self, settings: ServerSettings, *, own_headers: Iterable[str] = ()) -> None:
        self.settings = settings
        self._pool = Pool(settings)
        self._writer = RequestWriter(settings, own_headers)
        self._running = 0

    @property
    def running(self) -> int:
        """How many exchanges are running."""
        return self._running

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return self._pool.open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward, and answer failures.

        Raises:
            UpstreamError: the answer had begun, so that only the end of the connection can tell the client.
            ConfigurationError: a kind of scope that cannot be forwarded.
        """
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        try:
            await self.forward(scope, receive, send)
        except UpstreamError as error:
            await answer_failure(error, scope, send)

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward, and leave failures to the caller, who may ask another server when ``untouched`` is set.

        Raises:
            UpstreamError: it failed; nothing has been sent to the client unless ``started`` is set.
            ConfigurationError: a kind of scope that cannot be forwarded.
        """
        self._running += 1
        try:
            if scope["type"] == "http":
                head = self._writer.head(scope)
                await Exchange(self.settings, self._pool, head, scope, receive, send).run()
            elif scope["type"] == "websocket":
                await forward_websocket(self.settings, self._pool, self._writer.head(scope), scope, receive, send)
            else:
                raise ConfigurationError(Fault(f"'{scope['type']}' connections cannot be forwarded"))
        finally:
            self._running -= 1

    def close(self) -> None:
        """Close idle connections now, and each other one when its exchange is over."""
        self._pool.close()

    async def closed(self) -> None:
        """Wait, after :meth:`close`, until no connection is left."""
        await self._pool.gone()

    def abort(self) -> None:
        """End every connection at once; exchanges that are running fail."""
        self._pool.abort()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self.close()
                await self.closed()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})


async def answer_failure(error: UpstreamError, scope: Scope, send: Send) -> None:
    """Answer a failed exchange, as a problem (RFC 9457) that tells nothing about the server.

    Args:
        error: What failed.
        scope: Of the client's connection.
        send: Of the client's connection.

    Raises:
        UpstreamError: *error* itself, when an answer has begun.
    """
    if type(error) is ClientGoneError:
        return  # nobody is there to be told
    _logger.warning("a request could not be forwarded: %s", error.detail)
    if error.started:
        raise error
    if scope["type"] == "websocket":
        await refuse_websocket(error.status, *_problem(error), scope, send)
        return
    fields, body = _problem(error)
    await send({"type": "http.response.start", "status": error.status, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _problem(error: UpstreamError) -> tuple[list[tuple[bytes, bytes]], bytes]:
    body = json.dumps({"type": PROBLEM_BASE + error.code, "title": _TITLES[error.status],
                       "status": error.status}).encode()
    fields = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body)),
              (b"cache-control", b"no-store")]
    if error.status == 503:
        fields.append((b"retry-after", b"1"))
    if error.status == 408:
        fields.append((b"connection", b"close"))
    return fields, body
