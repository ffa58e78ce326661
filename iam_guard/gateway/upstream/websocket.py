"""A WebSocket through the gateway: after the server has switched, bytes pass in both directions until one side ends.

The ASGI server in front speaks messages and not frames, so frames are made and read here, by the Sans-I/O part of
``websockets``; its two ends keep their own extensions.
"""

from __future__ import annotations

import asyncio

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from iam_guard.asgi.types import Message, Receive, Scope, Send
from iam_guard.gateway.upstream.answer import Answer
from iam_guard.gateway.upstream.connection import Connection
from iam_guard.gateway.upstream.errors import (
    ClientGoneError,
    UpstreamBrokenError,
    UpstreamBusyError,
    UpstreamError,
    UpstreamTimeoutError,
)
from iam_guard.gateway.upstream.exchange import receive_again
from iam_guard.gateway.upstream.fields import Fields
from iam_guard.gateway.upstream.handshake import Handshake
from iam_guard.gateway.upstream.pool import Pool
from iam_guard.gateway.upstream.request import RequestHead
from iam_guard.gateway.upstream.settings import ServerSettings

_DENIAL = "websocket.http.response"
_SWITCHED = 101
_NO_CODE, _VANISHED = 1005, 1006
#: RFC 6455 section 7.4.1: the server met what kept it from going on.
_BROKEN = 1011
_NOT_UTF8 = 1007
_LAST_FRAMES = 65_536
_PONGS = 1_048_576


async def forward_websocket(settings: ServerSettings, pool: Pool, head: RequestHead, scope: Scope, receive: Receive,
                            send: Send) -> None:
    """Connect a client's WebSocket with one of the server.

    Args:
        settings: Of the server.
        pool: Its connections.
        head: Of the handshake.
        scope: Of the client's connection.
        receive: Of the client's connection.
        send: Of the client's connection.

    Raises:
        UpstreamError: the server cannot be asked; the client is not answered yet.
    """
    wish = await receive()  # to connect
    handshake = Handshake(scope.get("subprotocols") or ())
    relay = _Relay(settings, receive, send)
    from_client = asyncio.get_running_loop().create_task(relay.from_client())
    denied = False
    try:
        await relay.ask(pool, handshake.request(head))
        if relay.answer.status == _SWITCHED:
            await relay.accept(handshake.check(relay.answer))
            await relay.to_client()
        else:
            denied = True
            await _pass_denial(relay.answer, scope, send)
    except UpstreamError as error:
        error.started = denied
        error.receive = receive_again(wish, receive)
        raise
    finally:
        from_client.cancel()
        relay.let_go(pool)


async def refuse_websocket(status: int, fields: Fields, body: bytes, scope: Scope, send: Send) -> None:
    """Answer a handshake with something else than a WebSocket.

    Args:
        status: For servers that can send an answer; others answer 403.
        fields: Header of it.
        body: Of it.
        scope: Of the client's connection.
        send: Of the client's connection.
    """
    if _DENIAL not in (scope.get("extensions") or ()):
        await send({"type": "websocket.close", "code": _BROKEN, "reason": ""})
        return
    await send({"type": f"{_DENIAL}.start", "status": status, "headers": fields})
    await send({"type": f"{_DENIAL}.body", "body": body, "more_body": False})


async def _pass_denial(answer: Answer, scope: Scope, send: Send) -> None:
    """Pass on what the server says instead of switching."""
    if _DENIAL not in (scope.get("extensions") or ()):
        await send({"type": "websocket.close", "code": _BROKEN, "reason": ""})
        return
    await send({"type": f"{_DENIAL}.start", "status": answer.status, "headers": answer.fields})
    while True:
        if answer.size or answer.complete:
            part, last = answer.take(), answer.complete
            await send({"type": f"{_DENIAL}.body", "body": part, "more_body": not last})
            if last:
                return
        else:
            await answer.changed()


