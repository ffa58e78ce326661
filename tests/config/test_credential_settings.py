"""The sections ``credentials`` and ``metadata``: ways that work together, and mistakes with their place."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import respx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from jwt.algorithms import ECAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.config import Settings, load_settings
from iam_guard.errors import ConfigurationError
from iam_guard.identity.caller import current_principal
from iam_guard.identity.confirmation import thumbprint
from iam_guard.identity.dpop_proof import jwk_thumbprint
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.one_credential import OneCredential

SECRET = "0123456789abcdef0123456789abcdef"
KEY = "igk_7Q2mX9aBfT3k_" + "s3cret-" * 6
IDP = "https://idp.example"
BASE = """\
policies: iam
routes: routes.yaml
realm: orders
log: {logger: ""}
edge: {trusted_proxies: [127.0.0.1]}
issuers:
  - {issuer: "https://idp.example", audience: orders, algorithms: [HS256], secret: {env: IAM_GUARD_TEST_SECRET}}
"""
ALL = """\
metadata: {resource: "https://orders.example", authorization_servers: ["https://idp.example"]}
credentials:
  introspection:
    url: https://opaque.example/introspect
    issuer: https://opaque.example
    client_id: orders
    client_secret: {env: IAM_GUARD_TEST_SECRET}
    audience: orders
    claims: {name_prefix: "opaque:", account: partners}
  dpop: {algorithms: [ES256], origin: "https://orders.example"}
  certificates:
    place: client-cert
    trust_domains: [{name: prod.example, account: t1}]
    hosts: [{name: db.example, role: database}]
  api_keys:
    keys:
      - {id: igk_7Q2mX9aBfT3k, sha256: DIGEST, principal: "arn:app:iam::t1:user/robot", tags: {team: night}}
