"""The token endpoint: RFC 6749, RFC 8693 and RFC 8414 to the letter, and from there through a guarded application."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from test_web_identity import PROVIDER, id_token, provider
from tokens import NOW
from world import ANN, AUDIENCE, ISSUER, A, World, allow, arn, deny, doc, part, trust

from iam_guard import IAMGuardMiddleware, RequestMapper
from iam_guard.errors import UnavailableError
from iam_guard.identity.access_keys import KnownKey
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.presets import token_service
from iam_guard.model import Principal
from iam_guard.sts.app import token_app
from iam_guard.sts.limits import RateLimit
from iam_guard.sts.web_identity import WebIdentities

CLIENT, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIALS = {"grant_type": "client_credentials"}
EXCHANGE = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}
ROLE = {"role_arn": arn("role", "T"), "role_session_name": "s1"}


class Keys:
    """Access keys that a test writes down."""

    def __init__(self, *known: KnownKey) -> None:
        self.known = {one.access_key_id: one for one in known}
        self.fails = False

    async def find(self, access_key_id: str) -> KnownKey | None:
        if self.fails:
            raise UnavailableError("the store is away")
        return self.known.get(access_key_id)

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Endpoint:
    """A token service over HTTP, with ann's key."""

    def __init__(self, *statements: dict[str, Any], **options: Any) -> None:
        self.world = World()
        self.ann = self.world.user("ann", *statements)
        self.keys = Keys(KnownKey(CLIENT, SECRET, self.ann))
        identities = WebIdentities((provider(),), clock=self.world.clock)
        self.app = token_app(self.world.service, self.keys, identities=identities, clock=self.world.clock, **options)

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=ISSUER) as client:
                return await client.request(method, path, **request)

        return asyncio.run(ask())

    def ask(self, form: dict[str, str], *, auth: tuple[str, str] | None = None, **more: Any) -> httpx.Response:
        return self.send("POST", "/token", data=form, auth=auth, **more)

    def enter(self, answer: httpx.Response) -> Principal:
        return asyncio.run(self.world.enter(answer.json()["access_token"]))


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


ANNS = (CLIENT, SECRET)


def test_an_access_key_gives_a_session(endpoint: Endpoint) -> None:
    answer = endpoint.ask(CREDENTIALS, auth=ANNS)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 43200)
    assert endpoint.enter(answer).arn == ANN
    assert part(body["access_token"], 1)["client_id"] == CLIENT
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")  # RFC 6749 5.1


def test_a_key_can_be_sent_in_the_form(endpoint: Endpoint) -> None:
    answer = endpoint.ask({**CREDENTIALS, "client_id": CLIENT, "client_secret": SECRET})
    assert endpoint.enter(answer).arn == ANN


def test_a_key_can_be_encoded_as_the_standard_says(endpoint: Endpoint) -> None:
    answer = endpoint.ask(CREDENTIALS, auth=(quote_plus(CLIENT), quote(SECRET, safe="")))  # RFC 6749 section 2.3.1
    assert answer.status_code == 200


def test_an_access_key_opens_a_role(endpoint: Endpoint) -> None:
    endpoint.world.role("T", trust({"AWS": ANN}, ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], {
        "StringEquals": {"sts:ExternalId": "abc", "aws:RequestTag/team": "red"}}))
    answer = endpoint.ask({**CREDENTIALS, **ROLE, "external_id": "abc", "tags": '{"team":"red","cost":"1"}',
                           "transitive_tag_keys": "team cost", "source_identity": "ada", "duration_seconds": "900",
                           "policy": doc(allow("sqs:*")), "audience": AUDIENCE}, auth=ANNS)
    who = endpoint.enter(answer)
    assert answer.json()["expires_in"] == 900
    assert who.arn == answer.json()["arn"] == f"arn:aws:sts::{A}:assumed-role/T/s1"
    assert who.tags == {"team": "red", "cost": "1"}
    assert who.session_policies is not None
    assert who.context["aws:sourceidentity"] == "ada"


def test_a_user_vouches_for_somebody() -> None:
    endpoint = Endpoint(allow("sts:GetFederationToken"))
    managed = endpoint.world.managed("Send", allow("sqs:*"))
    answer = endpoint.ask({**CREDENTIALS, "federated_user": "bob", "policy_arns": managed}, auth=ANNS)
    assert endpoint.enter(answer).arn == f"arn:aws:sts::{A}:federated-user/bob"


