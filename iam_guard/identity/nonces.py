"""Nonces that a proof has to repeat, so that nobody can make proofs in advance (RFC 9449 sections 8 and 9)."""

from __future__ import annotations

import base64
import hmac
import secrets

from iam_guard.errors import ConfigurationError, Fault

MIN_KEY = 32


class Nonces:
    """Nonces that are derived from the time, so that none has to be remembered.

    Args:
        seconds: How long one is handed out; it is accepted for as long again.
        key: What they are made with; the same in all processes of one service. By default one of this process.

    Raises:
        ConfigurationError: the key or the time is too short.
    """

    def __init__(self, seconds: float = 60, *, key: bytes | None = None) -> None:
        if seconds < 1:
            raise ConfigurationError(Fault(f"nonces that change every {seconds} s cannot be used", "write 60"))
        if key is not None and len(key) < MIN_KEY:
            raise ConfigurationError(Fault(f"the key has {len(key)} octets where {MIN_KEY} are needed"))
        self._seconds, self._key = seconds, key or secrets.token_bytes(MIN_KEY)

    def current(self, now: float) -> str:
        """The nonce to use at *now*."""
        return self._of(int(now // self._seconds))

    def accepts(self, nonce: object, now: float) -> bool:
        """Whether *nonce* is the current one or the one before."""
        if not isinstance(nonce, str) or not nonce.isascii():
            return False
        period = int(now // self._seconds)
        return any(hmac.compare_digest(nonce, self._of(one)) for one in (period, period - 1))

    def _of(self, period: int) -> str:
        made = hmac.digest(self._key, b"DPoP nonce %d" % period, "sha256")
        return base64.urlsafe_b64encode(made[:18]).decode()
