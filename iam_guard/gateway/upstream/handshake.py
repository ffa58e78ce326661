"""The WebSocket handshake with a server (RFC 6455 section 4)."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Sequence

from iam_guard.gateway.upstream.answer import Answer
from iam_guard.gateway.upstream.errors import UnsendableError, UpstreamBrokenError
from iam_guard.gateway.upstream.fields import options
from iam_guard.gateway.upstream.request import RequestHead

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Handshake:
    """One handshake, with a key of its own: nothing of the client's handshake is passed on but what it asks for.

    Args:
        subprotocols: What the client offers, in its order.
    """

    def __init__(self, subprotocols: Sequence[str]) -> None:
        self._key = base64.b64encode(os.urandom(16))
        self._subprotocols = subprotocols

    def request(self, head: RequestHead) -> bytes:
        """The request.

        Raises:
            UnsendableError: a subprotocol has no proper name.
        """
        lines = [b"connection: Upgrade\r\n", b"upgrade: websocket\r\n", b"sec-websocket-version: 13\r\n",
                 b"sec-websocket-key: %b\r\n" % self._key]
        if self._subprotocols:
            if not all(_TOKEN.fullmatch(name) for name in self._subprotocols):
                raise UnsendableError("a subprotocol is not a token", untouched=True)
            lines.append(f"sec-websocket-protocol: {', '.join(self._subprotocols)}\r\n".encode("ascii"))
        return head.upgrade(lines)

    def check(self, answer: Answer) -> str | None:
        """Check an answer with status 101.

        Returns:
            The subprotocol that the server chose.

        Raises:
            UpstreamBrokenError: it is the answer to another request, or chooses what was not offered.
        """
        said: dict[bytes, list[bytes]] = {}
        for name, value in answer.raw:
            said.setdefault(name.lower(), []).append(value.strip())
        if (b"websocket" not in options(said.get(b"upgrade", ()))
                or b"upgrade" not in options(said.get(b"connection", ()))):
            raise UpstreamBrokenError("the server switched to something that is not a WebSocket")
        if said.get(b"sec-websocket-accept") != [self._accept()]:
            raise UpstreamBrokenError("the server's Sec-WebSocket-Accept belongs to another handshake")
        if said.get(b"sec-websocket-extensions"):
            raise UpstreamBrokenError("the server chose an extension that was not offered")
        return self._chosen(said.get(b"sec-websocket-protocol", []))

    def _accept(self) -> bytes:
        return base64.b64encode(hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest())

    def _chosen(self, values: list[bytes]) -> str | None:
        if not values:
            return None
        chosen = values[0].decode("latin-1")
        if len(values) > 1 or chosen not in self._subprotocols:
            raise UpstreamBrokenError("the server chose a subprotocol that was not offered")
        return chosen
