"""The body of a request, as those see it who check credentials that cover it.

A door that can hold a body back gives it to :class:`~iam_guard.http.request.HTTPRequest`; nobody else reads bodies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class BodyCheck(Protocol):
    """Looks at a body on its way to the application."""

    def feed(self, piece: bytes) -> bytes:
        """Take a piece, and say what the application may have by now.

        Raises:
            AuthenticationError: the body is another than was signed.
            RequestRefusedError: it cannot be looked at within its limits.
        """
        ...

    def finish(self) -> bytes:
        """Take the end, and say what the application may still have.

        Raises:
            AuthenticationError: the body is another than was signed.
        """
        ...

    def headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers that describe what the application gets."""
        ...


class RequestBody(Protocol):
    """A body that the application has seen nothing of yet, and will see whole."""

    async def read(self, limit: int) -> Iterable[bytes] | None:
        """The pieces of the whole body, or ``None`` when it is longer than *limit*; it is read no further than that.

        Raises:
            RequestRefusedError: the client left before it was here.
        """
        ...

    def pass_through(self, check: BodyCheck) -> None:
        """Let the application have only what *check* lets through, once."""
        ...
