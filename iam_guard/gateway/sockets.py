"""A WebSocket of a client: uvicorn's, with bounds on what a client makes the gateway hold for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame

from iam_guard.gateway.patience import Patience, Patient

if TYPE_CHECKING:
    from iam_guard.gateway.protocol import GatewayConfig

#: Answers to pings that a client does not take, after which it is cut off.
_MOST_UNREAD = 1_048_576


class GatewaySocket(Patient, WebSocketsSansIOProtocol):
    """One WebSocket of a client."""

    def __init__(self, config: GatewayConfig, server_state: ServerState, app_state: dict[str, Any],
                 _loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._rules = config.rules

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over."""
        super().connection_made(transport)
        self.patience = Patience(self.loop, self._rules, self.transport)

    def handle_ping(self) -> None:
        """Answer; who asks and asks and never reads is cut off, as its answers would fill the memory."""
        super().handle_ping()
        if self.transport.get_write_buffer_size() > _MOST_UNREAD:
            self.transport.abort()

    def handle_cont(self, event: Frame) -> None:
        """Add a piece to the message: to one buffer, since a piece may be empty and the next ones too."""
        whole = bytearray(b"".join(self.frames)) if len(self.frames) != 1 else self.frames[0]
        if not isinstance(whole, bytearray):
            whole = bytearray(whole)
        whole += event.data
        self.frames = [bytes(whole) if event.fin else whole]  # type: ignore[list-item]
        if event.fin:
            self.send_receive_event_to_app()
