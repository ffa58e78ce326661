"""JWT-SVID: the rules of SPIFFE's specification, and that a token and a certificate of a workload name one caller."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from certificates import certificate, client_cert
from tokens import NOW, FakeClock, ask, authenticator, compact, ec_key, i1, jwk, jwks, refusal, rsa_key, signer, token

from iam_guard.config import load_settings
from iam_guard.errors import ConfigurationError
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.certificates import CertificateAuthenticator
from iam_guard.identity.client_certificate import CertificateSource, Place
from iam_guard.identity.jwt import JWTAuthenticator, TokenIdentity
from iam_guard.identity.known_peers import TrustDomain
from iam_guard.identity.presets import spiffe

WEB = "spiffe://prod.example/ns/shop/sa/web"
ARN = "arn:app:iam::111122223333:user/spiffe/prod.example/ns%2Fshop%2Fsa%2Fweb"
#: A bundle has keys for certificates beside those for tokens (SPIFFE Trust Domain and Bundle, section 4.2.2).
BUNDLE = jwks(jwk(ec_key("svid"), "s1", use="jwt-svid"), jwk(ec_key("x509"), "x1", use="x509-svid"))


def domain(name: str = "prod.example", **more: Any) -> Any:
    return spiffe(name, **{"audience": "orders", "keys": BUNDLE, "account": "111122223333", **more})


def svid(*, key: str = "svid", kid: str | None = "s1", typ: str | None = "JWT", without: tuple[str, ...] = (),
         **claims: Any) -> str:
    """A token as SPIRE makes them: without ``iss``."""
    payload = {"sub": WEB, "aud": ["orders"], "iat": NOW - 10, "exp": NOW + 300, **claims}
    header = {"alg": "ES256", "kid": kid, "typ": typ}
    return compact({name: value for name, value in header.items() if value is not None},
                   {name: value for name, value in payload.items() if name not in without},
                   signer(ec_key(key), "ES256"))


def test_a_workload_by_its_token() -> None:
    caller = ask(authenticator(domain()), svid())
    assert (caller.arn, caller.subject, caller.issuer) == (ARN, WEB, "spiffe://prod.example")
    assert caller.expires_at == NOW + 300 + 30
    found = caller.context
    assert found["spiffe:id"] == WEB
    assert found["spiffe:trustdomain"] == "prod.example"
    assert found["spiffe:path"] == "/ns/shop/sa/web"
    assert found["aws:tokenissuetime"] == datetime.fromtimestamp(NOW - 10, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("role", ["", "batch"])
def test_it_is_the_same_caller_as_by_certificate(role: str) -> None:
    by_token = ask(authenticator(domain(role=role)), svid())
    door = CertificateAuthenticator(CertificateSource(Place("client-cert"), clock=FakeClock()), trust_domains=[
        TrustDomain("prod.example", "111122223333", role)])
    request = HTTPRequest.from_scope({
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "client": ("10.0.0.1", 1), "headers": [
            (b"host", b"orders.example"), (b"client-cert", client_cert(certificate((WEB,))).encode())]},
        EdgeSettings(trusted_proxies=("10.0.0.0/8",)))
    by_certificate = asyncio.run(door.authenticate(request))
    assert by_certificate is not None
    assert (by_token.arn, by_token.kind) == (by_certificate.arn, by_certificate.kind)
    assert by_token.issuer == by_certificate.issuer


@pytest.mark.parametrize("typ", ["JWT", "JOSE", None])
def test_types_of_the_specification(typ: str | None) -> None:
    assert ask(authenticator(domain()), svid(typ=typ)).subject == WEB


@pytest.mark.parametrize("iss", ["https://spire.example", "spiffe://prod.example"])
def test_an_issuer_that_it_may_name(iss: str) -> None:
    assert ask(authenticator(domain()), svid(iss=iss)).issuer == "spiffe://prod.example"


def test_a_key_without_a_name_in_the_token() -> None:
    assert ask(authenticator(domain()), svid(kid=None)).subject == WEB


@pytest.mark.parametrize("wrong", [
    {"key": "x509", "kid": "x1"},  # its key is for certificates
    {"key": "x509"}, {"kid": "s2"}, {"typ": "at+jwt"}, {"typ": "dpop+jwt"},
    {"without": ("exp",)}, {"without": ("aud",)}, {"without": ("sub",)}, {"aud": []}, {"aud": "others"},
    {"exp": NOW - 31}, {"nbf": NOW + 60}, {"exp": str(NOW + 300)}, {"iss": ["https://spire.example"]}, {"iss": 7},
    {"sub": "spiffe://other.example/web"}, {"sub": "spiffe://prod.example"}, {"sub": "spiffe://prod.example/"},
    {"sub": "spiffe://PROD.example/web"}, {"sub": "spiffe://prod.example/web/../admin"},
    {"sub": "spiffe://prod.example/a%2Fb"}, {"sub": "prod.example/web"}, {"sub": ["spiffe://prod.example/web"]},
    {"sub": "spiffe://prod.example/web", "iss": "spiffe://prod.example", "cnf": {"jkt": "a" * 43}},
])
def test_what_is_no_token_of_a_workload(wrong: dict[str, Any]) -> None:
    refusal(authenticator(domain()), svid(**wrong))


def test_a_trust_domain_vouches_for_its_own_workloads_only() -> None:
    other = domain("other.example", keys=jwks(jwk(ec_key("other"), "s1", use="jwt-svid")))
    both = authenticator(domain(), other)
    assert ask(both, svid()).subject == WEB
    assert ask(both, svid(sub="spiffe://other.example/web", key="other")).issuer == "spiffe://other.example"
    refusal(both, svid(key="other"))
    refusal(both, svid(sub="spiffe://other.example/web"))
    refusal(both, svid(iss="spiffe://other.example"))  # of whom it says to be is not whose it is
    refusal(both, svid(iss="spiffe://other.example", key="other"))


def test_other_issuers_are_no_trust_domain() -> None:
    """A token of an ordinary issuer that calls its caller by a SPIFFE id is that issuer's."""
    both = authenticator(i1(), domain())
    named = token({"iss": "https://idp.example", "aud": "iam-guard", "sub": WEB, "iat": NOW, "exp": NOW + 60})
    assert ask(both, named).issuer == "https://idp.example"
    unnamed = token({"aud": ["iam-guard", "orders"], "sub": WEB, "iat": NOW, "exp": NOW + 60}, key=rsa_key("k1"))
    refusal(both, unnamed)


