"""A local identity provider: RSA keys made in memory, real tokens, and the documents that tell of the keys.

DEMO ONLY: it signs whatever this process asks for, and its keys are gone when the process ends.
"""

from __future__ import annotations

from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

AUDIENCE = "orders"
TENANT = "acme"
LIFETIME = 3600


def new_key() -> RSAPrivateKey:
    """A fresh RSA key."""
    return generate_private_key(public_exponent=65537, key_size=2048)


class LocalIssuer:
    """One issuer with one key.

    Args:
        url: What its tokens call it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.key_id = f"demo-{url.rsplit('/', 1)[-1]}"
        self._key = new_key()

    def token(self, subject: str, now: float, *, age: int = 0, forger: RSAPrivateKey | None = None,
              **claims: Any) -> str:
        """Sign a token.

        Args:
            subject: Whose it is.
            now: Seconds since the epoch.
            age: Seconds ago at which it was issued; it expires ``LIFETIME`` after that.
            forger: Sign with this key instead, and claim to have used the right one.
            claims: Further claims.
        """
        issued = int(now) - age
        payload = {"iss": self.url, "aud": AUDIENCE, "sub": subject, "tenant": TENANT, "iat": issued,
                   "exp": issued + LIFETIME, **claims}
        return jwt.encode(payload, forger or self._key, "RS256", headers={"kid": self.key_id, "typ": "at+jwt"})

    def routes(self) -> list[Route]:
        """Its metadata (OpenID Connect Discovery 1.0) and key set (RFC 7517)."""
        path = "/" + self.url.split("/", 3)[3]
        keys_url = f"{self.url}/jwks.json"
        public = {**RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True),
                  "kid": self.key_id, "use": "sig", "alg": "RS256"}
        return [_document(f"{path}/.well-known/openid-configuration", {"issuer": self.url, "jwks_uri": keys_url}),
                _document(f"{path}/jwks.json", {"keys": [public]})]


def _document(path: str, content: dict[str, Any]) -> Route:
    async def answer(request: Request) -> Response:
        return JSONResponse(content)

    return Route(path, answer)


def issuer_application(*issuers: LocalIssuer) -> Starlette:
    """Serve the documents of several issuers."""
    return Starlette(routes=[route for issuer in issuers for route in issuer.routes()])
