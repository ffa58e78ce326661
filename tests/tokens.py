"""What the tests of identities share: keys, clocks, requests, and tokens of every degree of wrongness."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from iam_guard.errors import AuthenticationError
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.model import Principal

NOW = 1_800_000_000
IDP, PARTNER = "https://idp.example", "https://partner.example"
SECRET = b"a shared secret that is long enough for every HMAC, sixty-four bytes and some"
SIGNING = get_default_algorithms()


class FakeClock:
    """Time that passes when the test says so."""

    def __init__(self, now: float = NOW) -> None:
        self.now = float(now)

    def __call__(self) -> float:
        return self.now


@cache
def rsa_key(name: str = "k1", bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(name: str = "e1", curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


@cache
def ed_key(name: str = "d1") -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key: Any, kid: str | None = None, **more: Any) -> dict[str, Any]:
    """The public key as a JSON Web Key."""
    if isinstance(key, bytes):
        entry = SIGNING["HS256"].to_jwk(key, as_dict=True)
    else:
        family = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256"}
        name = next((alg for kind, alg in family.items() if isinstance(key, kind)), "EdDSA")
        entry = SIGNING[name].to_jwk(key.public_key(), as_dict=True)
    entry.pop("key_ops", None)
    return {**entry, **({} if kid is None else {"kid": kid}), **more}


def jwks(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"keys": list(entries)}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(header: bytes | Mapping[str, Any], payload: bytes | Mapping[str, Any],
            sign: Callable[[bytes], bytes]) -> str:
    """A token of any header and payload, as text or as an object."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signed = ".".join(map(b64, parts))
    return f"{signed}.{b64(sign(signed.encode()))}"


def signer(key: Any, alg: str) -> Callable[[bytes], bytes]:
    return lambda signed: SIGNING[alg].sign(signed, key)


def claims_of(subject: Any = "alice", *, without: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """Good claims of I1, changed as told."""
    claims = {"iss": IDP, "aud": "iam-guard", "sub": subject, "iat": NOW - 10, "exp": NOW + 600} | more
    return {name: value for name, value in claims.items() if name not in without}


def token(claims: Mapping[str, Any] | bytes | None = None, *, key: Any = None, alg: str = "RS256",
          header: Mapping[str, Any] | bytes | None = None, **more: Any) -> str:
    """A token of I1, right in every respect that is not given."""
    key = rsa_key("k1") if key is None else key
    head = header if header is not None else {"alg": alg, "kid": "k1", "typ": "JWT"} | more
    return compact(head, claims_of() if claims is None else claims, signer(key, alg))


def i1(**more: Any) -> Issuer:
    """I1 of the threat catalogue: RS256 only, tenant t1."""
    settings: dict[str, Any] = {"audience": "iam-guard", "algorithms": ("RS256",), "claims": ClaimMapping(account="t1")}
    if not {"keys", "secret", "jwks_url", "jwks_file", "discovery"} & set(more):
        settings["keys"] = jwks(jwk(rsa_key("k1"), "k1"))
    return Issuer(more.pop("issuer", IDP), **(settings | more))


def i2(**more: Any) -> Issuer:
    """I2 of the threat catalogue: ES256 only, tenant t2."""
    settings: dict[str, Any] = {"audience": "iam-guard", "algorithms": ("ES256",), "claims": ClaimMapping(account="t2"),
                                "keys": jwks(jwk(ec_key("e1"), "e1"))}
    return Issuer(PARTNER, **(settings | more))


def authenticator(*issuers: Issuer, clock: FakeClock | None = None, **more: Any) -> JWTAuthenticator:
    return JWTAuthenticator(issuers or (i1(), i2()), clock=clock or FakeClock(), **more)


def request(*authorization: str, query: bytes = b"", **headers: str) -> HTTPRequest:
    fields = [(b"authorization", value.encode("latin-1")) for value in authorization]
    fields += [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return HTTPRequest(headers=tuple(fields), query_string=query)


class Entrance:
    """How tokens come in where a test does not say so: through *way*, which is put around the authenticator."""

    way: Callable[[JWTAuthenticator], Authenticator] = staticmethod(lambda door: door)


def ask(door: JWTAuthenticator, text: str) -> Principal:
    """Who sends this token."""
    found = asyncio.run(Entrance.way(door).authenticate(request(f"Bearer {text}")))
    assert found is not None
    return found


def refusal(door: JWTAuthenticator, text: str, code: str = "invalid_token") -> AuthenticationError:
    """The error that this token gets; it must not repeat the token."""
    with pytest.raises(AuthenticationError) as caught:
        asyncio.run(Entrance.way(door).authenticate(request(f"Bearer {text}")))
    assert caught.value.code == code
    assert not set('"\\') & set(caught.value.description)
    assert caught.value.description.isascii()
    assert len(caught.value.detail) < 300
    return caught.value
