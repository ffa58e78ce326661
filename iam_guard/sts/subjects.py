"""Whom a subject token stands for: one of our own sessions, a caller of a known issuer, or a web identity."""

from __future__ import annotations

from collections.abc import Callable

from iam_guard.errors import AuthenticationError
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.presets import token_service
from iam_guard.identity.token import read_token
from iam_guard.identity.token_reader import ReadToken
from iam_guard.model import Principal
from iam_guard.sts.service import TokenService
from iam_guard.sts.signing import SigningKeys
from iam_guard.sts.web_identity import WebIdentities, WebIdentity


class OwnSessions:
    """Reads sessions that the service itself gave.

    Args:
        service: Which.
        clock: Seconds since the epoch.
    """

    def __init__(self, service: TokenService, clock: Callable[[], float]) -> None:
        self._service, self._clock = service, clock
        self._reader: tuple[SigningKeys, JWTAuthenticator] | None = None

    async def read(self, token: bytes) -> ReadToken:
        """Check a session.

        Raises:
            AuthenticationError: it is none of ours, or has ended.
            UnavailableError: the keys cannot be had.
        """
        keys = self._service.keys.current
        if self._reader is None or self._reader[0] is not keys:
            issuer = token_service(self._service.issuer, audience=self._service.audience,
                                   keys=keys.jwks(self._clock()))
            self._reader = keys, JWTAuthenticator([issuer], clock=self._clock)
        return await self._reader[1].read(token)


class Subjects:
    """Reads subject tokens.

    Args:
        own: Reads our own sessions.
        issuer: The name that these have.
        identities: Reads tokens of web identity providers.
        callers: Reads tokens of other issuers, whose callers are users or sessions of the directory.
    """

    def __init__(self, own: OwnSessions, issuer: str, identities: WebIdentities | None,
                 callers: JWTAuthenticator | None) -> None:
        self._own, self._issuer, self._identities, self._callers = own, issuer, identities, callers

    async def read(self, token: bytes) -> Principal | WebIdentity:
        """Say whom a token stands for; the issuer that it names without proof only chooses who checks it.

        Raises:
            AuthenticationError: it is not good.
            TokenServiceError: it is not good, of a web identity.
            UnavailableError: that cannot be found out.
        """
        name = read_token(token).claims.get("iss")
        if name == self._issuer:
            return _unbound(await self._own.read(token))
        if self._identities is not None and self._identities.knows(name):
            return await self._identities.verify(token)
        if self._callers is None:
            raise AuthenticationError("The token is not of a known issuer")
        return _unbound(await self._callers.read(token))


def _unbound(found: ReadToken) -> Principal:
    if found.confirmation:
        raise AuthenticationError("The token is bound to a key that is not shown")
    return found.principal
