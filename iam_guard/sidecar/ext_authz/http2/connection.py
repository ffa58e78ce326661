"""One connection of a gRPC client: its frames to calls, and answers to frames."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import cast

from iam_guard.sidecar.ext_authz.http2 import frames
from iam_guard.sidecar.ext_authz.http2.calls import UNAVAILABLE, Call, Reply, answer_frames, call_of
from iam_guard.sidecar.ext_authz.http2.frames import ConnectionFaultError, Cutter, Frame
from iam_guard.sidecar.ext_authz.http2.hpack import LIST_BYTES, PackingError, Unpacker
from iam_guard.sidecar.ext_authz.http2.outbox import Outbox

_logger = logging.getLogger("iam_guard")
#: Calls of one connection at once.
MAX_CALLS = 1000
#: Largest message of a call, and what a stream may send without being asked to go on.
MESSAGE_BYTES = 4 * 1024 * 1024
_WINDOW = MESSAGE_BYTES + 64
#: What all streams of a connection may send; given back when half of it is used.
_TOTAL_WINDOW = 16 * 1024 * 1024
#: Calls that a peer may take back, more than it lets be answered, before it is sent away.
_MAX_RESETS = 1000
#: Frames of a block of header fields.
_MAX_BLOCK = 2 * LIST_BYTES

Answering = Callable[[Call], Awaitable[Reply]]


class _Stream:
    """A call that is arriving or being answered."""

    __slots__ = ("body", "fields", "size", "task")

    def __init__(self, fields: list[tuple[bytes, bytes]]) -> None:
        self.fields = fields
        self.body: list[bytes] = []
        self.size = 0
        self.task: asyncio.Task[None] | None = None


class Connection(asyncio.Protocol):
    """Speaks HTTP/2 with one client.

    Args:
        answering: Answers calls; what it raises ends the call with an error.
        may_ask: Whether a peer address may ask; strangers are not listened to.
        known: All open connections.
    """

    def __init__(self, answering: Answering, may_ask: Callable[[object], bool], known: set[Connection]) -> None:
        self._answering = answering
        self._may_ask = may_ask
        self._known = known
        self._cutter, self._unpacker = Cutter(), Unpacker()
        self._streams: dict[int, _Stream] = {}
        self._last = self._used = self._held = self._resets = 0
        self._block: tuple[Frame, bytes] | None = None
        self._leaving = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out: Outbox | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or send away."""
        writing = cast("asyncio.Transport", transport)  # uvloop's is none by name
        if not self._may_ask(transport.get_extra_info("peername")):
            _logger.warning("a call for external authorization is denied: only trusted proxies may ask")
            writing.abort()
            return
        self._transport, self._out = writing, Outbox(writing, self._loop)
        self._known.add(self)
        self._out.write(frames.settings((frames.MAX_CONCURRENT_STREAMS, MAX_CALLS),
                                        (frames.INITIAL_WINDOW_SIZE, _WINDOW),
                                        (frames.MAX_HEADER_LIST_SIZE, LIST_BYTES)))
        self._out.write(frames.number(frames.WINDOW_UPDATE, 0, _TOTAL_WINDOW - 65_535))

    def connection_lost(self, error: Exception | None) -> None:
        """The client has gone: nobody waits for answers."""
        self._known.discard(self)
        for stream in self._streams.values():
            if stream.task is not None:
                stream.task.cancel()
        self._streams.clear()

    def data_received(self, data: bytes) -> None:
        """Read what arrived."""
        if self._transport is None or self._transport.is_closing():
            return
        try:
            for found in self._cutter.frames(data):
                self._read(found)
        except ConnectionFaultError as fault:
            self._end(fault.code, str(fault))
        except PackingError as fault:
            self._end(frames.COMPRESSION_ERROR, str(fault))

    def leave(self) -> None:
        """Take no new calls, and end when the last one is answered."""
        if not self._leaving and self._out is not None:
            self._leaving = True
            self._out.write(frames.goaway(self._last, frames.NO_ERROR))
        self._end_if_done()

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()

    def _end(self, code: int, why: str) -> None:
        _logger.warning("a connection for external authorization is ended: %s", why)
        if self._out is not None and self._transport is not None:
            self._out.write(frames.goaway(self._last, code))
            self._out.flush()
            self._transport.close()

    def _end_if_done(self) -> None:
        if self._leaving and not self._streams and self._out is not None and self._transport is not None:
            self._out.flush()
            self._transport.close()

    def _read(self, found: Frame) -> None:
        kind = found.kind
        if self._block is not None and (kind != frames.CONTINUATION or found.stream != self._block[0].stream):
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "header fields are interrupted")
        if kind == frames.DATA:
            self._read_data(found)
        elif kind == frames.HEADERS:
            self._begin_block(found)
        elif kind == frames.CONTINUATION:
            self._continue_block(found)
        elif kind == frames.RST_STREAM:
            self._take_back(found)
        elif found.stream and kind not in (frames.WINDOW_UPDATE, frames.PRIORITY) and kind < frames.CONTINUATION:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a frame of the connection has a stream")
        else:
            self._read_control(found)

    def _read_control(self, found: Frame) -> None:
        out, payload = self._writer, found.payload
        if found.kind == frames.SETTINGS and not found.flags & frames.ACK:
            for name, value in frames.told_settings(payload):
                out.told(name, value)
            out.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        elif found.kind == frames.PING and not found.flags & frames.ACK:
            if len(payload) != 8:
                raise ConnectionFaultError(frames.FRAME_SIZE_ERROR, "a ping is cut")
            out.write(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif found.kind == frames.WINDOW_UPDATE:
            if len(payload) != 4:
                raise ConnectionFaultError(frames.FRAME_SIZE_ERROR, "a window is cut")
            out.grow(found.stream, int.from_bytes(payload, "big") & frames.MAX_WINDOW)
        elif found.kind == frames.PUSH_PROMISE:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a client promises nothing")

    def _begin_block(self, found: Frame) -> None:
        if not found.stream & 1:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a stream has a number that is not a client's")
        block = frames.unpadded(found)
        if found.flags & frames.END_HEADERS:
            self._headers(found, block)
        else:
            self._block = found, block

    def _continue_block(self, found: Frame) -> None:
        if self._block is None:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "there is nothing to continue")
        first, block = self._block
        block += found.payload
        if len(block) > _MAX_BLOCK or not found.payload:
            raise ConnectionFaultError(frames.ENHANCE_YOUR_CALM, "the header fields are too long")
        self._block = first, block
        if found.flags & frames.END_HEADERS:
            self._block = None
            self._headers(first, block)

    def _headers(self, first: Frame, block: bytes) -> None:
        fields = self._unpacker.fields(block)  # read in any case, since later blocks may refer to it
        number, ends = first.stream, bool(first.flags & frames.END_STREAM)
        stream = self._streams.get(number)
        if stream is not None:
            if not ends or stream.task is not None:
                raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a call has headers twice")
            self._start(number, stream)
            return
        if number <= self._last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a stream begins again")
        self._last = number
        if self._leaving or len(self._streams) >= MAX_CALLS:
            self._writer.write(frames.number(frames.RST_STREAM, number, frames.REFUSED_STREAM))
            return
        stream = self._streams[number] = _Stream(fields)
        self._writer.open(number)
        if ends:
            self._start(number, stream)

    def _read_data(self, found: Frame) -> None:
        self._give_back(len(found.payload))
        if not found.stream or found.stream > self._last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "there is data of no call")
        stream = self._streams.get(found.stream)
        if stream is None:
            return  # taken back, refused or answered before
        if stream.task is not None:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a call goes on after its end")
        piece = frames.unpadded(found)
        stream.body.append(piece)
        stream.size += len(found.payload)
        self._held += len(found.payload)
        if stream.size > _WINDOW or self._held > _TOTAL_WINDOW:
            raise ConnectionFaultError(frames.FLOW_CONTROL_ERROR, "messages are too long")
        if found.flags & frames.END_STREAM:
            self._start(found.stream, stream)

    def _give_back(self, size: int) -> None:
        self._used += size
        if self._used > _TOTAL_WINDOW // 2:
            self._writer.write(frames.number(frames.WINDOW_UPDATE, 0, self._used))
            self._used = 0

    def _take_back(self, found: Frame) -> None:
        if len(found.payload) != 4 or not found.stream or found.stream > self._last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a call is taken back that never was")
        stream = self._streams.pop(found.stream, None)
        self._writer.drop(found.stream)
        if stream is None:
            return
        if stream.task is None:
            self._held -= stream.size
        else:
            stream.task.cancel()
        self._resets += 1
        if self._resets > _MAX_RESETS:
            raise ConnectionFaultError(frames.ENHANCE_YOUR_CALM, "too many calls are taken back")
        self._end_if_done()

    def _start(self, number: int, stream: _Stream) -> None:
        self._held -= stream.size
        stream.task = self._loop.create_task(self._answer(number, stream))

    async def _answer(self, number: int, stream: _Stream) -> None:
        reply = await _reply(call_of(stream.fields, b"".join(stream.body)), self._answering)
        if self._streams.pop(number, None) is None:
            return
        self._resets = max(0, self._resets - 1)
        self._writer.send(number, *answer_frames(number, reply))
        self._end_if_done()

    @property
    def _writer(self) -> Outbox:
        if self._out is None:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "the connection was not opened")
        return self._out


async def _reply(call: Call | Reply, answering: Answering) -> Reply:
    if isinstance(call, Reply):
        return call
    try:
        return await answering(call)
    except Exception:
        _logger.exception("a call for external authorization is denied because of an error")
        return Reply(UNAVAILABLE, why="access cannot be decided at the moment")