# --- clients that are none (RFC 6749 section 5.2) -------------------------------------------------------


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize(("form", "headers"), [
    ({}, {}), ({}, basic(f"{CLIENT}:wrong")), ({}, basic(f"{CLIENT}:")), ({}, basic(CLIENT)),
    ({}, basic(f"AKIAUNKNOWN:{SECRET}")), ({}, {"Authorization": "Basic %%%"}), ({}, {"Authorization": "Basic"}),
    ({}, {"Authorization": "Bearer abc"}), ({}, basic(f"{CLIENT}:{SECRET}x")), ({}, basic(f"{CLIENT}:{SECRET[:-1]}")),
    ({"client_id": CLIENT, "client_secret": "wrong"}, {}), ({"client_secret": SECRET}, {}),
    ({"client_id": CLIENT, "client_secret": SECRET + "x" * 300}, {}), ({"client_id": CLIENT}, {}),
])
def test_an_unknown_client(endpoint: Endpoint, form: dict[str, str], headers: dict[str, str]) -> None:
    answer = endpoint.ask({**CREDENTIALS, **form}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_every_unknown_client_reads_the_same(endpoint: Endpoint) -> None:
    answers = [endpoint.ask(CREDENTIALS, auth=pair) for pair in ((CLIENT, "wrong"), ("AKIAUNKNOWN", SECRET))]
    endpoint.keys.known[CLIENT] = KnownKey(CLIENT, SECRET, endpoint.ann, active=False)
    answers.append(endpoint.ask(CREDENTIALS, auth=ANNS))
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1


@pytest.mark.parametrize(("form", "headers"), [
    ({"client_id": CLIENT, "client_secret": SECRET}, basic(f"{CLIENT}:{SECRET}")),
    ({"client_id": "AKIAOTHER"}, basic(f"{CLIENT}:{SECRET}")),
])
def test_two_clients_at_once(endpoint: Endpoint, form: dict[str, str], headers: dict[str, str]) -> None:
    answer = endpoint.ask({**CREDENTIALS, **form}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# --- requests that are none -----------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "error"), [
    ({}, "invalid_request"), ({"grant_type": "password"}, "unsupported_grant_type"),
    ({**CREDENTIALS, "scope": "orders"}, "invalid_scope"), ({**CREDENTIALS, "audience": "billing"}, "invalid_target"),
    ({**CREDENTIALS, "resource": "https://other.example"}, "invalid_target"),
    ({**CREDENTIALS, "duration_seconds": "1"}, "invalid_request"),
    ({**CREDENTIALS, "duration_seconds": "3600.5"}, "invalid_request"),
    ({**CREDENTIALS, "duration_seconds": "²"}, "invalid_request"),
    ({**CREDENTIALS, "role_arn": arn("role", "T")}, "invalid_request"),
    ({**CREDENTIALS, **ROLE, "tags": "[]"}, "invalid_request"), ({**CREDENTIALS, **ROLE, "tags": '{"a":1}'},
                                                                 "invalid_request"),
    ({**CREDENTIALS, **ROLE, "polcy": doc(deny("*"))}, "invalid_request"),  # a limit that was misspelt is not none
    ({**CREDENTIALS, "policy": doc(deny("*"))}, "invalid_request"),  # sessions of users have no policy
    ({**CREDENTIALS, **ROLE}, "unauthorized_client"),
    ({**CREDENTIALS, "serial_number": f"arn:aws:iam::{A}:mfa/ann", "token_code": "123456"}, "unauthorized_client"),
])
def test_a_request_that_is_refused(endpoint: Endpoint, form: dict[str, str], error: str) -> None:
    answer = endpoint.ask(form, auth=ANNS)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert "access_token" not in answer.json()
    assert answer.headers["cache-control"] == "no-store"


def test_a_session_policy_that_is_none(endpoint: Endpoint) -> None:
    endpoint.world.role("T", trust({"AWS": ANN}))
    answer = endpoint.ask({**CREDENTIALS, **ROLE, "policy": "{}"}, auth=ANNS)
    assert (answer.json()["error"], answer.json()["code"]) == ("invalid_request", "MalformedPolicyDocument")


