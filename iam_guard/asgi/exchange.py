"""One exchange of messages between server and application, as the guard takes part in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from iam_guard.asgi.denying import POLICY_VIOLATION
from iam_guard.asgi.types import Message, Receive, Scope, Send
from iam_guard.asgi.watch import Watch

Headers = Iterable[tuple[bytes, bytes]]
MakeWatch = Callable[["HTTPExchange | SocketExchange"], Watch | None]

#: Headers, as applications write them, that say nothing about caches; for speed only.
_UNRELATED = frozenset({b"content-type", b"content-length", b"content-language", b"content-encoding", b"date", b"etag",
                        b"location", b"last-modified", b"accept-ranges", b"server", b"set-cookie", b"x-request-id"})
_PRIVATE = (b"cache-control", b"private, no-store")


class HTTPExchange:
    """Knows whether the response has begun, keeps it out of shared caches, and can end a stream.

    Args:
        scope: The connection.
        receive: Of the server.
        send: Of the server.
        vary: Request headers that made the answer; empty for an answer that everybody may have.
        make_watch: Makes the watch over a stream, if there is to be one.

    Attributes:
        watch: To be stopped when the application has returned.
    """

    __slots__ = ("_make_watch", "_scope", "_send", "_vary", "ended", "receive", "started", "watch")

    def __init__(self, scope: Scope, receive: Receive, send: Send, vary: bytes, make_watch: MakeWatch) -> None:
        self.receive = receive
        self.started = False
        self.ended = False
        self._send = send
        self._vary = vary
        self._make_watch: MakeWatch | None = make_watch
        self.watch: Watch | None = None
        self._scope = scope

    async def send(self, message: Message) -> None:
        """Pass a message of the application on."""
        if self.ended:
            if _raises_when_closed(self._scope):
                raise OSError("the access that opened this stream has ended")
            return
        if message["type"] == "http.response.start":
            self.started = True
            message = self._started(message)
        elif self._make_watch is not None and message.get("more_body"):
            self.watch, self._make_watch = self._make_watch(self), None
            if self.watch is not None:
                self.watch.start()
        await self._send(message)

    def _started(self, message: Message) -> Message:
        headers = list(message.get("headers") or ())
        said = dict(headers)
        if b"content-length" in said or b"Content-Length" in said:
            self._make_watch = None  # of a known length, so it ends by itself and cannot be cut cleanly
        if not self._vary:
            return {**message, "headers": headers}
        if _UNRELATED.issuperset(said):
            return {**message, "headers": [*headers, _PRIVATE, (b"vary", self._vary)]}
        return {**message, "headers": private(headers, self._vary)}

    def end(self) -> Awaitable[None]:
        """End the response, from this moment on; the server tells the application that its client has gone."""
        self.ended = True
        return self._send({"type": "http.response.body", "body": b"", "more_body": False})


class SocketExchange:
    """Knows whether a WebSocket was accepted, and can close it.

    Args:
        receive: Of the server.
        send: Of the server.
        make_watch: Makes the watch over the connection, if there is to be one.

    Attributes:
        watch: To be stopped when the application has returned.
    """

    __slots__ = ("_receive", "_send", "ended", "started", "watch")

    def __init__(self, receive: Receive, send: Send, make_watch: MakeWatch) -> None:
        self.started = False
        self.ended = False
        self._receive = receive
        self._send = send
        self.watch = make_watch(self)

    async def receive(self) -> Message:
        """The next message for the application; after the end, none but the end."""
        message = await self._receive()
        if self.ended:
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION, "reason": ""}
        return message

    async def send(self, message: Message) -> None:
        """Pass a message of the application on."""
        if self.ended:
            raise OSError("the access that opened this connection has ended")
        if message["type"] == "websocket.accept":
            self.started = True
            if self.watch is not None:
                self.watch.start()
        await self._send(message)

    def end(self) -> Awaitable[None]:
        """Close the connection; from this moment on the application gets no message."""
        self.ended = True
        return self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "access ended"})

    async def refuse(self) -> None:
        """Close it because of what the application raised."""
        if not self.ended:
            await self.end()



def private(headers: Headers, vary: bytes) -> list[tuple[bytes, bytes]]:
    """Keep an answer that was made for one caller out of caches that serve several (threat G09).

    What the application says itself stands when it is as strict.
    """
    kept, controls, varies = [], [], []
    for name, value in headers:
        match bytes(name).lower():
            case b"cache-control":
                controls.append(value)
            case b"vary":
                varies.append(value)
            case _:
                kept.append((name, value))
    said = b", ".join(controls).lower()
    strict = b"no-store" in said or b"private" in said
    together = b", ".join([*varies, *([] if vary.lower() in b", ".join(varies).lower() else [vary])])
    return [*kept, (b"cache-control", b", ".join(controls) if strict else b"private, no-store"), (b"vary", together)]


def _raises_when_closed(scope: Scope) -> bool:
    """From version 2.4 of the ASGI specification on, sending to a closed connection raises OSError."""
    version = str(scope.get("asgi", {}).get("spec_version", "2.0"))
    return tuple(int(part) for part in version.split(".") if part.isdigit()) >= (2, 4)
