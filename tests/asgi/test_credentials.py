"""Several ways to say who at one door: what is admitted, and what everybody else is told."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from typing import Any

import pytest
from cases import door, echo, trusting, with_token
from certificates import certificate, pem
from driver import call, http_scope
from fixture_app import NOW, statement
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.engine.attachments import Attachments, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.resource_metadata import ResourceMetadata
from iam_guard.http.response import DenialStyle
from iam_guard.identity.api_keys import ApiKey, ApiKeyAuthenticator, ApiKeyTable
from iam_guard.identity.bearer_tokens import BearerTokens, Readers
from iam_guard.identity.certificates import CertificateAuthenticator, TrustDomain
from iam_guard.identity.client_certificate import CertificateSource, Place
from iam_guard.identity.dpop import DPoP, DPoPTokens
from iam_guard.identity.nonces import Nonces
from iam_guard.identity.one_credential import OneCredential
from iam_guard.model import Principal
from iam_guard.policy.document import PolicyKind
from iam_guard.policy.parse import parse_policy

KEY = "igk_7Q2mX9aBfT3k_" + "s3cret-" * 6
METADATA = ResourceMetadata("https://app.example/shop", authorization_servers=("https://idp.example",))
XFCC = f"Hash={'ab' * 32};URI=spiffe://prod.example/web"
OPEN = "arn:app:app::000000000000:path/open"
#: One good credential of each kind, as headers.
GOOD = {"bearer": with_token()[0], "key": ("X-API-Key", KEY), "certificate": ("X-Forwarded-Client-Cert", XFCC)}
BAD = {"bearer": ("Authorization", "Bearer x"), "dpop": ("Authorization", "DPoP x"), "key": ("X-API-Key", "x"),
       "basic": ("Authorization", "Basic YTpi"), "certificate": ("X-Forwarded-Client-Cert", "Hash=x")}


def ways(dpop: DPoP | None = None) -> OneCredential:
    readers, clock = Readers(trusting()), NOW.timestamp
    robot = ApiKey("igk_7Q2mX9aBfT3k", sha256(KEY.encode()).digest(), Principal.user("robot"))
    return OneCredential(
        BearerTokens(readers, realm="shop", resource_metadata=METADATA.url),
        DPoPTokens(readers, dpop=dpop or DPoP(algorithms=("ES256",)), clock=clock),
        ApiKeyAuthenticator(ApiKeyTable([robot]), realm="shop", clock=clock),
        CertificateAuthenticator(CertificateSource(Place.XFCC, clock=clock),
                                 trust_domains=[TrustDomain("prod.example")]))


def shop(*rules: Any, dpop: DPoP | None = None, **more: Any) -> IAMGuardMiddleware:
    return door(echo, *rules, authenticator=ways(dpop), metadata=METADATA,
                edge=EdgeSettings(trusted_proxies=("203.0.113.7",)), **more)


def get(guarded: IAMGuardMiddleware, *headers: tuple[str, str], target: str = "/x") -> Any:
    return call(guarded, "GET", target, headers)


@pytest.mark.parametrize("kind", GOOD)
def test_each_way_is_admitted(kind: str) -> None:
    assert get(shop(), GOOD[kind]).status == 200


def test_who_sends_nothing_is_told_every_way() -> None:
    answer = get(shop())
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="shop", '
        'resource_metadata="https://app.example/.well-known/oauth-protected-resource/shop", '
        'DPoP algs="ES256", ApiKey realm="shop", header="X-API-Key"')


def test_the_scheme_that_failed_tells_why() -> None:
    assert 'DPoP algs="ES256", error="invalid_dpop_proof"' in get(shop(), BAD["dpop"]).headers["www-authenticate"]
    assert 'header="X-API-Key", error="invalid_token"' in get(shop(), BAD["key"]).headers["www-authenticate"]


def test_a_nonce_is_handed_out_in_its_own_header() -> None:
    answer = get(shop(dpop=DPoP(nonces=Nonces(key=b"k" * 32))), ("Authorization", "DPoP t"))
    assert answer.status == 401
    assert "dpop-nonce" not in answer.headers  # what is no proof at all gets none
    assert "invalid_dpop_proof" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("kind", BAD)
def test_anonymous_callers_are_those_who_sent_nothing(kind: str) -> None:
    rule = {"Version": "2012-10-17", "Statement": [statement("Allow", "app:Get", OPEN, Principal="*")]}
    policies = PolicySet(Attachments(resources={OPEN: Policy("open", parse_policy(rule, kind=PolicyKind.RESOURCE))}))
    guarded = shop(guard=Guard(policies, clock=lambda: NOW), allow_anonymous=True,
                   routes={"GET /{p:path}": ("app:Get", OPEN)})
    assert get(guarded).status == 200
    assert get(guarded, BAD[kind]).status in (400, 401)
    assert get(guarded, target="/x?access_token=t").status == 401  # J20.1


kinds = st.lists(st.sampled_from([*(("good", kind) for kind in GOOD), *(("bad", kind) for kind in BAD)]),
                 min_size=2, max_size=4, unique_by=lambda one: one[1])


@given(kinds)
def test_s10_two_credentials_are_400_whatever_they_are_worth(sent: list[tuple[str, str]]) -> None:
    headers = [(GOOD if worth == "good" else BAD)[kind] for worth, kind in sent]
    assert get(shop(), *headers).status == 400


def test_s8_a_certificate_told_by_a_stranger_is_none() -> None:
    guarded = door(echo, authenticator=ways(), edge=EdgeSettings())
    assert get(guarded, GOOD["certificate"]).status == 401
    assert get(guarded, GOOD["certificate"], GOOD["bearer"]).status == 200  # it is not even a second credential


@pytest.mark.parametrize("name", ["Client-Cert", "ssl-client-cert", "ssl-client-verify", "SSL_Client_Verify",
                                  "ssl-client-subject-dn", "X-Forwarded-Client-Cert", "X-Amzn-Mtls-Clientcert-Leaf"])
def test_s8_an_application_sees_no_certificate_that_a_stranger_told(name: str) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(header.decode() for header, _ in scope["headers"])
        await echo(scope, receive, send)

    assert get(door(app), GOOD["bearer"], (name, "SUCCESS")).status == 200
    assert "authorization" in seen
    assert name.lower() not in seen


def test_the_metadata_are_for_everybody() -> None:
    answer = get(shop(), target="/.well-known/oauth-protected-resource/shop")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert json.loads(answer.body)["resource"] == "https://app.example/shop"
    head = call(shop(), "HEAD", "/.well-known/oauth-protected-resource/shop", ())
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == answer.headers["content-length"]


@pytest.mark.parametrize(("method", "target"), [
    ("POST", "/.well-known/oauth-protected-resource/shop"), ("GET", "/.well-known/oauth-protected-resource"),
    ("GET", "/.well-known/oauth-protected-resource/shop/"), ("GET", "/.well-known/oauth-protected-resource/shop2"),
])
def test_nothing_beside_them_is(method: str, target: str) -> None:
    assert call(shop(), method, target, ()).status in (401, 403, 405)


def test_a_stronger_login_is_asked_for_by_the_scheme_in_use() -> None:
    strong = statement("Allow", "app:Get", "*", Condition={"StringEquals": {"jwt:acr": "urn:example:gold"}})
    guarded = shop(strong, style=DenialStyle(show_step_up=True))
    answer = get(guarded, with_token(acr="urn:example:bronze")[0])
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer error="insufficient_user_authentication", '
        'error_description="A different authentication level is required", acr_values="urn:example:gold", '
        'resource_metadata="https://app.example/.well-known/oauth-protected-resource/shop"')
    assert get(guarded, GOOD["key"]).status == 403  # no login would give a key another strength


def tls_status(guarded: IAMGuardMiddleware, tls: dict[str, Any], *headers: tuple[str, str]) -> int:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = http_scope("GET", "/x", headers, extensions={"tls": tls})
    asyncio.run(guarded(scope, None, send))  # type: ignore[arg-type]
    return int(sent[0]["status"])


def mutual_tls() -> IAMGuardMiddleware:
    clock = NOW.timestamp
    source = CertificateSource(Place.TLS, clock=clock)
    return door(echo, authenticator=OneCredential(trusting(), CertificateAuthenticator(
        source, trust_domains=[TrustDomain("prod.example")])))


def svid() -> str:
    return pem(certificate(("spiffe://prod.example/web",), start=int(NOW.timestamp()), end=int(NOW.timestamp()) + 9))


def test_the_tls_layer_of_the_server_tells_the_certificate() -> None:
    told = {"client_cert_chain": [svid(), "the authority's"], "client_cert_error": None}
    assert tls_status(mutual_tls(), told) == 200
    assert tls_status(mutual_tls(), told, GOOD["bearer"]) == 400
    assert tls_status(mutual_tls(), {"client_cert_chain": []}) == 401
    assert tls_status(mutual_tls(), {"client_cert_chain": []}, GOOD["bearer"]) == 200
    assert tls_status(mutual_tls(), {"tls_version": 0x0304}, GOOD["bearer"]) == 200


@pytest.mark.parametrize("tls", [
    {"client_cert_chain": (), "client_cert_error": "expired"}, {"client_cert_chain": [7]},
    {"client_cert_chain": ["x"] * 11},
])
def test_what_the_server_says_of_a_bad_certificate_is_final(tls: dict[str, Any]) -> None:
    assert tls_status(mutual_tls(), tls | {"client_cert_chain": tls["client_cert_chain"] or [svid()]}) == 401
    assert tls_status(mutual_tls(), tls, GOOD["bearer"]) == 401
    assert tls_status(door(echo), tls, GOOD["bearer"]) == 200  # where nobody reads certificates, none matters
