"""The answer of a server, as it arrives: a connection puts it here, one task takes it out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from iam_guard.engine.memo import Memo
from iam_guard.gateway.upstream.errors import UpstreamBrokenError, UpstreamError
from iam_guard.gateway.upstream.fields import NAMES_NOTHING, Fate, Fields, Passage, answer_passage, without_named

if TYPE_CHECKING:
    from iam_guard.gateway.upstream.connection import Connection

#: More than this waiting to be taken stops the reading from the server.
HIGH_WATER = 262_144
CHUNKED = -1
UNTIL_CLOSED = -2
_BODILESS = frozenset({204, 304})
#: Heads of answers that are remembered, and how long they are at most.
_HEADS, LONGEST_KNOWN = 256, 2048


class Answer:
    """One answer, and everything that its taker waits for: a connection, the head, the next part, the end.

    Args:
        bodiless: The request was ``HEAD``, so that no body follows whatever the header says.
        switches: The request asked for another protocol.

    Attributes:
        asked: The request was written, as a whole or in part.
        raw: The header as it was sent; kept for an answer to a request for another protocol only.
        active: When a byte last moved, on the clock of the event loop.
        got: Bytes of the body that came with its head or in chunks.
        connection: Once there is one.
        status: Once the head is there; 0 before.
        fields: Header for the client: lower-case names, nothing that was for the gateway.
        length: Of the body; ``CHUNKED`` or ``UNTIL_CLOSED`` where the server does not say.
        parts: Of the body, not yet taken.
        size: Bytes of them.
        trailers: Fields after the body.
        complete: Nothing will follow.
        error: Why nothing will follow, when the answer is not complete.
        resume: Set by the connection when it stopped reading.
    """

    # What most answers never change costs nothing as long as it stands here.
    active = 0.0
    asked = False
    raw: Sequence[tuple[bytes, bytes]] = ()
    got = 0
    connection: Connection | None = None
    status = 0
    fields: Sequence[tuple[bytes, bytes]] = ()
    length = 0
    size = 0
    trailers: Sequence[tuple[bytes, bytes]] = ()
    complete = False
    error: UpstreamError | None = None
    resume: Callable[[], None] | None = None
    _waiter: asyncio.Future[None] | None = None

    def __init__(self, *, bodiless: bool = False, switches: bool = False) -> None:
        self.bodiless = bodiless
        self.switches = switches
        self.parts: deque[bytes] = deque()

    def put(self, part: bytes) -> None:
        """Add a part of the body."""
        self.parts.append(part)
        self.size += len(part)

    def take(self) -> bytes:
        """Everything of the body that is there."""
        parts = self.parts
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.size = 0
        if self.resume is not None:
            resume, self.resume = self.resume, None
            resume()
        return whole

    def fail(self, error: UpstreamError) -> None:
        """Say that nothing will follow; the first reason counts, and a complete answer stays one."""
        if not self.complete and self.error is None:
            self.error = error
            self.wake()

    def wake(self) -> None:
        """Tell the taker that something changed."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def changed(self) -> None:
        """Wait until something changes.

        Raises:
            UpstreamError: nothing will follow.
        """
        if self.error is not None:
            raise self.error
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        await waiter
        if self.error is not None:
            raise self.error


class KnownHead(NamedTuple):
    """The head of an answer that was read before.

    Attributes:
        status: Of the answer.
        fields: Header for the client.
        length: Of the body.
    """

    status: int
    fields: Sequence[tuple[bytes, bytes]]
    length: int


class AnswerReader:
    """Makes the head of an answer out of raw fields.

    Attributes:
        known: Heads that were read before, by their bytes. Servers say the same for most of a second; what stands in a
            head follows from its bytes, so it need not be read again.
    """

    def __init__(self) -> None:
        self._passage: Passage = answer_passage()
        self.known: Memo[bytes, KnownHead] = Memo(_HEADS)

    def read(self, answer: Answer, status: int, raw: Fields) -> None:
        """Fill in the head.

        Args:
            answer: To be filled.
            status: Of the answer.
            raw: Its header as it was sent.

        Raises:
            UpstreamBrokenError: it cannot be passed on, or nobody can say where it ends.
        """
        if not 200 <= status <= 599 and not (status == 101 and answer.switches):
            raise UpstreamBrokenError(f"the server answered with status {status}")
        kept, connection, lengths, codings = self._sorted(raw)
        answer.length = _framing(lengths, codings)
        answer.bodiless = answer.bodiless or status in _BODILESS
        if lengths and status not in _BODILESS:
            kept.append((b"content-length", lengths[0]))
        if answer.switches:
            answer.raw = raw
        answer.fields = without_named(kept, connection) if connection else kept
        answer.status = status

    def remember(self, head: bytes, answer: Answer) -> None:
        """Remember a head that was read, if everything in it counts for each answer that has the same.

        Args:
            head: Its bytes, with the empty line.
            answer: What was read; to a request that would have got a body.
        """
        if answer.length >= 0 and answer.status not in _BODILESS and len(head) <= LONGEST_KNOWN:
            self.known.keep(head, KnownHead(answer.status, answer.fields, answer.length))

    def trailers(self, raw: Fields) -> Fields:
        """The trailer fields that may pass: none that belongs into a header (RFC 9110 section 6.5.1)."""
        judged = [(*self._passage.judge(name), value) for name, value in raw]
        return [(name, value) for name, fate, value in judged if fate is Fate.PASSES and name not in _NO_TRAILER]

    def _sorted(self, raw: Fields) -> tuple[Fields, list[bytes], list[bytes], list[bytes]]:
        kept: Fields = []
        connection: list[bytes] = []
        lengths: list[bytes] = []
        codings: list[bytes] = []
        judge, known, passes = self._passage.judge, self._passage.known.get, Fate.PASSES
        for sent, value in raw:
            name, fate = known(sent) or judge(sent)
            if fate is passes:
                kept.append((name, value))
            elif fate is Fate.CONNECTION:
                if value not in NAMES_NOTHING:
                    connection.append(value)
            elif name == b"content-length":
                lengths.append(value)
            elif name == b"transfer-encoding":
                codings.append(value)
        return kept, connection, lengths, codings


#: Fields that say how a message is read, who sent it or what may be done with it.
_NO_TRAILER = frozenset({b"authorization", b"cache-control", b"content-encoding", b"content-length", b"content-range",
                         b"content-type", b"cookie", b"expires", b"host", b"location", b"set-cookie", b"vary",
                         b"www-authenticate"})


def _framing(lengths: list[bytes], codings: list[bytes]) -> int:
    if codings:
        if lengths or [coding.lower() for coding in codings] != [b"chunked"]:
            raise UpstreamBrokenError("the server's answer does not say clearly where it ends")
        return CHUNKED
    if not lengths:
        return UNTIL_CLOSED
    if len(lengths) > 1 or not (lengths[0].isdigit() and len(lengths[0]) <= 18):
        raise UpstreamBrokenError("Content-Length of the server's answer is not one number")
    return int(lengths[0])
