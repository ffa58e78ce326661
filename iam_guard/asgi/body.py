"""A request body that is held back, wholly or in part, until it is known to be what was signed.

An application never sees the end of a body that is wrong: either it does not run, or reading fails and whatever it
answers is replaced by a denial or, when the answer has begun, by the end of the connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from iam_guard.asgi.types import ASGIApp, Message, Receive, Scope, Send
from iam_guard.errors import AuthenticationError, ConfigurationError, Fault, RequestRefusedError
from iam_guard.http.body import BodyCheck


class HeldBody:
    """Implements :class:`iam_guard.http.body.RequestBody` over the messages of a server.

    Args:
        receive: Of the server.

    Attributes:
        refused: Why the body was found to be wrong while the application read it.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._held: deque[Message] = deque()
        self._size = 0
        self._whole = False
        self._ended = False
        self._check: BodyCheck | None = None
        self.refused: AuthenticationError | RequestRefusedError | None = None

    async def read(self, limit: int) -> Iterable[bytes] | None:
        """See :class:`~iam_guard.http.body.RequestBody`; a message of the server is held whole."""
        while not self._whole and self._size <= limit:
            message = await self._receive()
            if message["type"] != "http.request":
                raise RequestRefusedError("The request body did not arrive.", code="invalid-request")
            self._held.append(message)
            self._size += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
        return [one.get("body", b"") for one in self._held] if self._size <= limit else None

    def pass_through(self, check: BodyCheck) -> None:
        """See :class:`~iam_guard.http.body.RequestBody`.

        Raises:
            ConfigurationError: there is a check already.
        """
        if self._check is not None:
            raise ConfigurationError(Fault("a body is checked twice"))
        self._check = check

    @property
    def is_unchecked(self) -> bool:
        """Whether it is to be checked while the application reads it, which it has not done yet."""
        return self._check is not None and not self._ended

    async def run(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        """Run an application on this body.

        Raises:
            AuthenticationError: the body was wrong, whatever the application made of that.
            RequestRefusedError: it could not be checked.
        """

        async def answer(message: Message) -> None:
            if self.refused is None:
                await send(message)

        if self._check is not None:
            scope["headers"] = self._check.headers(list(scope["headers"]))
        try:
            await app(scope, self.receive, answer)
        except Exception:
            if self.refused is None:
                raise
        if self.refused is not None:
            raise self.refused

    async def receive(self) -> Message:
        """The next message for the application: what was held first, then what comes.

        Raises:
            AuthenticationError: the body is another than was signed.
            RequestRefusedError: it cannot be checked.
        """
        if self.refused is not None:
            return {"type": "http.disconnect"}
        while True:
            message = self._held.popleft() if self._held else await self._receive()
            if self._check is None or self._ended or message["type"] != "http.request":
                return message
            if (passed := self._looked_at(message, self._check)) is not None:
                return passed

    def _looked_at(self, message: Message, check: BodyCheck) -> Message | None:
        """What of a message the application may have; ``None`` for nothing yet."""
        more = bool(message.get("more_body", False))
        try:
            piece = check.feed(message.get("body", b""))
            if not more:
                piece += check.finish()
        except (AuthenticationError, RequestRefusedError) as wrong:
            self.refused = wrong
            raise
        self._ended = not more
        return {"type": "http.request", "body": piece, "more_body": more} if piece or not more else None
