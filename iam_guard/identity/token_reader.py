"""The port through which a scheme has a token read whose binding the scheme itself checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from iam_guard.identity.confirmation import Confirmation
from iam_guard.identity.repeatable import Again
from iam_guard.model import EMPTY, Principal


@dataclass(frozen=True, slots=True)
class ReadToken:
    """A genuine token that is good for this service, as long as its binding is met.

    Attributes:
        principal: Whom it names.
        confirmation: What it is bound to; empty for a bearer token.
        type: ``token_type`` where the issuer tells it, in lower case.
    """

    principal: Principal
    confirmation: Confirmation = EMPTY
    type: str = ""


def looks_signed(token: bytes) -> bool:
    """Whether *token* has the shape of a signed one: three parts, the first of which begins an object.

    Opaque tokens may have three parts too, such as the one in RFC 6750 section 2.1.
    """
    return token.startswith(b"e") and token.count(b".") == 2


@runtime_checkable
class RepeatableReader(Protocol):
    """A reader that can tell, without waiting, whether it would read a token as it did a moment ago."""

    def read_again(self, token: bytes, principal: Principal) -> Again | None:
        """How to find out that *token* still names *principal*; ``None`` for one that is bound, or unknown."""


class TokenReader(Protocol):
    """Reads tokens of one kind, such as signed ones or opaque ones."""

    def reads(self, token: bytes) -> bool:
        """Whether *token* is of this kind, judged by its shape alone."""

    async def read(self, token: bytes) -> ReadToken:
        """Check everything about *token* but the proof that its sender owes.

        Raises:
            AuthenticationError: it is not good.
            UnavailableError: it cannot be judged at the moment.
        """

    async def start(self) -> None:
        """Prepare what reading needs."""

    async def close(self) -> None:
        """Release it."""
