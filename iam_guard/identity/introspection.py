"""Introspection: opaque tokens, about which their issuer is asked (RFC 7662).

An answer is believed for a few seconds and never past the token's own end, so that a revocation at the issuer is
seen soon. An issuer that cannot be asked is not a bad token: the request is answered 503, and nothing runs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

import httpx
from cachetools import FIFOCache

from iam_guard.errors import AuthenticationError, ConfigurationError, Fault, UnavailableError
from iam_guard.identity.claim_checks import instant
from iam_guard.identity.claimant import group_names, is_name, principal_from_claims
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.clock import SteadyClock
from iam_guard.identity.confirmation import read_confirmation
from iam_guard.identity.discovery import is_key_url
from iam_guard.identity.fetch import FetchError, new_client
from iam_guard.identity.introspection_call import ClientSecret, ask
from iam_guard.identity.repeatable import Again
from iam_guard.identity.token import malformed
from iam_guard.identity.token_identity import IsRevoked, TokenIdentity, check_revocation, identity_of
from iam_guard.identity.token_reader import ReadToken, looks_signed
from iam_guard.model import EMPTY, Principal

NOT_VALID = "The access token is not valid"
#: Questions to one issuer that may be open at a time (promise S18).
MAX_OPEN = 64
MAX_LEEWAY, MAX_CACHE_SECONDS = 60, 300
_ACCESS_TYPES = ("bearer", "dpop")
#: ``b64token`` of RFC 6750 section 2.1; anything else costs no question.
_OPAQUE = re.compile(rb"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True)
class Introspection:
    """An issuer of opaque tokens, and what they are good for.

    Attributes:
        url: Its introspection endpoint.
        issuer: What its callers are said to come from; an ``iss`` in an answer has to be this.
        audience: Names of this service, one of which ``aud`` of an answer must hold.
        any_audience: Instead: the issuer calls a token active for those alone that it was issued for (RFC 7662
            section 4).
        client: How this service proves to the issuer that it may ask.
        claims: How an answer becomes a principal.
        signed: Ask about tokens as well that look like signed ones.
        leeway: Seconds that clocks may differ, at most 60.
        cache_seconds: How long an answer is believed; 0 asks about every request.
        allow_http: Ask over plain http; for closed networks only.

    Raises:
        ConfigurationError: it could not be asked, or not in confidence.
    """

    url: str
    issuer: str
    client: ClientSecret = field(repr=False)
    audience: tuple[str, ...] = ()
    any_audience: bool = False
    claims: ClaimMapping = field(default_factory=ClaimMapping)
    signed: bool = False
    leeway: float = 30
    cache_seconds: float = 5
    allow_http: bool = False

    def __post_init__(self) -> None:
        if faults := list(_faults(self)):
            raise ConfigurationError(faults)


def _faults(told: Introspection) -> list[Fault]:
    checks = (
        (is_key_url(told.url, allow_http=told.allow_http), f"tokens are not sent to '{told.url}'",
         "use an https URL", "/url"),
        (bool(told.issuer), "the issuer has no name", "write what its answers call it in 'iss', or its URL", "/issuer"),
        (bool(told.audience) != told.any_audience, "there has to be an audience",
         "write what its tokens call this service in 'aud', or set 'any_audience' instead", "/audience"),
        (0 <= told.leeway <= MAX_LEEWAY, f"a leeway of {told.leeway} s is not between 0 and {MAX_LEEWAY}",
         "set the clocks", "/leeway"),
        (0 <= told.cache_seconds <= MAX_CACHE_SECONDS,
         f"answers are not kept for {told.cache_seconds} s", f"write 0 to {MAX_CACHE_SECONDS}", "/cache_seconds"),
    )
    return [Fault(message, mend, pointer) for fine, message, mend, pointer in checks if not fine]


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer: a token, or why there is none, and until when it is believed; and what it is revoked by."""

    token: ReadToken | AuthenticationError
    until: float
    identity: TokenIdentity | None = None


