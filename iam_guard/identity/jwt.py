"""JWTAuthenticator: bearer tokens of configured issuers to principals.

    header -> token -> issuer -> key -> signature -> claims -> principal

Each step trusts only what the steps before it established. The unverified ``iss`` chooses whose
configuration applies and nothing else; no step fetches anything that a token names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
from cachetools import FIFOCache

from iam_guard.errors import AuthenticationError, ConfigurationError, Fault, UnavailableError
from iam_guard.identity.authorization import authorization_scheme
from iam_guard.identity.bearer import bearer_challenge, bearer_token
from iam_guard.identity.claim_checks import check_claims
from iam_guard.identity.claimant import group_names, principal_from_claims
from iam_guard.identity.clock import SteadyClock
from iam_guard.identity.confirmation import Confirmation, read_confirmation
from iam_guard.identity.fetch import new_client
from iam_guard.identity.issuer import GroupsResolver, Issuer, check_issuers
from iam_guard.identity.jwks import DEFAULT_REFRESH, KeySource, RefreshSettings
from iam_guard.identity.jwt_svid import SpiffeMapping, trust_domain_of
from iam_guard.identity.key_sources import is_fetched, open_key_source
from iam_guard.identity.keys import Algorithm, KeySet, VerificationKey
from iam_guard.identity.repeatable import Again
from iam_guard.identity.token import KEPT_HEADERS, MAX_TOKEN, Headers, UnverifiedToken, malformed, read_token
from iam_guard.identity.token_identity import TokenIdentity, check_revocation, identity_of
from iam_guard.identity.token_reader import ReadToken, looks_signed
from iam_guard.model import EMPTY, Principal

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest

#: One text for every reason that would tell a forger which part to try next (wire contracts, section 11).
NOT_VALID = "The access token is not valid"
RESOLVER_DEADLINE = 5.0


@dataclass(frozen=True, slots=True)
class _Trust:
    issuer: Issuer
    source: KeySource


@dataclass(frozen=True, slots=True)
class _Verified:
    """A remembered success, and the facts that it stands on."""

    principal: Principal
    identity: TokenIdentity
    until: float
    source: KeySource
    keys: KeySet
    confirmation: Confirmation = EMPTY


class JWTAuthenticator:
    """Turns ``Authorization: Bearer`` into a principal.

    Args:
        issuers: Whose tokens are accepted.
        realm: What challenges call this service.
        resource_metadata: URL of the protected resource metadata (RFC 9728), named in challenges.
        cache_size: How many verified tokens are remembered.
        cache_seconds: For how long at most; never past a token's ``exp``.
        max_token: Longest acceptable token, in characters.
        is_revoked: Asked about every token on every request; must not block.
        clock: Seconds since the epoch.
        http: Client for fetching keys, closed by whoever made it; by default one is made here.
        refresh: Times of the life cycle of fetched keys.

    Raises:
        ConfigurationError: there is no issuer, two can make the same names, or keys cannot be read.
    """

    def __init__(
        self,
        issuers: Sequence[Issuer],
        *,
        realm: str = "api",
        resource_metadata: str = "",
        cache_size: int = 4096,
        cache_seconds: float = 300.0,
        max_token: int = MAX_TOKEN,
        is_revoked: Callable[[TokenIdentity], bool] | None = None,
        clock: Callable[[], float] | None = None,
        http: httpx.AsyncClient | None = None,
        refresh: RefreshSettings = DEFAULT_REFRESH,
    ) -> None:
        check_issuers(issuers)
        if cache_size < 1:
            raise ConfigurationError(Fault(f"a cache of {cache_size} tokens is none", "write at least 1"))
        self._clock = clock or SteadyClock()
        self._own_http = new_client() if http is None and any(map(is_fetched, issuers)) else None
        client = http or self._own_http
        self._trusted = {
            issuer.issuer: _Trust(issuer, open_key_source(issuer, http=client, clock=self._clock, settings=refresh))
            for issuer in issuers
        }
        # Tokens of workloads need not name an issuer: the subject names the trust domain that vouches for it.
        self._domains = {one.issuer.claims.domain.name: one for one in self._trusted.values()
                         if isinstance(one.issuer.claims, SpiffeMapping)}
        self._challenges = (bearer_challenge(realm, resource_metadata),)
        self._max_token, self._cache_seconds, self._is_revoked = max_token, cache_seconds, is_revoked
        # First in, first out: nothing stays longer than 'cache_seconds' anyway, and a hit moves nothing.
        self._verified: FIFOCache[bytes, _Verified] = FIFOCache(cache_size)
        self._headers: Headers = Headers(KEPT_HEADERS)
        # Tokens here may be bound. They are kept apart, so that none is ever found by its text alone.
        self._read: FIFOCache[bytes, _Verified] = FIFOCache(cache_size)

    @property
    def key_sources(self) -> Mapping[str, KeySource]:
        """The key source of each issuer, with its counters where it fetches."""
        return {name: trust.source for name, trust in self._trusted.items()}

    @property
    def schemes(self) -> tuple[str, ...]:
        """See :class:`Way`."""
        return ("bearer",)

    def carries(self, request: HTTPRequest) -> bool:
        """See :class:`Way`."""
        return authorization_scheme(request) == "bearer"

    def reads(self, token: bytes) -> bool:
        """See :class:`TokenReader`."""
        return looks_signed(token)

    def challenges(self) -> tuple[str, ...]:
        """See :class:`Authenticator`."""
        return self._challenges

    async def start(self) -> None:
        """Fetch the keys of all issuers and keep them fresh; an issuer out of reach does not stop the start."""
        await asyncio.gather(*(trust.source.start() for trust in self._trusted.values()))

    async def close(self) -> None:
        """Stop renewals and close the client, when it was made here."""
        async with AsyncExitStack() as stack:
            if self._own_http is not None:
                stack.push_async_callback(self._own_http.aclose)
            for trust in self._trusted.values():
                stack.push_async_callback(trust.source.close)

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        """Say who sent *request*; see :class:`Authenticator`."""
        token = bearer_token(request)
        if token is None:
            return None
        if len(token) > self._max_token:
            raise malformed(f"the token is longer than {self._max_token} characters")
        digest = sha256(token).digest()
        now = self._clock()
        try:
            known = self._verified[digest]
        except KeyError:
            known = None
        if known is None or now >= known.until or known.keys is not known.source.current:
            known = self._verified[digest] = await self._verify(token, now)
        elif now >= known.source.due_at:
            known.source.look_for_news()
        if self._is_revoked is not None:
            check_revocation(self._is_revoked, known.identity)
        return known.principal

    async def check_again(self, request: HTTPRequest) -> None:
        """See :class:`~iam_guard.identity.lasting.Lasting`; a token is not used up by being used."""
        await self.authenticate(request)

    def remembered(self, request: HTTPRequest) -> Principal | None:
        """See :class:`~iam_guard.identity.remembered.Remembering`."""
        token = bearer_token(request)
        if token is None or len(token) > self._max_token:
            return None
        known = self._verified.get(sha256(token).digest())
        return known.principal if known is not None and self._still(known) else None

    def again(self, request: HTTPRequest, principal: Principal) -> Again | None:
        """See :class:`~iam_guard.identity.repeatable.Repeatable`."""
        token = bearer_token(request)
        known = None if token is None else self._verified.get(sha256(token).digest())
        return None if known is None or known.principal is not principal else partial(self._still, known)

    def read_again(self, token: bytes, principal: Principal) -> Again | None:
        """See :class:`~iam_guard.identity.token_reader.RepeatableReader`."""
        known = self._read.get(sha256(token).digest())
        if known is None or known.principal is not principal or known.confirmation is not EMPTY:
            return None
        return partial(self._still, known)

    def _still(self, known: _Verified) -> bool:
        """Whether a token that was verified counts without another look; when news are due there has to be one."""
        now, source = self._clock(), known.source
        return now < known.until and now < source.due_at and known.keys is source.current and (
            self._is_revoked is None or not self._is_revoked(known.identity))

    async def read(self, token: bytes) -> ReadToken:
        """Read a token that may be bound, for who checks its proof; see :class:`TokenReader`."""
        if len(token) > self._max_token:
            raise malformed(f"the token is longer than {self._max_token} characters")
        now, digest = self._clock(), sha256(token).digest()
        try:
            known = self._read[digest]
        except KeyError:
            known = None
        if known is None or now >= known.until or known.keys is not known.source.current:
            known = self._read[digest] = await self._verify(token, now, bound=True)
        elif now >= known.source.due_at:
            known.source.look_for_news()
        if self._is_revoked is not None:
            check_revocation(self._is_revoked, known.identity)
        return ReadToken(known.principal, known.confirmation)

    async def _verify(self, token: bytes, now: float, *, bound: bool = False) -> _Verified:
        unverified = read_token(token, max_length=self._max_token, headers=self._headers)
        trust = self._choose_issuer(unverified)
        issuer, source, claims = trust.issuer, trust.source, unverified.claims
        await _check_signature(unverified, trust)
        keys = source.current
        expires_at = check_claims(claims, unverified.type, issuer, now, bound=bound)
        groups = group_names(claims, issuer.claims)
        if groups is None and issuer.groups_resolver is not None:
            groups = await _resolved(issuer.groups_resolver, claims, issuer)
        principal = principal_from_claims(
            claims, issuer.claims, issuer=issuer.issuer, expires_at=expires_at + issuer.leeway, groups=groups
        )
        until = min(expires_at, now + self._cache_seconds, source.good_until)
        return _Verified(principal, identity_of(claims, issuer.issuer), until, source, keys, read_confirmation(claims))

    def _choose_issuer(self, token: UnverifiedToken) -> _Trust:
        name = token.claims.get("iss")
        trust = self._trusted.get(name) if isinstance(name, str) else None
        if trust is None and self._domains and isinstance(name, str | None):
            trust = self._domains.get(trust_domain_of(token.claims.get("sub")))
        if trust is None:
            raise AuthenticationError(NOT_VALID, detail="'iss' is no configured issuer")
        return trust


async def _check_signature(token: UnverifiedToken, trust: _Trust) -> None:
    algorithm = trust.issuer.algorithm_table.get(token.algorithm)
    if algorithm is None:
        raise AuthenticationError(NOT_VALID, detail=f"'alg' is none that '{trust.issuer.issuer}' is allowed")
    keys = await trust.source.find(token.key_id, algorithm)
    if _verifies(keys, token, algorithm):
        return
    # Without a 'kid' only the signature can tell that the key is one not seen yet.
    if keys and token.key_id is None and await trust.source.has_news():
        keys = await trust.source.find(None, algorithm)
        if _verifies(keys, token, algorithm):
            return
    why = "the signature is wrong" if keys else "no key of the issuer fits 'kid' and 'alg'"
    raise AuthenticationError(NOT_VALID, detail=f"{why} ('{trust.issuer.issuer}')")


def _verifies(keys: Sequence[VerificationKey], token: UnverifiedToken, algorithm: Algorithm) -> bool:
    return any(key.verifies(algorithm, token.signed, token.signature) for key in keys)


async def _resolved(resolve: GroupsResolver, claims: Mapping[str, Any], issuer: Issuer) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(RESOLVER_DEADLINE):
            return tuple(dict.fromkeys(await resolve(claims)))
    except Exception as error:
        raise UnavailableError(f"the groups of a caller of '{issuer.issuer}' could not be resolved") from error
