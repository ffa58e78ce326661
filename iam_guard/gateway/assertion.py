"""A signed statement of who the caller is, so that an upstream need not trust the network it is reached by."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from jwt.utils import base64url_encode

from iam_guard.engine.memo import Memo
from iam_guard.gateway.settings import AssertionSettings
from iam_guard.model import Principal, PrincipalKind
from iam_guard.sts.signing import ALGORITHM, KeySupply, SigningKey

#: Callers whose statement is remembered, for each upstream.
_REMEMBERED = 4096


class _Made(NamedTuple):
    principal: Principal
    until: float
    text: bytes


class Assertions:
    """Makes statements (JWT, RFC 7519), and publishes the keys to check them with.

    A statement is about a caller and for an upstream, not about one request: it is sent again until half of its time
    is over. It never counts longer than the caller's own session.

    Args:
        settings: Whose statements, and how long they count.
        keys: Sign them.
        clock: Seconds since the epoch.
    """

    def __init__(self, settings: AssertionSettings, keys: KeySupply, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._made: Memo[tuple[int, str], _Made] = Memo(_REMEMBERED)

    def statement(self, principal: Principal, audience: str) -> bytes:
        """Who the caller is; empty for nobody.

        Args:
            principal: The caller.
            audience: Name of the upstream.

        Raises:
            UnavailableError: there is no key to sign with.
        """
        if principal.kind is PrincipalKind.ANONYMOUS:
            return b""
        now = self._clock()
        known = self._made.get((id(principal), audience))
        if known is not None and known.principal is principal and now < known.until:
            return known.text
        ends = now + self._settings.seconds
        if principal.expires_at is not None:
            ends = min(ends, principal.expires_at)
        text = self._signed(self._keys.current.signing(now), principal, audience, int(now), int(ends))
        self._made.keep((id(principal), audience), _Made(principal, now + (ends - now) / 2, text))
        return text

    def _signed(self, key: SigningKey, principal: Principal, audience: str, now: int, ends: int) -> bytes:
        header = {"alg": ALGORITHM, "kid": key.id, "typ": "JWT"}
        claims = {"iss": self._settings.issuer, "aud": audience, "sub": principal.arn, "iat": now, "exp": ends,
                  "account": principal.account}
        signed = b".".join(base64url_encode(json.dumps(part, separators=(",", ":")).encode())
                           for part in (header, claims))
        return signed + b"." + base64url_encode(key.sign(signed))

    def jwks(self) -> bytes:
        """The public keys, as a JSON Web Key set (RFC 7517 section 5).

        Raises:
            UnavailableError: there are none.
        """
        return json.dumps(self._keys.current.jwks(self._clock())).encode()
