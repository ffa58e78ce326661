"""The port through which a door learns who is asking.

A door asks one Authenticator. The three possible answers are kept apart, because mixing them up is how
systems let strangers in: a principal, *no credentials were sent* (``None``), and *bad credentials were
sent* (an error, which no other authenticator and no anonymous rule may turn into a yes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.model import Principal


class Authenticator(Protocol):
    """Turns the credentials of a request into a Principal."""

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        """Say who sent *request*.

        Returns:
            The caller, or ``None`` when the request carries no credentials of the kind read here.

        Raises:
            AuthenticationError: credentials were sent and are not acceptable.
            UnavailableError: credentials were sent and cannot be judged at the moment.
        """

    def challenges(self) -> tuple[str, ...]:
        """``WWW-Authenticate`` values for a request without credentials (RFC 9110 section 11.6.1)."""

    async def start(self) -> None:
        """Prepare what requests will need, such as key sets."""

    async def close(self) -> None:
        """Release connections and stop background work."""
