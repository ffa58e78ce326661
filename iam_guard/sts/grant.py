"""What the token service gives, and how it is written: a signed access token (RFC 9068)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from jwt.utils import base64url_encode

from iam_guard.directory.session_secrets import SessionSecrets
from iam_guard.errors import TokenServiceError, UnavailableError
from iam_guard.identity.confirmation import SIGNING
from iam_guard.identity.sessions import SESSION_CLAIM, Session
from iam_guard.identity.token import MAX_TOKEN
from iam_guard.sts.signing import ALGORITHM, KeySupply

_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def new_session_id() -> str:
    """``ASIA`` and sixteen more letters and digits, never the same twice."""
    return "ASIA" + "".join(secrets.choice(_ID_LETTERS) for _ in range(16))


@dataclass(frozen=True, slots=True)
class Grant:
    """A session that was given.

    Attributes:
        token: The credential; a secret.
        id: Name of the session's credential, ``ASIA...``; no secret.
        arn: ARN of the session.
        user_id: Its ``aws:userid``.
        issued_at: When, in seconds since the epoch.
        expires_at: Until when.
        source_identity: Who began it all; empty when nobody said.
        utilization: Percent of a token's greatest length that this one takes.
        secret: What requests are signed with, beside the token; empty where the token alone is the credential.
    """

    token: str = field(repr=False)
    id: str
    arn: str
    user_id: str
    issued_at: int
    expires_at: int
    source_identity: str = ""
    utilization: int = 0
    secret: str = field(default="", repr=False)


class Draft(NamedTuple):
    """A session about to be given.

    Attributes:
        arn: ARN of the session.
        user_id: Its ``aws:userid``.
        client: Who asks for it, as OAuth knows clients.
        seconds: How long it lasts.
        session: What else it is.
        signs: Whether it is for signing requests, and not for bearers.
    """

    arn: str
    user_id: str
    client: str
    seconds: int
    session: Session
    signs: bool = False


class Mint:
    """Makes tokens of sessions.

    Args:
        issuer: Name of the token service.
        audience: What its tokens are for.
        keys: Signs them.
        clock: Seconds since the epoch.
        new_id: Makes the name of a credential.
        secrets: Makes what sessions sign with; without it, none does.
    """

    def __init__(self, issuer: str, audience: tuple[str, ...], keys: KeySupply, clock: Callable[[], float],
                 new_id: Callable[[], str] = new_session_id, secrets: SessionSecrets | None = None) -> None:
        self.issuer, self.audience, self._keys, self._clock, self._new_id = issuer, audience, keys, clock, new_id
        self._secrets = secrets

    def grant(self, draft: Draft) -> Grant:
        """Make the token of a session.

        Raises:
            TokenServiceError: it would be longer than any guard reads, or is for signing where nobody can.
            UnavailableError: nothing signs.
        """
        now, name = int(self._clock()), self._new_id()
        key_id = self._key_id() if draft.signs else ""
        token = self._signed({
            "iss": self.issuer, "sub": draft.arn, "aud": self._audience(), "client_id": draft.client, "iat": now,
            "exp": now + draft.seconds, "jti": name, SESSION_CLAIM: msgspec.to_builtins(draft.session),
            **({"cnf": {SIGNING: key_id}} if key_id else {})}, now)
        if len(token) > MAX_TOKEN:
            raise TokenServiceError("PackedPolicyTooLarge", "Policies and tags of the session do not fit into a token.")
        return Grant(token, name, draft.arn, draft.user_id, now, now + draft.seconds, draft.session.source_identity,
                     -(-100 * len(token) // MAX_TOKEN), self._secret(key_id, name, token))

    def _key_id(self) -> str:
        if self._secrets is None:
            raise TokenServiceError("ValidationError", "Sessions for signing requests are not given here.")
        return self._secrets.key_id

    def _secret(self, key_id: str, name: str, token: str) -> str:
        if not key_id or self._secrets is None:
            return ""
        secret = self._secrets.secret(key_id, name, token)
        if secret is None:
            raise UnavailableError("the key that makes secrets of sessions is gone")
        return secret

    def _audience(self) -> str | list[str]:
        return self.audience[0] if len(self.audience) == 1 else list(self.audience)

    def _signed(self, claims: dict[str, Any], now: float) -> str:
        key = self._keys.current.signing(now)
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": key.id}
        signed = b".".join(base64url_encode(msgspec.json.encode(part)) for part in (header, claims))
        return b".".join((signed, base64url_encode(key.sign(signed)))).decode()