""".replace("DIGEST", sha256(KEY.encode()).hexdigest())
READ = """\
Version: "2012-10-17"
Statement: {Effect: Allow, Action: orders:Get, Resource: "*"}
"""
ROUTES = 'version: 1\nroutes:\n  GET /orders/{id}: {action: orders:Get, resource: "*"}\n'
CLIENT = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IAM_GUARD_TEST_SECRET", SECRET)
    (tmp_path / "iam" / "everyone").mkdir(parents=True)
    (tmp_path / "iam" / "everyone" / "read.yaml").write_text(READ)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    path = tmp_path / "iam-guard.yaml"
    path.write_text(BASE + ALL)
    return path


def bearer(scheme: str = "Bearer", **claims: Any) -> dict[str, str]:
    return {"Authorization": f"{scheme} {token(**claims)}"}


def token(**claims: Any) -> str:
    now = int(time.time())
    return jwt.encode({"iss": IDP, "aud": "orders", "sub": "ann", "iat": now, "exp": now + 600, **claims}, SECRET,
                      "HS256")


def public_key() -> dict[str, Any]:
    return ECAlgorithm(SHA256).to_jwk(CLIENT.public_key(), as_dict=True)  # type: ignore[arg-type,return-value]


def proved() -> dict[str, str]:
    text = token(cnf={"jkt": jwk_thumbprint(public_key())})
    claims = {"jti": str(time.time_ns()), "htm": "GET", "htu": "https://orders.example/orders/7", "iat": time.time(),
              "ath": thumbprint(sha256(text.encode()).digest())}
    proof = jwt.encode(claims, CLIENT, "ES256", {"typ": "dpop+jwt", "jwk": public_key()})
    return {"Authorization": f"DPoP {text}", "DPoP": proof}


def certificate(*names: x509.GeneralName) -> x509.Certificate:
    now, name = datetime.now(UTC), x509.Name([])
    return (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(CLIENT.public_key())
            .serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=True).sign(CLIENT, SHA256()))


def shown(made: x509.Certificate) -> dict[str, str]:
    return {"Client-Cert": f":{base64.b64encode(made.public_bytes(Encoding.DER)).decode()}:"}


WORKLOAD = certificate(x509.UniformResourceIdentifier("spiffe://prod.example/web"))
MACHINE = certificate(x509.DNSName("db.example"))


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(current_principal().arn)


def door(path: Path) -> IAMGuardMiddleware:
    return load_settings(path).build().middleware(Starlette(routes=[Route("/orders/{id}", answer)]))


def ask(app: IAMGuardMiddleware, *requests: dict[str, str], target: str = "/orders/7") -> Sequence[httpx.Response]:
    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://orders.internal") as client:
            return [await client.get(target, headers=headers) for headers in requests]

    return asyncio.run(run())


def bound_to(made: x509.Certificate) -> dict[str, str]:
    return bearer(cnf={"x5t#S256": thumbprint(sha256(made.public_bytes(Encoding.DER)).digest())}) | shown(made)


@respx.mock
def test_every_way_at_once(settings: Path) -> None:
    now = int(time.time())
    asked = respx.post("https://opaque.example/introspect").respond(200, json={
        "active": True, "sub": "bo", "aud": "orders", "exp": now + 60})
    answers = ask(door(settings), bearer(), {"Authorization": "Bearer opaque"}, proved(), shown(WORKLOAD),
                  shown(MACHINE), {"X-API-Key": KEY}, bound_to(WORKLOAD))
    assert [one.text for one in answers] == [
        "arn:app:iam::000000000000:user/ann", "arn:app:iam::partners:user/opaque%3Abo",
        "arn:app:iam::000000000000:user/ann", "arn:app:iam::t1:user/spiffe/prod.example/web",
        "arn:app:sts::000000000000:assumed-role/database/host%3A%2F%2Fdb.example", "arn:app:iam::t1:user/robot",
        "arn:app:iam::000000000000:user/ann"]
    assert all(one.headers["vary"] == "Authorization, X-API-Key" for one in answers)
    assert asked.call_count == 1
    assert asked.calls[0].request.headers["authorization"].startswith("Basic ")


@respx.mock
def test_s10_no_two_of_them_in_one_request(settings: Path) -> None:
    kinds = [bearer(), {"Authorization": "Bearer opaque"}, proved(), shown(WORKLOAD), {"X-API-Key": KEY}]
    respx.post("https://opaque.example/introspect").respond(200, json={
        "active": True, "sub": "bo", "aud": "orders", "exp": int(time.time()) + 60})
    app = door(settings)
    pairs = [one | other for index, one in enumerate(kinds) for other in kinds[index + 1:]
             if not one.keys() & other.keys()]
    assert len(pairs) == 7
    assert {one.status_code for one in ask(app, *pairs)} == {400}


def test_the_challenges_and_the_metadata(settings: Path) -> None:
    app = door(settings)
    [refused] = ask(app, {})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == (
        'Bearer realm="orders", resource_metadata="https://orders.example/.well-known/oauth-protected-resource", '
        'DPoP algs="ES256", ApiKey realm="orders", header="X-API-Key"')
    [told] = ask(app, {}, target="/.well-known/oauth-protected-resource")
    assert told.json() == {
        "resource": "https://orders.example", "authorization_servers": [IDP], "bearer_methods_supported": ["header"],
        "tls_client_certificate_bound_access_tokens": True, "dpop_signing_alg_values_supported": ["ES256"]}


def test_without_any_of_it_bearer_tokens_are_judged_as_ever(settings: Path) -> None:
    settings.write_text(BASE)
    assert isinstance(load_settings(settings).build().authenticator, JWTAuthenticator)
    settings.write_text(BASE + "allow_anonymous: true\n")
    assert isinstance(load_settings(settings).build().authenticator, OneCredential)


def test_figures_find_the_keys_of_all_issuers_once(settings: Path) -> None:
    found = load_settings(settings).build().authenticator
    assert isinstance(found, OneCredential)
    assert list(found.key_sources) == [IDP]
    settings.write_text(NO_ISSUERS + "credentials: {certificates: {place: tls, hosts: [{name: db.example}]}}\n")
    found = load_settings(settings).build().authenticator
    assert isinstance(found, OneCredential)
    assert dict(found.key_sources) == {}


def test_bearer_tokens_can_be_shut_out(settings: Path) -> None:
    settings.write_text(BASE + 'credentials: {dpop: {required: true, origin: "https://orders.example"}}\n')
    answers = ask(door(settings), proved(), bearer(), {})
    assert [one.status_code for one in answers] == [200, 401, 401]
    assert answers[2].headers["www-authenticate"].startswith("DPoP algs=")
    # What is not taken here is not offered either, not even to say what is wrong.
    assert answers[1].headers["www-authenticate"].endswith(
        'error="invalid_token", error_description="The credentials are of no kind that is accepted here"')
    assert "Bearer" not in answers[1].headers["www-authenticate"]


def test_nonces(settings: Path) -> None:
    settings.write_text(BASE + "credentials: {dpop: {nonce_seconds: 60, nonce_secret: {env: IAM_GUARD_TEST_SECRET}, "
                               'origin: "https://orders.example"}}\n')
    [first] = ask(door(settings), proved())
    assert first.status_code == 401
    assert 'PS256 EdDSA Ed25519", error="use_dpop_nonce"' in first.headers["www-authenticate"]
    assert first.headers["dpop-nonce"]


def key_file(*texts: str) -> str:
    return "keys:" + "".join(
        f"\n  - {{id: {text[:16]}, sha256: {sha256(text.encode()).hexdigest()}, "
        f'principal: "arn:app:iam::t1:user/robot"}}' for text in texts) + ("\n" if texts else " []\n")


def test_keys_in_a_file_follow_it(settings: Path) -> None:
    settings.write_text(BASE + "credentials: {api_keys: {file: keys.yaml}}\n")
    (settings.parent / "keys.yaml").write_text(key_file(KEY))
    built = load_settings(settings).build()
    key = {"X-API-Key": KEY}
    app = built.middleware(Starlette(routes=[Route("/orders/{id}", answer)]))
    assert [one.status_code for one in ask(app, key)] == [200]
    (settings.parent / "keys.yaml").write_text(key_file())
    # The clock of the watch is the machine's: what it sees next is tried without waiting for it.
    [watched] = [way._keys for way in built.authenticator._ways if hasattr(way, "_keys")]  # type: ignore[attr-defined]
    watched._every = 0
    assert [one.status_code for one in ask(app, key)] == [401]


@pytest.mark.parametrize(("content", "message"), [
    (None, "iam-guard.yaml:8:32: /credentials/api_keys/file: 'keys.yaml' cannot be read"),
    ("keys: [{id: igk_7Q2mX9aBfT3k}]\n", "keys.yaml:1:8: /keys/0: 'sha256' is missing"),
    ("keys: [\n", "keys.yaml"), ("kees: []\n", "keys.yaml"), (key_file(KEY, KEY), "keys.yaml:2:3: /keys: two keys"),
    (key_file(KEY).replace("user", "group"), "keys.yaml:2:113: /keys/0/principal"),
    ("#" * 1_048_577, "keys.yaml: the file is longer"),
])
def test_mistakes_in_the_file_are_told_there(settings: Path, content: str | None, message: str) -> None:
    if content is not None:
        (settings.parent / "keys.yaml").write_text(content)
    found = faults_of(settings, BASE + "credentials: {api_keys: {file: keys.yaml}}\n")
    assert any(message in fault for fault in found), found


def faults_of(settings: Path, text: str) -> list[str]:
    settings.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(settings).build()
    return [str(fault).replace(f"{settings.parent}/", "") for fault in refused.value.faults]


def test_settings_made_in_code_have_places_too(settings: Path) -> None:
    values = {"policies": str(settings.parent / "iam"), "routes": str(settings.parent / "routes.yaml"), "issuers": [],
              "credentials": {"certificates": {"place": "tls", "hosts": [{"name": "db.example"}, {"name": "*"}]}}}
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_mapping(values).build()
    assert [fault.pointer for fault in refused.value.faults] == ["/credentials/certificates/hosts/1/name"]


NO_ISSUERS = BASE.partition("issuers:")[0] + "issuers: []\n"


@pytest.mark.parametrize(("old", "new", "message"), [
    ("client_secret: {env: IAM_GUARD_TEST_SECRET}", "client_secret: s3cret",
     "/credentials/introspection/client_secret: a secret stands in the settings"),
    ("https://opaque.example/introspect", "http://opaque.example/introspect",
     "/credentials/introspection/url: tokens are not sent to 'http://opaque.example/introspect'"),
    ("    audience: orders\n", "", "/credentials/introspection/audience: there has to be an audience"),
    ("audience: orders\n    claims", "audience: orders\n    signed: true\n    claims",
     "/credentials/introspection/signed: signed tokens have one reader"),
    ('{name_prefix: "opaque:", account: partners}', "{}",
     "/credentials: introspection at 'https://opaque.example/introspect' and issuer 'https://idp.example' can make "
     "the same names in one account"),
    ("{algorithms: [ES256]", "{algorithms: [HS256]", "/credentials/dpop/algorithms: proofs are signed with key pairs"),
    ("{algorithms: [ES256]", "{nonce_secret: {env: X}, algorithms: [ES256]",
     "/credentials/dpop/nonce_secret: no nonces are asked for"),
    ("name: prod.example", "name: spiffe://prod.example",
     "/credentials/certificates/trust_domains/0/name: 'spiffe://prod.example' is not a name of this kind"),
    ("place: client-cert", "place: somewhere", "/credentials/certificates/place"),
    ("trusted_proxies: [127.0.0.1]", "", "/credentials/certificates/place: no proxy is trusted to tell certificates"),
    ("sha256: ", "sha256: x", "/credentials/api_keys/keys/0/sha256: this is not a SHA-256 digest"),
    *(("arn:app:iam::t1:user/robot", wrong, f"/credentials/api_keys/keys/0/principal: '{wrong}' cannot have a key")
      for wrong in ("robot", "anonymous", "arn:app:iam::t1:root", "arn:app:iam::t1:policy/robot", "arn:x", "arn:a:b")),
    ("tags: {team: night}", "expires: tomorrow", "/credentials/api_keys/keys/0/expires: 'tomorrow' is not a moment"),
    ("tags: {team: night}", 'expires: "2030-01-01T00:00:00"', "/credentials/api_keys/keys/0/expires"),
    ("id: igk_7Q2mX9aBfT3k", "id: igk", "/credentials/api_keys/keys/0/id: 'igk' is not the id of a key"),
    *(("    keys:\n", f"    header: {name}\n    keys:\n",
       f"/credentials/api_keys/header: '{name}' is not a header for keys")
      for name in ("Cookie", "X-Request-ID", "Content-Length")),
    ("  api_keys:", "  api_key:", "/credentials/api_key: 'api_key' is not a setting here; did you mean 'api_keys'?"),
    ('resource: "https://orders.example"', 'resource: "http://orders.example"', "/metadata"),
])
def test_mistakes_are_told_with_their_place(settings: Path, old: str, new: str, message: str) -> None:
    text = (BASE + ALL).replace(old, new)
    assert text != BASE + ALL
    found = faults_of(settings, text)
    assert any(message in fault for fault in found), found
    assert all("iam-guard.yaml" in fault for fault in found)
    assert "s3cret" not in "".join(found)


@pytest.mark.parametrize(("text", "message"), [
    (NO_ISSUERS, "/issuers: there is no issuer"),
    (NO_ISSUERS + "credentials: {dpop: {}}\n", "/credentials/dpop: there are no tokens to be bound"),
    (BASE + "credentials: {certificates: {place: tls, bound_tokens: false}}\n", "certificates are good for nothing"),
    (BASE + "credentials: {api_keys: {keys: []}}\n", "/credentials/api_keys: keys are in one place"),
    (BASE.replace("edge: {", "edge: {forwarded: forwarded, ") +
     "credentials: {certificates: {place: x-forwarded-client-cert}}\n", "this header is removed"),
])
def test_settings_that_let_nobody_in(settings: Path, text: str, message: str) -> None:
    assert any(message in fault for fault in faults_of(settings, text))
