"""SigV4Authenticator: requests signed with an access key to principals."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from iam_guard.errors import BodyNeededError
from iam_guard.http.challenge import challenge
from iam_guard.identity.access_keys import AccessKeys, KnownKey, TemporaryKeys
from iam_guard.identity.clock import SteadyClock
from iam_guard.identity.replay import MemoryReplayCache, ReplayCache
from iam_guard.identity.sigv4.canonical import canonical_request
from iam_guard.identity.sigv4.chunks import ChunkCheck
from iam_guard.identity.sigv4.claim import Claim, in_header, in_query, read_claim
from iam_guard.identity.sigv4.coverage import check_coverage
from iam_guard.identity.sigv4.dates import seconds_of
from iam_guard.identity.sigv4.payload import (
    EMPTY,
    IN_CHUNKS,
    UNSIGNED,
    check_unsigned,
    declared_payload,
    hash_of_body,
    hold_to,
)
from iam_guard.identity.sigv4.refusals import ALGORITHM, expired, malformed, not_valid
from iam_guard.identity.sigv4.rules import SignatureRules
from iam_guard.identity.sigv4.signature import is_same, sign, signing_key, string_to_sign

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.model import Principal

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class SigV4Authenticator:
    """Turns a request that is signed with AWS Signature Version 4 into a principal.

    The order of the checks is such that nothing is told, nor held in memory, for those who do not have a secret:
    what can be read without a key comes first and is the same for all keys, a body is waited for only when the
    signature is right, or when it cannot be checked otherwise.

    Args:
        keys: Knows long-term access keys.
        rules: What signatures have to keep to.
        temporary: Knows the keys of sessions; without it, requests with a session token are refused.
        used: Remembers signatures that count once; by default those that came to this process.
        realm: What challenges call this service.
        clock: Seconds since the epoch.
    """

    schemes = (ALGORITHM.lower(),)

    def __init__(self, keys: AccessKeys, rules: SignatureRules, *, temporary: TemporaryKeys | None = None,
                 used: ReplayCache | None = None, realm: str = "api",
                 clock: Callable[[], float] | None = None) -> None:
        self._keys, self._rules, self._temporary = keys, rules, temporary
        self._clock = clock or SteadyClock(time.time, time.monotonic)
        self._challenges = (challenge(ALGORITHM, realm=realm),)
        self._used = MemoryReplayCache(rules.replay_entries) if used is None else used
        # Signs in place of a secret that we do not have, so that a missing one takes as long as a wrong one.
        self._decoy = secrets.token_urlsafe(30)

    def carries(self, request: HTTPRequest) -> bool:
        """Whether a request is signed, well or badly, in its header or its query."""
        return in_header(request) or in_query(request)

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        """See :class:`~iam_guard.identity.authenticator.Authenticator`.

        Raises:
            AuthenticationError: the signature does not count.
            BodyNeededError: the door has to hand the body over.
            RequestRefusedError: the body is larger than is accepted.
            UnavailableError: the key could not be looked up, or the replay window is full.
        """
        if not self.carries(request):
            return None
        if request.body is None and request.kind == "http":
            raise BodyNeededError
        claim = read_claim(request)
        until = self._check_time(claim)
        check_coverage(request, claim, self._rules)
        declared = declared_payload(request, claim, self._rules)
        known = await self._key(claim)
        key = signing_key(known.secret if known else self._decoy, claim)
        payload = declared or await hash_of_body(request, request.body, self._rules)
        principal = self._principal(request, claim, known, key, payload)
        await self._check_body(request, claim, declared, key)
        await self._check_replay(request, claim, until)
        return principal

    async def check_again(self, request: HTTPRequest) -> None:
        """See :class:`~iam_guard.identity.lasting.Lasting`; a signature ages, the key behind it has to be there."""
        if self.carries(request) and await self._key(read_claim(request)) is None:
            raise not_valid("there is no such access key any more, or it is switched off")

    def challenges(self) -> tuple[str, ...]:
        """See :class:`~iam_guard.identity.authenticator.Authenticator`."""
        return self._challenges

    async def start(self) -> None:
        """Prepare the look-up of keys."""
        await self._keys.start()

    async def close(self) -> None:
        """End the look-up of keys."""
        await self._keys.close()

    # --- the steps ------------------------------------------------------------------------------------------

    def _check_time(self, claim: Claim) -> float:
        """Check date and scope; returns when the signature stops counting."""
        rules, signed, now = self._rules, seconds_of(claim.stamp), self._clock()
        if (claim.date, claim.region, claim.service) != (claim.stamp[:8], rules.region, rules.service):
            raise not_valid("the scope of the signature is of another day, region or service")
        until = signed + rules.max_skew
        if claim.expires is not None:
            if not rules.presigned or claim.expires > rules.max_presigned:
                raise malformed("presigned URLs are not accepted here, or not for so long")
            until = signed + claim.expires
        if not signed - rules.max_skew <= now <= until:
            raise expired("the signature was not made now")
        return until

    async def _key(self, claim: Claim) -> KnownKey | None:
        if not claim.session_token:
            known = await self._keys.find(claim.access_key_id)
        elif self._temporary is not None:
            known = await self._temporary.find(claim.access_key_id, claim.session_token)
        else:
            known = None
        return known if known is not None and known.active else None

    def _principal(self, request: HTTPRequest, claim: Claim, known: KnownKey | None, key: bytes,
                   payload: str) -> Principal:
        """Compare signatures; whether the key is known is only looked at afterwards."""
        text = canonical_request(request, claim.signed_headers, payload, path_as_sent=self._rules.is_s3)
        right = is_same(sign(key, string_to_sign(claim, text)), claim.signature)
        if known is None:
            raise not_valid("there is no such access key, or it is switched off")
        if not right:
            raise not_valid("the signature is wrong")
        ends = known.principal.expires_at
        if ends is not None and ends <= self._clock():
            raise not_valid("the session of the access key is over")
        return known.principal

    async def _check_body(self, request: HTTPRequest, claim: Claim, declared: str, key: bytes) -> None:
        body = request.body
        if declared == UNSIGNED:
            await check_unsigned(request, body, self._rules)
        elif body is None:
            if declared not in ("", EMPTY):
                raise not_valid("a handshake has no body, and one was signed")
        elif declared in IN_CHUNKS:
            body.pass_through(ChunkCheck(claim, key, request, self._rules.held_bytes, declared))
        elif declared:
            await hold_to(declared, request, body, self._rules)

    async def _check_replay(self, request: HTTPRequest, claim: Claim, until: float) -> None:
        """A presigned URL is meant to be used again; so, mostly, is the signature of a request that only reads."""
        replays = self._rules.replays
        if claim.expires is not None or replays == "none" or (replays == "writes" and request.method in _READS):
            return
        # Remembered for a second longer than it is good: at that very moment it still is.
        if not await self._used.use(bytes.fromhex(claim.signature), until=until + 1, now=self._clock()):
            raise not_valid("the signature was used before")
