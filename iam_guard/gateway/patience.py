"""What every connection of a client is held to, and how long it is waited for (threats F05 and F06)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

#: Keep nothing of what is still to be sent: without it the kernel would keep it for a client that reads nothing.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class ConnectionRules:
    """What every connection is held to.

    Attributes:
        head_seconds: How long a request may take to arrive up to the end of its header.
        body_seconds: How long its body may take from there.
        max_head_bytes: How long that part may be. The guard has a narrower bound of its own, with a proper answer;
            this one keeps a stranger from filling the memory before the guard is asked.
        keep_seconds: How long a connection may be without a request.
        write_seconds: How long a client may leave untaken what was written for it.
        ending: No connection outlives its next answer.
    """

    head_seconds: float
    body_seconds: float
    max_head_bytes: int
    keep_seconds: float = 65.0
    write_seconds: float = 60.0
    ending: bool = False

    @property
    def shortest(self) -> float:
        """The least patience there is."""
        return min(self.head_seconds, self.body_seconds, self.keep_seconds, self.write_seconds)


class Deadline:
    """When something has to have happened on a connection.

    Args:
        late: Called when it has not.

    Attributes:
        at: On the clock of the event loop; ``inf`` for never.
        late: Called when it has not.
    """

    __slots__ = ("at", "late")

    def __init__(self, late: Callable[[], None]) -> None:
        self.at = inf
        self.late = late


class Patience:
    """The deadlines of one connection, and one timer for all of them.

    Deadlines move with every request; a timer that followed them would cost more than they do. It fires now and then
    instead, and never later than the least patience from now, so that no deadline is missed.

    One deadline is here from the start: what was written has to be taken. A client that takes nothing would otherwise
    hold its connection for ever, even one that was closed, since closing waits for what is still to be sent.

    Args:
        loop: Of the connection.
        rules: How long is waited for what.
        transport: Cut when its client takes nothing.
        deadlines: Further ones.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, rules: ConnectionRules, transport: asyncio.Transport,
                 *deadlines: Deadline) -> None:
        self._loop = loop
        self._rules = rules
        self._transport = transport
        self._taken = Deadline(lambda: cut(transport))
        self._deadlines = (self._taken, *deadlines)
        self._timer: asyncio.TimerHandle | None = loop.call_later(rules.shortest, self._look)

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def full(self) -> None:
        """The client has left so much untaken that nothing more is written."""
        self._taken.at = self._loop.time() + self._rules.write_seconds

    def flows(self) -> None:
        """The client has taken most of it."""
        self._taken.at = inf

    def _look(self) -> None:
        now = self._loop.time()
        if self._taken.at == inf and self._transport.is_closing():
            self.full()
        self._timer = self._loop.call_later(self._rules.shortest, self._look)
        for deadline in self._deadlines:
            if deadline.at <= now:
                deadline.at = inf
                deadline.late()
        nearest = min(deadline.at for deadline in self._deadlines)
        if self._timer is not None and nearest < now + self._rules.shortest:
            self._timer.cancel()
            self._timer = self._loop.call_at(nearest, self._look)


def cut(transport: asyncio.Transport) -> None:
    """End a connection and tell its client so, whatever is still to be sent."""
    inner = transport.get_extra_info("socket")
    if inner is not None:
        inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


class Patient(asyncio.Protocol):
    """A protocol with :class:`Patience`; stands in front of the one that speaks.

    Attributes:
        patience: Made by whoever begins the connection.
    """

    patience: Patience | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self.patience is not None:
            self.patience.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes nothing; it will not be waited for without end."""
        super().pause_writing()
        if self.patience is not None:
            self.patience.full()

    def resume_writing(self) -> None:
        """The client has taken what was written."""
        super().resume_writing()
        if self.patience is not None:
            self.patience.flows()
