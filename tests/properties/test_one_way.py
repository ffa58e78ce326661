"""At most one way ever judges a request, and at most one caller comes out of it: with the ways that there are."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from typing import Any

import httpx
import pytest
from certificates import certificate, client_cert, x5t
from hypothesis import given
from hypothesis import strategies as st
from tokens import NOW, FakeClock, authenticator, b64, claims_of, compact, ec_key, jwk, signer, token

from iam_guard.errors import AuthenticationError
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.access_keys import KnownKey
from iam_guard.identity.api_keys import ApiKey, ApiKeyAuthenticator, ApiKeyTable
from iam_guard.identity.bearer_tokens import BearerTokens, Readers
from iam_guard.identity.certificate_proof import CertificateProof
from iam_guard.identity.certificates import CertificateAuthenticator, TrustDomain
from iam_guard.identity.client_certificate import CertificateSource, Place
from iam_guard.identity.dpop import DPoPTokens
from iam_guard.identity.dpop_proof import jwk_thumbprint
from iam_guard.identity.introspection import Introspection, IntrospectionReader
from iam_guard.identity.introspection_call import ClientSecret
from iam_guard.identity.one_credential import OneCredential
from iam_guard.identity.sigv4.authenticator import SigV4Authenticator
from iam_guard.identity.sigv4.rules import SignatureRules
from iam_guard.model import Principal

KEY = "igk_7Q2mX9aBfT3k_" + "s3cret-" * 6
SVID = certificate(("spiffe://prod.example/web",))
OWN, CLIENT = certificate(("spiffe://prod.example/web",)), ec_key("client")
BOUND = token(claims_of(cnf={"jkt": jwk_thumbprint(jwk(CLIENT))}))
PROOF = compact({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(CLIENT)},
                {"jti": "one", "htm": "GET", "htu": "https://api.example/x", "iat": NOW,
                 "ath": b64(sha256(BOUND.encode()).digest())}, signer(CLIENT, "ES256"))
SIGNED = ("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/eu/docs/aws4_request, SignedHeaders=host;x-amz-date, "
          f"Signature={'0' * 64}")

#: Values of ``Authorization``, good and bad, and the kind that each is of.
AUTHORIZATION = {
    f"Bearer {token()}": "bearer", "Bearer opaque": "bearer", "Bearer": "bearer", "Bearer x.y.z": "bearer",
    f"Bearer {BOUND}": "bearer", f"bearer {token(claims_of(cnf={'x5t#S256': x5t(OWN)}))}": "bearer",
    f"DPoP {BOUND}": "dpop", f"dpop {token()}": "dpop", "DPoP": "dpop", SIGNED: "signature", "Basic YTpi": "basic",
    "": "nothing that is read", f"Bearer {token()}, Bearer {token()}": "bearer",
}
FIELDS = {"dpop": (PROOF, "x"), "x-api-key": (KEY, "x", ""), "client-cert": (client_cert(SVID), ":AAAA:", "x"),
          "x-amz-date": ("20270115T080000Z",), "cookie": ("session=1",)}
QUERIES = (b"", b"access_token=t", b"X-Amz-Signature=0", b"X-Amz-Algorithm=AWS4-HMAC-SHA256", b"q=1")


class NoKeys:
    async def find(self, access_key_id: str) -> KnownKey | None:
        return None

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Counted:
    """A way that tells how often it was asked to judge."""

    def __init__(self, way: Any) -> None:
        self.way, self.schemes, self.judged = way, way.schemes, 0

    def carries(self, request: HTTPRequest) -> bool:
        found: bool = self.way.carries(request)
        return found

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        self.judged += 1
        found: Principal | None = await self.way.authenticate(request)
        return found


def issuer(asked: httpx.Request) -> httpx.Response:
    answer = {"active": True, **claims_of("opaque")}
    return httpx.Response(200, stream=httpx.ByteStream(json.dumps(answer).encode()))


def all_ways() -> list[Counted]:
    clock = FakeClock()
    opaque = IntrospectionReader(Introspection("https://idp.example/i", "https://idp.example", ClientSecret("a", "b"),
                                               ("iam-guard",)), clock=clock,
                                 http=httpx.AsyncClient(transport=httpx.MockTransport(issuer)))
    readers, source = Readers(authenticator(), opaque), CertificateSource(Place.CLIENT_CERT, clock=clock)
    proof = CertificateProof(source, names_callers=True)
    robot = ApiKey("igk_7Q2mX9aBfT3k", sha256(KEY.encode()).digest(), Principal.user("robot"))
    return [Counted(way) for way in (
        BearerTokens(readers, certificates=proof), DPoPTokens(readers, clock=clock, certificates=proof),
        ApiKeyAuthenticator(ApiKeyTable([robot]), clock=clock),
        CertificateAuthenticator(source, trust_domains=[TrustDomain("prod.example")], proves_tokens=True),
        SigV4Authenticator(NoKeys(), SignatureRules("eu", "docs"), clock=clock))]


fields = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in FIELDS.items()})
authorizations = st.lists(st.sampled_from(list(AUTHORIZATION)), max_size=2)


@given(authorizations, fields, st.sampled_from(QUERIES), st.booleans())
def test_at_most_one_way_judges_a_request(authorization: list[str], more: dict[str, str], query: bytes,
                                          trusted: bool) -> None:
    ways = all_ways()
    headers = [("authorization", value) for value in authorization] + list(more.items())
    request = HTTPRequest(headers=tuple((name.encode(), value.encode()) for name, value in headers), raw_path=b"/x",
                          query_string=query, host="api.example", scheme="https", trusted=trusted, body=None)
    kinds = {AUTHORIZATION[value] for value in authorization}
    kinds |= {name for name in ("x-api-key",) if name in more}
    kinds |= {"query"} if query == b"access_token=t" else set()
    kinds |= {"signature"} if query.startswith(b"X-Amz-Signature") else set()
    try:
        caller = asyncio.run(OneCredential(*ways).authenticate(request))  # type: ignore[arg-type]
    except AuthenticationError:
        caller = None
    else:
        assert caller is not None or not kinds  # anonymous is who sent nothing
    assert sum(way.judged for way in ways) <= 1
    if caller is not None:
        assert len(kinds) + (trusted and not kinds and "client-cert" in more) == 1
        assert len(authorization) <= 1


@pytest.mark.parametrize(("authorization", "more", "subject"), [
    (f"Bearer {token()}", {}, "alice"), ("Bearer opaque", {}, "opaque"), (f"DPoP {BOUND}", {"dpop": PROOF}, "alice"),
    (None, {"x-api-key": KEY}, ""), (None, {"client-cert": client_cert(SVID)}, "spiffe://prod.example/web"),
    (f"Bearer {token(claims_of(cnf={'x5t#S256': x5t(OWN)}))}", {"client-cert": client_cert(OWN)}, "alice"),
])
def test_each_of_them_is_reached(authorization: str | None, more: dict[str, str], subject: str) -> None:
    ways = all_ways()
    headers = [*([("authorization", authorization)] if authorization else []), *more.items()]
    request = HTTPRequest(headers=tuple((name.encode(), value.encode()) for name, value in headers), raw_path=b"/x",
                          host="api.example", scheme="https", trusted=True)
    caller = asyncio.run(OneCredential(*ways).authenticate(request))  # type: ignore[arg-type]
    assert caller is not None
    assert caller.subject == subject
    assert sum(way.judged for way in ways) == 1