@pytest.mark.parametrize(("request_", "status"), [
    ({"content": b"grant_type=client_credentials&grant_type=client_credentials"}, 400),
    ({"content": b"grant_type"}, 400), ({"content": b"grant_type=\xff"}, 400), ({"content": b"grant_type=%ff"}, 400),
    ({"content": b"grant_type=client_credentials&x=" + b"y" * 33_000}, 413),
    ({"content": "&".join(f"x{number}=1" for number in range(60)).encode()}, 400),
    ({"content": b'{"grant_type":"client_credentials"}', "type": "application/json"}, 400),
    ({"content": b"grant_type=client_credentials", "path": "/token?grant_type=client_credentials"}, 400),
])
def test_a_body_that_is_refused(endpoint: Endpoint, request_: dict[str, Any], status: int) -> None:
    kind = request_.get("type", "application/x-www-form-urlencoded")
    answer = endpoint.send("POST", request_.get("path", "/token"), content=request_["content"], auth=ANNS,
                           headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")


def test_a_large_body_is_not_read_to_its_end(endpoint: Endpoint) -> None:
    taken = []

    async def endless() -> Any:
        for number in range(100):
            taken.append(number)
            yield b"x" * 10_000

    answer = endpoint.send("POST", "/token", content=endless(),
                           headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 413
    assert len(taken) < 10


def test_only_posts_are_token_requests(endpoint: Endpoint) -> None:
    assert endpoint.send("GET", "/token").status_code == 405


def test_descriptions_have_the_characters_of_the_standard(endpoint: Endpoint) -> None:
    answer = endpoint.ask({**CREDENTIALS, **ROLE, "role_arn": 'arn:aws:iam::1:role/"\\ü\n'}, auth=ANNS)
    description = answer.json()["error_description"]
    assert answer.json()["error"] == "unauthorized_client"
    assert all(" " <= char <= "~" and char not in '"\\' for char in description)


# --- token exchange (RFC 8693) --------------------------------------------------------------------------


def trusts_provider(endpoint: Endpoint) -> None:
    endpoint.world.role("T", trust({"Federated": PROVIDER}, "sts:AssumeRoleWithWebIdentity", {
        "StringLike": {"idp.example:sub": "repo:org/*"}}))


def test_a_web_identity_becomes_a_session(endpoint: Endpoint) -> None:
    trusts_provider(endpoint)
    answer = endpoint.ask({**EXCHANGE, **ROLE, "subject_token": id_token().decode()})
    body = answer.json()
    assert (answer.status_code, body["token_type"], body["expires_in"]) == (200, "Bearer", 3600)
    assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"  # section 2.2.1
    assert endpoint.enter(answer).context["aws:federatedprovider"] == PROVIDER
    assert part(body["access_token"], 1)["client_id"] == "app"


def test_a_session_becomes_one_of_another_role(endpoint: Endpoint) -> None:
    trusts_provider(endpoint)
    endpoint.world.role("R2", trust({"AWS": arn("role", "T")}))
    first = endpoint.ask({**EXCHANGE, **ROLE, "subject_token": id_token().decode()}).json()["access_token"]
    second = {**EXCHANGE, **ROLE, "role_arn": arn("role", "R2"), "subject_token": first}
    assert endpoint.enter(endpoint.ask(second)).role_arn == arn("role", "R2")
    answer = endpoint.ask({**second, "duration_seconds": "7200"})  # a chain is limited to an hour
    assert (answer.status_code, answer.json()["code"]) == (400, "ValidationError")


@pytest.mark.parametrize(("change", "error", "code"), [
    ({"subject_token": ""}, "invalid_request", None),
    ({"subject_token": "abc"}, "invalid_request", "InvalidIdentityToken"),
    ({"subject_token": id_token(key="k2").decode()}, "invalid_request", "InvalidIdentityToken"),
    ({"subject_token": id_token(exp=NOW - 100).decode()}, "invalid_request", "ExpiredTokenException"),
    ({"subject_token": id_token(iss="https://evil.example").decode()}, "invalid_request", "InvalidIdentityToken"),
    ({"subject_token": id_token(iss=ISSUER).decode()}, "invalid_request", "InvalidIdentityToken"),
    ({"subject_token": id_token(sub="repo:evil/x").decode()}, "invalid_request", "AccessDenied"),
    ({"subject_token_type": ""}, "invalid_request", None),
    ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request", None),
    ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request", None),
    ({"actor_token": "abc"}, "invalid_request", None), ({"role_arn": ""}, "invalid_request", None),
    ({"tags": '{"team":"red"}'}, "invalid_request", None), ({"external_id": "abc"}, "invalid_request", None),
])
def test_an_exchange_that_is_refused(endpoint: Endpoint, change: dict[str, str], error: str, code: str | None) -> None:
    trusts_provider(endpoint)
    answer = endpoint.ask({**EXCHANGE, **ROLE, "subject_token": id_token().decode(), **change})
    assert (answer.status_code, answer.json()["error"], answer.json().get("code")) == (400, error, code)


def test_an_exchange_by_a_wrong_client_is_refused(endpoint: Endpoint) -> None:
    trusts_provider(endpoint)
    answer = endpoint.ask({**EXCHANGE, **ROLE, "subject_token": id_token().decode()}, auth=(CLIENT, "wrong"))
    assert answer.status_code == 401


@pytest.mark.parametrize(("subject", "status"), [("ann", 200), ("bob", 400)])
def test_callers_of_a_known_issuer_assume_roles(endpoint: Endpoint, subject: str, status: int) -> None:
    people = replace(provider().issuer, claims=ClaimMapping(account=A, partition="aws"))
    callers = JWTAuthenticator([people], clock=endpoint.world.clock)
    endpoint.app = token_app(endpoint.world.service, endpoint.keys, callers=callers, clock=endpoint.world.clock)
    endpoint.world.role("T", trust({"AWS": ANN}))
    answer = endpoint.ask({**EXCHANGE, **ROLE, "subject_token": id_token(sub=subject).decode()})
    assert answer.status_code == status
    if status == 200:
        assert endpoint.enter(answer).role_arn == arn("role", "T")


def test_a_bound_token_of_a_caller_is_refused(endpoint: Endpoint) -> None:
    people = replace(provider().issuer, claims=ClaimMapping(account=A, partition="aws"))
    callers = JWTAuthenticator([people], clock=endpoint.world.clock)
    endpoint.app = token_app(endpoint.world.service, endpoint.keys, callers=callers, clock=endpoint.world.clock)
    endpoint.world.role("T", trust({"AWS": ANN}))
    answer = endpoint.ask({**EXCHANGE, **ROLE, "subject_token": id_token(sub="ann", cnf={"jkt": "x" * 43}).decode()})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_sessions_are_exchanged_over_a_rotation(endpoint: Endpoint) -> None:
    world = endpoint.world
    world.role("T", trust({"AWS": ANN}))
    world.role("R2", trust({"AWS": arn("role", "T")}))
    wanted = {**EXCHANGE, **ROLE, "role_arn": arn("role", "R2")}
    old = world.assume(endpoint.ann).token
    assert endpoint.ask({**wanted, "subject_token": old}).status_code == 200
    world.turn_keys()
    for token in (old, world.assume(endpoint.ann).token):
        assert endpoint.ask({**wanted, "subject_token": token}).status_code == 200


def test_a_temporary_key_is_no_client(endpoint: Endpoint) -> None:
    endpoint.keys.known[CLIENT] = KnownKey(CLIENT, SECRET, replace(endpoint.ann, expires_at=NOW + 60))
    assert endpoint.ask(CREDENTIALS, auth=ANNS).status_code == 401


# --- what goes wrong ------------------------------------------------------------------------------------


def test_a_store_that_is_away(endpoint: Endpoint) -> None:
    endpoint.keys.fails = True
    answer = endpoint.ask(CREDENTIALS, auth=ANNS)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_a_mistake_of_ours_gives_no_token(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret thought")

    monkeypatch.setattr(endpoint.world.service, "get_session_token", broken)
    answer = endpoint.ask(CREDENTIALS, auth=ANNS)
    assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
    assert "thought" not in answer.text


def test_secrets_stay_out_of_the_log(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    trusts_provider(endpoint)
    caplog.set_level(logging.DEBUG, logger="iam_guard")
    token = id_token(sub="repo:evil/x").decode()
    endpoint.ask({**EXCHANGE, **ROLE, "subject_token": token})
    endpoint.ask(CREDENTIALS, auth=(CLIENT, f"{SECRET}-but-wrong"))
    given = endpoint.ask(CREDENTIALS, auth=ANNS).json()["access_token"]
    assert caplog.text
    assert not any(secret in caplog.text for secret in (SECRET, token, token.split(".")[2], given, given.split(".")[2]))


def test_one_address_asks_so_often_and_no_oftener() -> None:
    endpoint = Endpoint(limit=None)
    limit = RateLimit(3, 0.5, endpoint.world.clock)
    endpoint.app = token_app(endpoint.world.service, endpoint.keys, clock=endpoint.world.clock, limit=limit)
    found = [endpoint.ask(CREDENTIALS, auth=(CLIENT, "wrong")).status_code for _ in range(4)]
    assert found == [401, 401, 401, 429]
    refused = endpoint.ask(CREDENTIALS, auth=ANNS)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    endpoint.world.clock.now += 2
    assert endpoint.ask(CREDENTIALS, auth=ANNS).status_code == 200
    assert endpoint.ask(CREDENTIALS, auth=ANNS).status_code == 429
    other = httpx.ASGITransport(endpoint.app, client=("192.0.2.7", 1))

    async def ask() -> int:
        async with httpx.AsyncClient(transport=other, base_url=ISSUER) as client:
            return (await client.post("/token", data=CREDENTIALS, auth=ANNS)).status_code

    assert asyncio.run(ask()) == 200


# --- metadata and keys ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"])
def test_metadata(endpoint: Endpoint, path: str) -> None:
    found = endpoint.send("GET", path).json()
    assert found["issuer"] == ISSUER
    assert found["token_endpoint"] == f"{ISSUER}/token"
    assert found["jwks_uri"] == f"{ISSUER}/jwks.json"
    assert found["response_types_supported"] == []  # required, though there are none
    assert EXCHANGE["grant_type"] in found["grant_types_supported"]


def test_metadata_of_an_issuer_with_a_path() -> None:
    world = World()
    world.service.issuer = "https://sts.example/tenant"
    app = token_app(world.service, Keys(), clock=world.clock)

    async def ask(path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ISSUER) as client:
            return await client.get(path)

    found = asyncio.run(ask("/.well-known/oauth-authorization-server/tenant")).json()  # RFC 8414 section 3.1
    assert found["jwks_uri"] == "https://sts.example/tenant/jwks.json"
    assert asyncio.run(ask("/tenant/jwks.json")).json()["keys"]


def test_published_keys_are_public(endpoint: Endpoint) -> None:
    answer = endpoint.send("GET", "/jwks.json")
    assert "max-age" in answer.headers["cache-control"]
    assert all("d" not in key for key in answer.json()["keys"])


# --- from a key to a decision ---------------------------------------------------------------------------


async def read_order(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"order {request.path_params['order']}")


def guarded(endpoint: Endpoint, http: httpx.AsyncClient) -> Any:
    """An application behind the guard, which fetches the service's keys over HTTP."""
    authenticator = JWTAuthenticator([token_service(ISSUER, audience=AUDIENCE)], clock=endpoint.world.clock, http=http)
    return IAMGuardMiddleware(
        Starlette(routes=[Route("/orders/{order}", read_order)]), guard=endpoint.world.guard,
        authenticator=authenticator, mapper=RequestMapper({
            "GET /orders/{order}": ("orders:Read", f"arn:aws:orders::{A}:order/{{order}}")}))


def test_from_a_long_lived_key_to_a_guarded_application() -> None:
    endpoint = Endpoint()
    order = f"arn:aws:orders::{A}:order/7"
    role = endpoint.world.role("T", trust({"AWS": ANN}), policy=(allow("orders:Read", order),))
    token = endpoint.ask({**CREDENTIALS, **ROLE}, auth=ANNS).json()["access_token"]

    async def whole() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(endpoint.app)) as keys, httpx.AsyncClient(
                transport=httpx.ASGITransport(guarded(endpoint, keys)), base_url="https://orders.example") as client:

            async def ask(path: str, bearer: str) -> int:
                return (await client.get(path, headers={"Authorization": f"Bearer {bearer}"})).status_code

            assert await ask("/orders/7", token) == 200
            assert await ask("/orders/8", token) == 403
            assert await ask("/orders/7", token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")) == 401
            endpoint.world.delete(role)
            assert await ask("/orders/7", token) == 401  # threat E25: nobody is left whose session this is

    asyncio.run(whole())


def test_a_guard_that_runs_learns_of_a_new_key() -> None:
    endpoint = Endpoint()
    world = endpoint.world
    world.role("T", trust({"AWS": ANN}), policy=(allow("orders:Read"),))

    async def whole() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(endpoint.app)) as keys, httpx.AsyncClient(
                transport=httpx.ASGITransport(guarded(endpoint, keys)), base_url="https://orders.example") as client:

            async def ask(token: str) -> int:
                return (await client.get("/orders/7", headers={"Authorization": f"Bearer {token}"})).status_code

            old = world.assume(endpoint.ann).token
            assert await ask(old) == 200
            world.clock.now += 600
            world.turn_keys()
            assert await ask(world.assume(endpoint.ann).token) == 200
            assert await ask(old) == 200

    asyncio.run(whole())


def test_json_is_what_it_says(endpoint: Endpoint) -> None:
    answer = endpoint.ask(CREDENTIALS, auth=ANNS)
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text)["access_token"]
