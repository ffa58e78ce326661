"""One connection of a gRPC client: its frames to calls, and answers to frames."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from iam_guard.sidecar.ext_authz.http2 import frames
from iam_guard.sidecar.ext_authz.http2.answering import Answering, answered, at_once
from iam_guard.sidecar.ext_authz.http2.calls import Call, Head, Reply, answer_frames, call_of
from iam_guard.sidecar.ext_authz.http2.frames import ConnectionFaultError, Cutter, Frame
from iam_guard.sidecar.ext_authz.http2.heads import Heads
from iam_guard.sidecar.ext_authz.http2.hpack import LIST_BYTES, PackingError
from iam_guard.sidecar.ext_authz.http2.limits import Patience
from iam_guard.sidecar.ext_authz.http2.outbox import Outbox

_logger = logging.getLogger("iam_guard")
#: Calls of one connection at once.
MAX_CALLS = 1000
#: Largest message of a call, and what a stream may send without being asked to go on.
MESSAGE_BYTES = 4 * 1024 * 1024
_WINDOW = MESSAGE_BYTES + 64
#: What all streams of a connection may send; given back when half of it is used.
_TOTAL_WINDOW = 16 * 1024 * 1024
#: Frames of a block of header fields.
_MAX_BLOCK = 2 * LIST_BYTES
#: Calls that are answered together at most.
_TOGETHER = 16


class _Stream:
    """A call that is arriving or being answered."""

    __slots__ = ("body", "head", "is_whole", "size", "task")

    def __init__(self, head: Head) -> None:
        self.head = head
        self.body: bytes | bytearray = b""
        self.size = 0
        self.is_whole = False
        self.task: asyncio.Task[None] | None = None

    def add(self, piece: bytes) -> None:
        """Take a piece of the message; what comes whole is not copied."""
        if not self.body:
            self.body = piece
            return
        if isinstance(self.body, bytes):
            self.body = bytearray(self.body)
        self.body += piece


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
        self._cutter, self._heads = Cutter(), Heads()
        self._streams: dict[int, _Stream] = {}
        self._last = self._used = self._held = 0
        self._ready: list[int] = []
        self._block: tuple[Frame, bytes] | None = None
        self._leaving = False
        self._loop = asyncio.get_running_loop()
        self._patience = Patience(self._loop.time)
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

    def pause_writing(self) -> None:
        """The client does not read what it is told: it is not listened to until it does."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Read what arrived, and answer all of it that can be answered at once together."""
        if self._transport is None or self._out is None or self._transport.is_closing():
            return
        try:
            for found in self._cutter.frames(data):
                self._read(found)
            self._answer_ready()
        except ConnectionFaultError as fault:
            self._end(fault.code, str(fault))
        except PackingError as fault:
            self._end(frames.COMPRESSION_ERROR, str(fault))
        self._out.flush()
        if self._leaving:
            self._end_if_done()

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
        if self._leaving and not self._streams and self._out is not None and self._transport is not None \
                and not self._out.waiting:
            self._out.flush()
            self._transport.close()

    def _read(self, found: Frame) -> None:
        kind, flags, number, payload = found
        if self._block is not None and (kind != frames.CONTINUATION or number != self._block[0][2]):
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "header fields are interrupted")
        if kind == frames.DATA:
            self._read_data(flags, number, payload)
        elif kind == frames.HEADERS:
            self._begin_block(found)
        elif kind == frames.CONTINUATION:
            self._continue_block(flags, payload)
        elif kind == frames.RST_STREAM:
            self._take_back(number, payload)
        elif number and kind not in (frames.WINDOW_UPDATE, frames.PRIORITY) and kind < frames.CONTINUATION:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a frame of the connection has a stream")
        elif kind == frames.WINDOW_UPDATE:
            self._grow(number, payload)
        else:
            self._patience.idle()
            self._read_control(kind, flags, payload)

    def _read_control(self, kind: int, flags: int, payload: bytes) -> None:
        out = self._writer
        if kind == frames.SETTINGS and not flags & frames.ACK:
            for name, value in dict(frames.told_settings(payload)).items():
                out.told(name, value)
            out.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        elif kind == frames.PING and not flags & frames.ACK:
            if len(payload) != 8:
                raise ConnectionFaultError(frames.FRAME_SIZE_ERROR, "a ping is cut")
            out.write(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.PUSH_PROMISE:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a client promises nothing")

    def _grow(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFaultError(frames.FRAME_SIZE_ERROR, "a window is cut")
        if self._writer.waiting:
            self._patience.idle()
        self._writer.grow(number, int.from_bytes(payload, "big") & frames.MAX_WINDOW)

    def _begin_block(self, found: Frame) -> None:
        kind, flags, number, block = found
        if not number & 1:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a stream has a number that is not a client's")
        if flags & (frames.PADDED | frames.WITH_PRIORITY):
            block = frames.unpadded(kind, flags, block)
        if flags & frames.END_HEADERS:
            self._headers(flags, number, block)
        else:
            self._block = found, block

    def _continue_block(self, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "there is nothing to continue")
        first, block = self._block
        block += payload
        if len(block) > _MAX_BLOCK or not payload:
            raise ConnectionFaultError(frames.ENHANCE_YOUR_CALM, "the header fields are too long")
        self._block = first, block
        if flags & frames.END_HEADERS:
            self._block = None
            self._headers(first[1], first[2], block)

    def _headers(self, flags: int, number: int, block: bytes) -> None:
        head = self._heads.read(block)  # in any case, since later blocks may refer to it
        ends = flags & frames.END_STREAM
        stream = self._streams.get(number)
        if stream is not None:
            if not ends or stream.is_whole:
                raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a call has headers twice")
            self._start(number, stream)
            return
        if number <= self._last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a stream begins again")
        self._last = number
        if self._leaving or len(self._streams) + len(self._writer.waiting) >= MAX_CALLS:
            self._writer.write(frames.number(frames.RST_STREAM, number, frames.REFUSED_STREAM))
            return
        stream = self._streams[number] = _Stream(head)
        self._writer.open(number)
        if ends:
            self._start(number, stream)

    def _read_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._give_back(size)
        if not number or number > self._last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "there is data of no call")
        if not payload and not flags & frames.END_STREAM:
            self._patience.idle()
        stream = self._streams.get(number)
        if stream is None:
            return  # taken back, refused or answered before
        if stream.is_whole:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a call goes on after its end")
        stream.add(frames.unpadded(frames.DATA, flags, payload) if flags & frames.PADDED else payload)
        stream.size += size
        self._held += size
        if stream.size > _WINDOW or self._held > _TOTAL_WINDOW:
            raise ConnectionFaultError(frames.FLOW_CONTROL_ERROR, "messages are too long")
        if flags & frames.END_STREAM:
            self._start(number, stream)

    def _give_back(self, size: int) -> None:
        self._used += size
        if self._used > _TOTAL_WINDOW // 2:
            self._writer.write(frames.number(frames.WINDOW_UPDATE, 0, self._used))
            self._used = 0

    def _take_back(self, number: int, payload: bytes) -> None:
        if len(payload) != 4 or not number or number > self._last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a call is taken back that never was")
        stream = self._streams.pop(number, None)
        self._writer.drop(number)
        if stream is None:
            return
        if not stream.is_whole:
            self._held -= stream.size
        if stream.task is not None:
            stream.task.cancel()
        self._patience.taken_back()

    def _start(self, number: int, stream: _Stream) -> None:
        """A call is there; it is answered with the others that arrived with it."""
        self._held -= stream.size
        stream.is_whole = True
        self._ready.append(number)
        if len(self._ready) >= _TOGETHER:
            self._answer_ready()

    def _answer_ready(self) -> None:
        """Answer what is there and was not taken back; in a task of its own if that takes waiting."""
        ready, self._ready = self._ready, []
        calls: dict[int, Call] = {}
        for number in ready:
            if (stream := self._streams.get(number)) is not None:
                call = call_of(stream.head, bytes(stream.body))
                if isinstance(call, Call):
                    calls[number] = call
                else:
                    self._send(number, call)
        if not calls:
            return
        for (number, call), reply in zip(calls.items(), at_once([*calls.values()], self._answering), strict=True):
            if reply is None:
                self._streams[number].task = self._loop.create_task(self._answer(number, call))
            else:
                self._send(number, reply)

    async def _answer(self, number: int, call: Call) -> None:
        reply = await answered(call, self._answering)
        if number in self._streams:
            self._send(number, reply)
            self._end_if_done()

    def _send(self, number: int, reply: Reply) -> None:
        del self._streams[number]
        self._patience.answered()
        self._writer.send(number, *answer_frames(number, reply))

    @property
    def _writer(self) -> Outbox:
        if self._out is None:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "the connection was not opened")
        return self._out
