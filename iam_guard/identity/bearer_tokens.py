"""BearerTokens: the Bearer scheme where tokens are of several kinds, or bound to client certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from iam_guard.errors import AuthenticationError, ConfigurationError, Fault
from iam_guard.identity.authorization import authorization_scheme
from iam_guard.identity.bearer import bearer_challenge, bearer_token
from iam_guard.identity.certificate_proof import NO_CERTIFICATES, CertificateProof
from iam_guard.identity.confirmation import Confirmation, check_confirmation
from iam_guard.identity.one_credential import key_sources_of
from iam_guard.identity.repeatable import Again
from iam_guard.identity.token import MAX_TOKEN, malformed
from iam_guard.identity.token_reader import ReadToken, RepeatableReader, TokenReader
from iam_guard.model import EMPTY

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.identity.jwks import KeySource
    from iam_guard.model import Principal

Kind = TypeVar("Kind")


class BearerTokens:
    """Turns ``Authorization: Bearer`` into a principal, by the reader whose kind of token was sent.

    A token that is bound to a key of DPoP is refused here (RFC 9449 section 7.1): whoever stole it cannot choose
    the scheme that asks for no proof.

    Args:
        readers: Who reads the tokens; started and closed with this.
        realm: What challenges call this service.
        resource_metadata: URL of the protected resource metadata, named in challenges.
        certificates: Where the certificate is that a token may be bound to.
    """

    schemes = ("bearer",)

    def __init__(self, readers: Readers, *, realm: str = "api", resource_metadata: str = "",
                 certificates: CertificateProof = NO_CERTIFICATES) -> None:
        self._readers = readers
        self._challenges = (bearer_challenge(realm, resource_metadata),)
        self._certificates = certificates

    def carries(self, request: HTTPRequest) -> bool:
        """See :class:`Way`."""
        return authorization_scheme(request) == "bearer"

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        """Say who sent *request*; see :class:`Authenticator`."""
        token = bearer_token(request)
        if token is None:
            return None
        shown = self._certificates.shown(request)
        found = await self._readers.read(token)
        if found.type not in ("", "bearer"):
            raise AuthenticationError("The access token is bound to a key", detail="it is no bearer token")
        if found.confirmation is not EMPTY:
            check_confirmation(found.confirmation, shown)
        if shown is not EMPTY:
            self._certificates.check_alone(request, found.confirmation)
        return found.principal

    async def check_again(self, request: HTTPRequest) -> None:
        """See :class:`~iam_guard.identity.lasting.Lasting`; a token is not used up by being used."""
        await self.authenticate(request)

    def again(self, request: HTTPRequest, principal: Principal) -> Again | None:
        """See :class:`~iam_guard.identity.repeatable.Repeatable`; a bound token is judged anew each time."""
        token = bearer_token(request)
        again = None if token is None else self._readers.again(token, principal)
        if again is None or self._certificates.source is None:
            return again
        return partial(self._still_shown, again, request, self._certificates.shown(request))

    def _still_shown(self, again: Again, request: HTTPRequest, shown: Confirmation) -> bool:
        """A certificate beside the token has to be valid whenever it is shown."""
        return self._certificates.shown(request) == shown and again()

    @property
    def key_sources(self) -> Mapping[str, KeySource]:
        """The key sources of the readers, by issuer."""
        return self._readers.key_sources

    def challenges(self) -> tuple[str, ...]:
        """See :class:`Authenticator`."""
        return self._challenges

    async def start(self) -> None:
        """Start all readers."""
        await self._readers.start()

    async def close(self) -> None:
        """Close all readers."""
        await self._readers.close()


class Readers:
    """Several readers of tokens, told apart by the shape of the token; schemes may share them.

    Args:
        readers: Asked in this order; the first that knows the shape reads the token.

    Raises:
        ConfigurationError: there is none.
    """

    def __init__(self, *readers: TokenReader) -> None:
        if not readers:
            raise ConfigurationError(Fault("nobody reads the tokens", "configure issuers or introspection"))
        self._readers = readers
        self._is_started = False

    @property
    def key_sources(self) -> Mapping[str, KeySource]:
        """The key sources of all readers that have some, by issuer."""
        return {name: source for reader in self._readers for name, source in key_sources_of(reader).items()}

    def only(self, kind: type[Kind]) -> Kind | None:
        """The one reader, when there is no other and it is of this *kind*."""
        first = self._readers[0]
        return first if len(self._readers) == 1 and isinstance(first, kind) else None

    async def read(self, token: bytes) -> ReadToken:
        """Have *token* read; see :class:`TokenReader`."""
        if len(token) > MAX_TOKEN:
            raise malformed(f"the token is longer than {MAX_TOKEN} characters")
        for reader in self._readers:
            if reader.reads(token):
                return await reader.read(token)
        raise malformed("the token has the shape of none that is read here")

    def again(self, token: bytes, principal: Principal) -> Again | None:
        """How to find out that *token* is still read as naming *principal*; ``None`` where that cannot be told."""
        reader = next((one for one in self._readers if one.reads(token)), None)
        return reader.read_again(token, principal) if isinstance(reader, RepeatableReader) else None

    async def start(self) -> None:
        """Start all at once, for the first of the schemes that share them."""
        if not self._is_started:
            self._is_started = True
            await asyncio.gather(*(reader.start() for reader in self._readers))

    async def close(self) -> None:
        """Close all, also when closing one of them fails."""
        self._is_started = False
        async with AsyncExitStack() as stack:
            for reader in self._readers:
                stack.push_async_callback(reader.close)
