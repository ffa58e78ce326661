"""Tokens of every kind of signature, for timing; keys are made anew each time and are worth nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iam_guard.identity.issuer import Issuer

ISSUER, AUDIENCE = "https://idp.example", "docs"
_SECRET = b"a secret of benchmarks, long enough for every HMAC, and known to everybody who reads this"


@dataclass(frozen=True)
class Signer:
    """One kind of signature.

    Attributes:
        algorithm: Its JWA name.
        private: What signs.
        public: What verifies, parsed.
    """

    algorithm: str
    private: Any
    public: Any

    def token(self, number: int, padding: int = 0) -> str:
        """The *number*-th token, with the claims of a usual access token and *padding* characters more."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": f"user-{number}", "iat": now, "nbf": now, "exp": now + 3600,
                  "jti": f"token-{number}", "scope": "openid profile docs", "client_id": "web"}
        if padding:
            claims["padding"] = "x" * padding
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers={"kid": "k1", "typ": "at+jwt"})

    def issuer(self) -> Issuer:
        """Trust in this signer and in no other."""
        if isinstance(self.private, bytes):
            return Issuer(ISSUER, audience=AUDIENCE, algorithms=self.algorithm, secret=self.private)
        text = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return Issuer(ISSUER, audience=AUDIENCE, algorithms=self.algorithm, keys=text)

    def decode_with_pyjwt(self) -> Callable[[str], Any]:
        """What users of PyJWT do: check signature, issuer, audience and times, with a key that is parsed already."""
        public, algorithms = self.public, [self.algorithm]
        return lambda token: jwt.decode(token, public, algorithms=algorithms, audience=AUDIENCE, issuer=ISSUER)


def signers() -> list[Signer]:
    """One of each kind."""
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ec_key, ed_key = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    return [Signer("HS256", _SECRET, _SECRET), Signer("RS256", rsa_key, rsa_key.public_key()),
            Signer("ES256", ec_key, ec_key.public_key()), Signer("EdDSA", ed_key, ed_key.public_key())]
