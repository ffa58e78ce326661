"""The port through which a door learns who is asking, and a chain of several.

A door asks one Authenticator. The three possible answers are kept apart, because mixing them up is how
systems let strangers in: a principal, *no credentials were sent* (``None``), and *bad credentials were
sent* (an error, which no other authenticator and no anonymous rule may turn into a yes).
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol

from iam_guard.errors import AuthenticationError, ConfigurationError, Fault
from iam_guard.identity.lasting import check_again

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


class AuthenticatorChain:
    """Asks several authenticators; exactly one kind of credential may be present.

    Bad credentials end the search: they are never retried as another kind. Credentials of two kinds in
    one request are refused, since two readers of that request could disagree about the caller.

    Args:
        authenticators: Asked in this order.

    Raises:
        ConfigurationError: the chain is empty.
    """

    def __init__(self, *authenticators: Authenticator) -> None:
        if not authenticators:
            raise ConfigurationError(Fault("the authenticator chain is empty", "give it at least one"))
        self._authenticators = authenticators
        self._open = AsyncExitStack()

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        """Return the one principal that the request's credentials stand for.

        Raises:
            AuthenticationError: some credentials are bad, or there are two kinds of them.
        """
        caller = None
        for authenticator in self._authenticators:
            found = await authenticator.authenticate(request)
            if found is not None and caller is not None:
                raise AuthenticationError("More than one credential was sent", code="invalid_request")
            caller = found or caller
        return caller

    async def check_again(self, request: HTTPRequest) -> None:
        """See :class:`~iam_guard.identity.lasting.Lasting`; each looks at its own kind."""
        for authenticator in self._authenticators:
            await check_again(authenticator, request)

    def challenges(self) -> tuple[str, ...]:
        """Every challenge of every authenticator, once each."""
        return tuple(dict.fromkeys(value for one in self._authenticators for value in one.challenges()))

    async def start(self) -> None:
        """Start all; when one fails, those already started are closed again."""
        async with AsyncExitStack() as stack:
            for authenticator in self._authenticators:
                stack.push_async_callback(authenticator.close)
                await authenticator.start()
            self._open = stack.pop_all()

    async def close(self) -> None:
        """Close all that were started, also when closing one of them fails."""
        await self._open.aclose()