def test_it_is_revoked_by_its_trust_domain() -> None:
    asked: list[TokenIdentity] = []

    def is_revoked(identity: TokenIdentity) -> bool:
        asked.append(identity)
        return identity.subject == WEB

    refusal(authenticator(domain(), is_revoked=is_revoked), svid(jti="j1"))
    assert asked == [TokenIdentity("spiffe://prod.example", "j1", WEB, NOW - 10)]


def test_keys_that_do_not_say_what_they_are_for_are_for_nothing() -> None:
    with pytest.raises(ConfigurationError, match="jwt-svid"):
        domain(keys=jwks(jwk(ec_key("svid"), "s1"), jwk(ec_key("x509"), "x1", use="sig")))


SETTINGS = """\
policies: iam
routes: routes.yaml
edge: {trusted_proxies: [10.0.0.0/8]}
issuers:
  - {preset: spiffe, audience: orders, jwks_file: bundle.json, options: {trust_domain: prod.example},
     claims: {account: "111122223333"}}
credentials:
  certificates: {place: client-cert, trust_domains: [{name: prod.example, account: "111122223333"}]}
log: {logger: ""}
"""


def test_by_settings_beside_certificates_of_the_same_trust_domain(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text(json.dumps(BUNDLE))
    (tmp_path / "iam").mkdir()
    (tmp_path / "iam" / "guard.yaml").write_text("")
    (tmp_path / "routes.yaml").write_text('version: 1\nroutes:\n  GET /a: {action: docs:Read, resource: "a"}\n')
    (tmp_path / "iam-guard.yaml").write_text(SETTINGS)
    door = load_settings(tmp_path / "iam-guard.yaml").build().authenticator
    assert not isinstance(door, JWTAuthenticator)
    assert set(door.key_sources) == {"spiffe://prod.example"}  # type: ignore[attr-defined]
