"""Several ways to say who, and one of them in a request (promise S10).

Whoever looks at a request must see the same caller. So the kinds of credentials that a request carries are counted
before any of them is judged; two are refused whatever they are worth, and a kind that nobody reads here is refused
rather than overlooked: anonymous is who sent nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol

from iam_guard.errors import AuthenticationError, ConfigurationError, Fault
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.authorization import authorization_scheme
from iam_guard.identity.lasting import check_again
from iam_guard.identity.remembered import remembered
from iam_guard.identity.repeatable import Again, how_again
from iam_guard.model import EMPTY

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.identity.jwks import KeySource
    from iam_guard.model import Principal


class Way(Authenticator, Protocol):
    """An authenticator that can tell, without judging them, whether a request carries its credentials."""

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of ``Authorization`` that are read here, in lower case; empty for none."""

    def carries(self, request: HTTPRequest) -> bool:
        """Whether *request* carries credentials of this kind, good or bad.

        Raises:
            AuthenticationError: it carries them twice, or in a shape that can be read in two ways.
        """


class OneCredential:
    """Asks the one way whose credentials a request carries.

    Args:
        ways: Each reads its own kind; no two read the same.

    Raises:
        ConfigurationError: there is no way, or two read the same scheme.
    """

    def __init__(self, *ways: Way) -> None:
        if not ways:
            raise ConfigurationError(Fault("there is no way to say who", "configure issuers or another credential"))
        self._ways = ways
        self._readers = {scheme: way for way in ways for scheme in way.schemes}
        if len(self._readers) != sum(len(way.schemes) for way in ways):
            raise ConfigurationError(Fault("two ways read the same scheme", "join both into one"))
        self._open = AsyncExitStack()

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of all ways."""
        return tuple(self._readers)

    @property
    def key_sources(self) -> Mapping[str, KeySource]:
        """The key sources of all ways that have some, by issuer."""
        return {name: source for way in self._ways for name, source in key_sources_of(way).items()}

    def carries(self, request: HTTPRequest) -> bool:
        """Whether *request* carries credentials of any kind; see :class:`Way`."""
        return any(way.carries(request) for way in self._ways) or bool(self._unread(request, []))

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        """Say who sent *request*; see :class:`Authenticator`.

        Raises:
            AuthenticationError: there are two credentials, bad ones, or ones that nobody reads here.
        """
        carried = [way for way in self._ways if way.carries(request)]
        unread = self._unread(request, carried)
        if unread or len(carried) > 1:
            if len(carried) + len(unread) > 1:
                raise AuthenticationError("More than one credential was sent", code="invalid_request")
            raise AuthenticationError("The credentials are of no kind that is accepted here", detail=unread[0])
        if not carried:
            return None
        caller = await carried[0].authenticate(request)
        if caller is None:
            # It said that there are credentials: nobody found in them is not the same as nobody sent.
            raise AuthenticationError("The credentials could not be read",
                                      detail="a way found none of what it announced")
        return caller

    def remembered(self, request: HTTPRequest) -> Principal | None:
        """See :class:`~iam_guard.identity.remembered.Remembering`."""
        carried = [way for way in self._ways if way.carries(request)]
        if len(carried) != 1 or self._unread(request, carried):
            return None
        return remembered(carried[0], request)

    def _unread(self, request: HTTPRequest, carried: list[Way]) -> list[str]:
        """What looks like credentials and is none of those that *carried* read; for the log."""
        found = []
        scheme = authorization_scheme(request)
        if scheme is not None and self._readers.get(scheme) not in carried:
            found.append("nobody reads this scheme of 'Authorization'")
        if b"access_token" in request.query_string and "access_token" in request.query:
            # Logs and other people see it there (RFC 6750 section 5.3, threat J20).
            found.append("a token stands in the query")
        return found

    async def check_again(self, request: HTTPRequest) -> None:
        """See :class:`~iam_guard.identity.lasting.Lasting`; asks the way whose credentials were accepted."""
        for way in self._ways:
            if way.carries(request):
                await check_again(way, request)

    def again(self, request: HTTPRequest, principal: Principal) -> Again | None:
        """See :class:`~iam_guard.identity.repeatable.Repeatable`; asks the way whose credentials were accepted.

        What the others find in a request does not change, but for a certificate that expires.
        """
        carried = [way for way in self._ways if way.carries(request)]
        if len(carried) != 1:
            return None
        again = how_again(carried[0], request, principal)
        others = [way for way in self._ways if way is not carried[0] and not way.schemes]
        if again is None or not others:
            return again
        return lambda: again() and not any(way.carries(request) for way in others)

    def challenges(self) -> tuple[str, ...]:
        """The challenges of all ways, once each."""
        return tuple(dict.fromkeys(value for way in self._ways for value in way.challenges()))

    async def start(self) -> None:
        """Start all; when one fails, those already started are closed again."""
        async with AsyncExitStack() as stack:
            for way in self._ways:
                stack.push_async_callback(way.close)
                await way.start()
            self._open = stack.pop_all()

    async def close(self) -> None:
        """Close all that were started, also when closing one of them fails."""
        await self._open.aclose()


def key_sources_of(owner: object) -> Mapping[str, KeySource]:
    """The key sources of a way or a reader, by issuer; none where no keys are needed."""
    found: Mapping[str, KeySource] = getattr(owner, "key_sources", EMPTY)
    return found