class _Relay:
    """Both directions of one WebSocket.

    Args:
        settings: Of the server.
        receive: Of the client's connection.
        send: Of the client's connection.
    """

    def __init__(self, settings: ServerSettings, receive: Receive, send: Send) -> None:
        self._settings = settings
        self._receive = receive
        self._send = send
        self.answer = Answer(switches=True)
        self._frames = Protocol(Side.CLIENT, state=State.OPEN, max_size=settings.max_message_bytes)
        self._most_unread = settings.max_message_bytes + _PONGS
        self._parts: list[bytes] = []
        self._kind = Opcode.TEXT
        self._open = asyncio.Event()

    async def ask(self, pool: Pool, request: bytes) -> None:
        """Send the handshake and wait for its answer."""
        answer = self.answer
        try:
            (await self._connection(pool)).ask(answer, request)
            async with asyncio.timeout(self._settings.head_seconds):
                while not answer.status:
                    await answer.changed()
        except TimeoutError:
            raise UpstreamTimeoutError(f"'{self._settings.url}' does not answer a handshake") from None

    async def _connection(self, pool: Pool) -> Connection:
        answer, settings = self.answer, self._settings
        try:
            async with asyncio.timeout(settings.pool_seconds if pool.full else settings.connect_seconds + 1):
                while True:
                    connection = pool.take(answer, careful=True)
                    while connection is None:
                        await answer.changed()
                        connection = answer.connection
                    if not connection.transport.is_closing():
                        return connection
                    answer.connection = None
        except TimeoutError:
            raise UpstreamBusyError(f"no connection to '{settings.url}' became free", untouched=True) from None

    async def accept(self, subprotocol: str | None) -> None:
        """Tell the client that the server has accepted."""
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": self.answer.fields})
        self._open.set()

    async def to_client(self) -> None:
        """Pass messages of the server on until one side ends; the client is told how it ended."""
        answer = self.answer
        try:
            while self._frames.state is State.OPEN:
                if answer.size:
                    await self._read(answer.take())
                elif answer.complete:
                    break
                else:
                    await answer.changed()
        except UpstreamError as error:
            answer.fail(error)
        if not isinstance(answer.error, ClientGoneError):
            await self._send(self._farewell())

    async def _read(self, data: bytes) -> None:
        self._frames.receive_data(data)
        for frame in self._frames.events_received():
            if isinstance(frame, Frame):
                await self._pass_on(frame)
        connection = self._write_frames()
        # Answers to pings do not wait for room, as both sides could then wait for each other; they are bounded instead.
        if connection is not None and connection.transport.get_write_buffer_size() > self._most_unread:
            raise UpstreamBrokenError("the server does not read what it asks for")

    async def _pass_on(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._kind = frame.opcode
        elif frame.opcode is not Opcode.CONT:
            return  # answered by the protocol itself
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        whole = b"".join(self._parts)
        self._parts.clear()
        if self._kind is Opcode.BINARY:
            await self._send({"type": "websocket.send", "bytes": whole})
            return
        try:
            await self._send({"type": "websocket.send", "text": whole.decode()})
        except UnicodeDecodeError:
            self._frames.fail(_NOT_UTF8, "not UTF-8")

    def _farewell(self) -> Message:
        """How the client's connection is closed."""
        said = self._frames.close_rcvd
        if said is None:
            failed = self._frames.close_sent
            return {"type": "websocket.close", "code": int(failed.code) if failed else _BROKEN, "reason": ""}
        code = 1000 if said.code == _NO_CODE else int(said.code)
        return {"type": "websocket.close", "code": code, "reason": said.reason}

    async def from_client(self) -> None:
        """Pass messages of the client on until it ends."""
        try:
            message = await self._receive()
            while message["type"] == "websocket.receive":
                await self._open.wait()
                await self._write(message)
                message = await self._receive()
            self._say_goodbye(message.get("code", _VANISHED), message.get("reason") or "")
        except UpstreamError as error:
            self.answer.fail(error)
        except Exception:
            self._say_goodbye(_BROKEN, "")
            raise
        self.answer.fail(ClientGoneError("the client has left"))

    async def _write(self, message: Message) -> None:
        if self._frames.state is not State.OPEN:
            return
        text = message.get("text")
        if text is not None:
            self._frames.send_text(text.encode())
        else:
            self._frames.send_binary(message["bytes"])
        if (connection := self._write_frames()) is not None:
            await connection.room()

    def _say_goodbye(self, code: int, reason: str) -> None:
        """Tell the server that the client has closed; one that merely vanished says nothing."""
        if self._open.is_set() and self._frames.state is State.OPEN and code != _VANISHED:
            if code == _NO_CODE:
                self._frames.send_close()
            else:
                self._frames.send_close(code, reason)
            self._write_frames()
        elif (connection := self.answer.connection) is not None and connection.answer is self.answer:
            connection.abort()

    def _write_frames(self) -> Connection | None:
        """Write what there is to write; the connection, if anything was written."""
        connection = self.answer.connection
        data = b"".join(self._frames.data_to_send())
        if not data or connection is None or connection.transport.is_closing():
            return None
        connection.write(data)
        return connection

    def let_go(self, pool: Pool) -> None:
        """Leave nothing behind, however it ended."""
        answer, connection = self.answer, self.answer.connection
        if connection is None:
            pool.forget(answer)
        elif not answer.asked:
            pool.give_back(connection)
        elif connection.answer is answer:
            _end(connection, answer)


def _end(connection: Connection, answer: Answer) -> None:
    """Let the server read the last frame, where there was one and the server still reads."""
    if answer.status == _SWITCHED and connection.transport.get_write_buffer_size() <= _LAST_FRAMES:
        connection.close()
    else:
        connection.abort()
