"""What sessions sign with: a secret for each, made again from its token wherever the key ring is.

Nothing is stored for a session and nobody is asked about one. Who holds the token without the secret, such as a log on
the way, can neither sign nor, since the token says that it is for signing, use it as it is.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iam_guard.directory.hiding import KeyRing

_PURPOSE = b"secrets of sessions"


class SessionSecrets:
    """Makes the secrets of sessions.

    Args:
        ring: Gives the key ring, once, when the first secret is needed.
    """

    def __init__(self, ring: Callable[[], KeyRing]) -> None:
        self._open = ring

    @cached_property
    def _ring(self) -> KeyRing:
        return self._open()

    @property
    def key_id(self) -> str:
        """Which key of the ring makes secrets now; a session has to remember it.

        Raises:
            ConfigurationError: there is no key ring.
        """
        return self._ring.first

    def secret(self, key_id: str, access_key_id: str, token: str) -> str | None:
        """The secret of a session.

        Args:
            key_id: Which key of the ring made it.
            access_key_id: Name of the session's credential.
            token: The session token, every character of it.

        Returns:
            ``None`` when the key is not on the ring any more.

        Raises:
            ConfigurationError: there is no key ring.
        """
        key = self._ring.derived(key_id, _PURPOSE)
        if key is None:
            return None
        found = hmac.digest(key, f"{access_key_id}\0{token}".encode(), "sha256")
        return base64.urlsafe_b64encode(found).rstrip(b"=").decode()