class IntrospectionReader:
    """Reads opaque tokens by asking their issuer; see :class:`TokenReader`.

    Args:
        introspection: Whom to ask.
        cache_size: How many answers are kept, good and bad ones apart.
        is_revoked: Asked about every token on every request; must not block.
        clock: Seconds since the epoch.
        http: Client for asking, closed by whoever made it; by default one is made here.
    """

    def __init__(self, introspection: Introspection, *, cache_size: int = 4096, is_revoked: IsRevoked | None = None,
                 clock: Callable[[], float] | None = None, http: httpx.AsyncClient | None = None) -> None:
        self._told, self._is_revoked = introspection, is_revoked
        self._clock = clock or SteadyClock()
        self._http = new_client() if http is None else http
        self._is_own_http = http is None
        # Apart, so that a flood of invented tokens pushes no good one out.
        self._good: FIFOCache[bytes, _Known] = FIFOCache(cache_size)
        self._bad: FIFOCache[bytes, _Known] = FIFOCache(cache_size)
        self._asking: dict[bytes, asyncio.Task[_Known]] = {}

    def reads(self, token: bytes) -> bool:
        """Signed tokens are left to who verifies signatures, unless told otherwise."""
        return self._told.signed or not looks_signed(token)

    async def start(self) -> None:
        """Nothing has to be fetched in advance."""

    async def close(self) -> None:
        """Stop asking, and close the client when it was made here."""
        for task in tuple(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        if self._is_own_http:
            await self._http.aclose()

    async def read(self, token: bytes) -> ReadToken:
        """Say whom *token* names; see :class:`TokenReader`."""
        if not _OPAQUE.fullmatch(token):
            raise malformed("the token holds what no token holds")
        digest, now = sha256(token).digest(), self._clock()
        known = self._good.get(digest) or self._bad.get(digest)
        if known is None or now >= known.until:
            known = await self._asked(digest, token)
        if isinstance(known.token, AuthenticationError):
            refusal = known.token
            raise AuthenticationError(refusal.description, code=refusal.code, detail=refusal.detail)
        if self._is_revoked is not None and known.identity is not None:
            check_revocation(self._is_revoked, known.identity)
        return known.token

    def read_again(self, token: bytes, principal: Principal) -> Again | None:
        """See :class:`~iam_guard.identity.token_reader.RepeatableReader`."""
        known = self._good.get(sha256(token).digest())
        if known is None or not isinstance(known.token, ReadToken):
            return None
        read = known.token
        if read.principal is not principal or read.confirmation is not EMPTY:
            return None
        return partial(self._still, known)

    def _still(self, known: _Known) -> bool:
        return self._clock() < known.until and (
            self._is_revoked is None or known.identity is None or not self._is_revoked(known.identity))

    async def _asked(self, digest: bytes, token: bytes) -> _Known:
        """Ask once, however many requests wait for the same answer."""
        task = self._asking.get(digest)
        if task is None:
            if len(self._asking) >= MAX_OPEN:
                raise UnavailableError(f"too many questions to '{self._told.url}' are open")
            task = self._asking[digest] = asyncio.create_task(self._answer(digest, token))
            task.add_done_callback(lambda done: self._settled(digest, done))
        return await asyncio.shield(task)

    def _settled(self, digest: bytes, task: asyncio.Task[_Known]) -> None:
        self._asking.pop(digest, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may be left to

    async def _answer(self, digest: bytes, token: bytes) -> _Known:
        told = self._told
        asked_at = self._clock()
        try:
            claims = await ask(self._http, told.url, token, told.client)
        except FetchError as error:
            raise UnavailableError(f"'{told.url}' cannot tell whether a token is good: {error}") from error
        now = self._clock()
        try:
            known = _read(claims, told, now, believed_until=asked_at + told.cache_seconds)
        except AuthenticationError as refusal:
            known = _Known(refusal, asked_at + told.cache_seconds)
        self._keep(digest, known)
        return known

    def _keep(self, digest: bytes, known: _Known) -> None:
        is_bad = isinstance(known.token, AuthenticationError)
        (self._good if is_bad else self._bad).pop(digest, None)
        (self._bad if is_bad else self._good)[digest] = known


def _read(answer: Mapping[str, Any], told: Introspection, now: float, *, believed_until: float) -> _Known:
    """Check an answer as strictly as a signed token would be."""
    if answer.get("active") is not True:
        raise AuthenticationError(NOT_VALID, detail="the issuer does not call the token active")
    if answer.get("iss", told.issuer) != told.issuer:
        raise AuthenticationError(NOT_VALID, detail="'iss' of the answer is another issuer")
    claims = {**answer, "iss": told.issuer}
    expires_at = _check_times(claims, told, now)
    _check_audience(claims, told)
    if not is_name(claims.get("sub")):
        raise AuthenticationError("The access token has no usable subject", detail="'sub' is absent or no plain text")
    token = ReadToken(_principal(claims, told, expires_at + told.leeway), read_confirmation(claims), _type(claims))
    return _Known(token, min(believed_until, expires_at), identity_of(claims, told.issuer))


def _principal(claims: Mapping[str, Any], told: Introspection, expires_at: float) -> Principal:
    return principal_from_claims(claims, told.claims, issuer=told.issuer, expires_at=expires_at,
                                 groups=group_names(claims, told.claims))


def _check_times(claims: Mapping[str, Any], told: Introspection, now: float) -> float:
    expires_at = instant(claims, "exp")
    if expires_at is None:
        raise AuthenticationError("The access token does not expire", detail="'exp' is absent")
    if now >= expires_at + told.leeway:
        raise AuthenticationError("The access token expired", detail="'exp' is past")
    moments = [instant(claims, name) for name in ("iat", "nbf", "auth_time")]
    if any(moment is not None and moment > now + told.leeway for moment in moments):
        raise AuthenticationError("The access token is not valid yet", detail="a time of the answer is in the future")
    return expires_at


def _check_audience(claims: Mapping[str, Any], told: Introspection) -> None:
    if told.any_audience and "aud" not in claims:
        return
    found = claims.get("aud")
    values = [found] if isinstance(found, str) else found
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise AuthenticationError("The access token has no audience", detail="'aud' is absent or of another type")
    if not told.any_audience and set(told.audience).isdisjoint(values):
        raise AuthenticationError("The access token is for another audience", detail="'aud' is none of ours")


def _type(claims: Mapping[str, Any]) -> str:
    said = claims.get("token_type", "")
    kind = said.lower() if isinstance(said, str) else "?"
    if kind and kind not in _ACCESS_TYPES:
        raise AuthenticationError("The token is of the wrong kind", detail="'token_type' is not one of access tokens")
    return kind
