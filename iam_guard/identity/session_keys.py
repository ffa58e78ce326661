"""SessionKeys: temporary access keys of sessions of our own token service, with no look-up for a request.

The session token says whose session it is and is checked like any signed token; the secret follows from it.
"""

from __future__ import annotations

from typing import Protocol

from iam_guard.directory.session_secrets import SessionSecrets
from iam_guard.errors import AuthenticationError
from iam_guard.identity.access_keys import KnownKey
from iam_guard.identity.confirmation import SIGNING
from iam_guard.identity.token_reader import ReadToken


class SessionReader(Protocol):
    """Checks session tokens; :class:`~iam_guard.identity.jwt.JWTAuthenticator` does."""

    async def read(self, token: bytes) -> ReadToken:
        """Check everything about *token* but the proof that its sender owes.

        Raises:
            AuthenticationError: it is not good.
            UnavailableError: it cannot be judged at the moment.
        """


class SessionKeys:
    """Implements :class:`~iam_guard.identity.access_keys.TemporaryKeys`.

    Args:
        reader: Checks session tokens; started and closed by whoever made it.
        secrets: Makes the secrets again that the token service gave out.
    """

    def __init__(self, reader: SessionReader, secrets: SessionSecrets) -> None:
        self._reader, self._secrets = reader, secrets

    async def find(self, access_key_id: str, session_token: str) -> KnownKey | None:
        """See :class:`~iam_guard.identity.access_keys.TemporaryKeys`.

        The name goes into the secret, so a token beside another session's name gives a secret that nobody has.
        """
        if not session_token.isascii():
            return None
        try:
            found = await self._reader.read(session_token.encode())
        except AuthenticationError:
            return None
        # A token for bearers is none for signing: what it is bound to, if anything, would be left unchecked.
        if found.confirmation.keys() != {SIGNING}:
            return None
        secret = self._secrets.secret(found.confirmation[SIGNING], access_key_id, session_token)
        return None if secret is None else KnownKey(access_key_id, secret, found.principal)
