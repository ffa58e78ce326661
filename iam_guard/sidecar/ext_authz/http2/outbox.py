"""What is on its way to the peer, within the windows that it grants (RFC 9113, section 5.2)."""

from __future__ import annotations

import asyncio

from iam_guard.sidecar.ext_authz.http2.frames import (
    DATA,
    FLOW_CONTROL_ERROR,
    FRAME_BYTES,
    INITIAL_WINDOW_SIZE,
    MAX_WINDOW,
    ConnectionFaultError,
    frame,
    frame_head,
)


class Outbox:
    """Writes frames, all of one turn of the loop at once; data waits until there is a window for it.

    Args:
        transport: Of the connection.
        loop: In which it is written.

    Attributes:
        waiting: Answers, by stream, that the windows of the peer do not let through yet.
    """

    def __init__(self, transport: asyncio.WriteTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._out: list[bytes] = []
        self._called = False
        self._window = self._initial = 65_535
        self._windows: dict[int, int] = {}
        self.waiting: dict[int, tuple[bytes, bytes]] = {}

    def write(self, data: bytes) -> None:
        """Write bytes that need no window."""
        if not self._called:
            self._called = True
            self._loop.call_soon(self._turn)
        self._out.append(data)

    def flush(self) -> None:
        """Hand over what was written."""
        if self._out:
            if not self._transport.is_closing():
                self._transport.write(b"".join(self._out))
            self._out.clear()

    def _turn(self) -> None:
        self._called = False
        self.flush()

    def open(self, stream: int) -> None:
        """A stream begins."""
        self._windows[stream] = self._initial

    def drop(self, stream: int) -> None:
        """A stream has ended; nothing of it is sent any more."""
        self._windows.pop(stream, None)
        self.waiting.pop(stream, None)

    def send(self, stream: int, head: bytes, data: bytes, tail: bytes) -> None:
        """Send an answer: frames, data, frames; then the stream has ended.

        Args:
            stream: Which.
            head: Frames in front.
            data: Neither framed nor bounded.
            tail: Frames behind; they end the stream.
        """
        size = len(data)
        if size <= FRAME_BYTES and size <= self._window and size <= self._windows[stream]:
            self._window -= size
            del self._windows[stream]
            self.write(head + frame_head(DATA, 0, stream, size) + data + tail if data else head + tail)
            return
        self.write(head)
        self.waiting[stream] = data, tail
        self._go_on(stream)

    def grow(self, stream: int, more: int) -> None:
        """The peer grants more; stream 0 is the connection.

        Raises:
            ConnectionFaultError: nothing, or more than there can be.
        """
        if not more:
            raise ConnectionFaultError(FLOW_CONTROL_ERROR, "a window grows by nothing")
        if stream == 0:
            self._window += more
        elif stream in self._windows:
            self._windows[stream] += more
        if max(self._window, self._windows.get(stream, 0)) > MAX_WINDOW:
            raise ConnectionFaultError(FLOW_CONTROL_ERROR, "a window is too large")
        for waiting in [stream] if stream else list(self.waiting):
            self._go_on(waiting)

    def told(self, name: int, value: int) -> None:
        """The peer changes a setting; those about windows hold for open streams too (section 6.9.2)."""
        if name == INITIAL_WINDOW_SIZE:
            change, self._initial = value - self._initial, value
            for stream in self._windows:
                self._windows[stream] += change
            for stream in list(self.waiting):
                self._go_on(stream)

    def _go_on(self, stream: int) -> None:
        found = self.waiting.get(stream)
        if found is None:
            return
        data, tail = found
        while data:
            size = min(len(data), FRAME_BYTES, self._window, self._windows[stream])
            if size <= 0:
                self.waiting[stream] = data, tail
                return
            self.write(frame(DATA, 0, stream, data[:size]))
            self._window -= size
            self._windows[stream] -= size
            data = data[size:]
        self.write(tail)
        self.drop(stream)
