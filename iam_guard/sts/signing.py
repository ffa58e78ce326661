"""The keys that sign sessions: one signs, those before it verify until the last session signed with them has ended."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.utils import base64url_decode, base64url_encode

from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.identity.token import is_key_id

#: The one algorithm: EdDSA with Ed25519 (RFC 8037).
ALGORITHM = "EdDSA"
#: Seconds for which the longest session lives, and for which verifiers may be late.
LONGEST_SESSION, LEEWAY = 129_600, 60


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair that signs sessions.

    Attributes:
        id: Its ``kid``.
        private: The private key; never shown.
        signs_from: From when on it signs, in seconds since the epoch; it is published before.
    """

    id: str
    private: Ed25519PrivateKey = field(repr=False, compare=False)
    signs_from: int

    @classmethod
    def make(cls, signs_from: int) -> SigningKey:
        """A new key."""
        return cls(secrets.token_hex(8), Ed25519PrivateKey.generate(), signs_from)

    def sign(self, data: bytes) -> bytes:
        """The signature of *data*."""
        return self.private.sign(data)

    def public_jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key."""
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": self.id, "x": _text(raw)}

    def to_private(self) -> dict[str, Any]:
        """Both halves, for the file that only the token service reads."""
        raw = self.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.id, "d": _text(raw), "signs_from": self.signs_from}

    @classmethod
    def from_private(cls, entry: Mapping[str, Any]) -> SigningKey:
        """Read what :meth:`to_private` wrote.

        Raises:
            ValueError: it is not that; the text shows nothing of the key.
        """
        kid, signs_from = entry.get("kid"), entry.get("signs_from")
        whole = isinstance(signs_from, int) and not isinstance(signs_from, bool)
        if entry.get("crv") != "Ed25519" or not isinstance(kid, str) or not is_key_id(kid) or not whole:
            raise ValueError("an entry is no signing key")
        try:
            private = Ed25519PrivateKey.from_private_bytes(base64url_decode(entry["d"]))
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"the signing key '{kid}' cannot be read") from None
        return cls(kid, private, int(signs_from or 0))


def _text(raw: bytes) -> str:
    return base64url_encode(raw).decode()


class SigningKeys:
    """All keys of a token service, immutable.

    Args:
        keys: In any order.

    Raises:
        ConfigurationError: there is none, or two have one name.
    """

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        self.keys = tuple(sorted(keys, key=lambda one: one.signs_from))
        if not self.keys or len({one.id for one in self.keys}) < len(self.keys):
            raise ConfigurationError(Fault("there is no key to sign sessions with, or one is there twice",
                                           "make one with 'iam-guard token keys --new'"))

    @classmethod
    def make(cls, now: int) -> SigningKeys:
        """The first key, which signs at once."""
        return cls((SigningKey.make(now),))

    def signing(self, now: float) -> SigningKey:
        """The key that signs now: the newest whose time has come.

        Raises:
            UnavailableError: none signs yet.
        """
        found = [one for one in self.keys if one.signs_from <= now]
        if not found:
            raise UnavailableError("no key signs sessions yet")
        return found[-1]

    def rotated(self, now: int, *, lead: int = 0) -> SigningKeys:
        """The keys with a new one, and without those that no session needs any more.

        Args:
            now: Seconds since the epoch.
            lead: After how many seconds the new key signs. Verifiers that renew their keys in that time never
                meet an unknown one.
        """
        return SigningKeys((*self.verifying(now), SigningKey.make(now + lead)))

    def without(self, id: str) -> SigningKeys:
        """The keys without one that is not to be trusted any more.

        Raises:
            ConfigurationError: there is no such key, or no other.
        """
        left = [one for one in self.keys if one.id != id]
        if len(left) == len(self.keys):
            raise ConfigurationError(Fault("there is no signing key of this id"))
        return SigningKeys(left)

    def verifying(self, now: float) -> tuple[SigningKey, ...]:
        """The keys that sign, will sign, or signed what may still be good."""
        return tuple(one for one, end in zip(self.keys, self._ends(), strict=True) if end is None or now < end)

    def _ends(self) -> list[int | None]:
        """When each key is not needed any more."""
        follow = [one.signs_from + LONGEST_SESSION + LEEWAY for one in self.keys[1:]]
        return [*follow, None]

    def jwks(self, now: float) -> dict[str, Any]:
        """The public keys as a JSON Web Key set (RFC 7517 section 5)."""
        return {"keys": [one.public_jwk() for one in self.verifying(now)]}


class KeySupply(Protocol):
    """Wherever the keys are."""

    @property
    def current(self) -> SigningKeys:
        """The keys as they are now.

        Raises:
            UnavailableError: they cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class FixedKeys:
    """Keys that stay as they are, such as in one process or a test."""

    current: SigningKeys
