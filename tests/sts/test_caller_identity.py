"""``GetCallerIdentity`` over HTTP; what is told is what IAM's API reference says of each kind of caller."""

from __future__ import annotations

import base64

import httpx
import pytest
from test_sessions_that_sign import Signers
from test_token_endpoint import ANNS, CLIENT, Endpoint
from test_web_identity import id_token
from world import ANN, A, deny, trust

from iam_guard.sts.app import token_app
from iam_guard.sts.limits import RateLimit

WHO = "/caller-identity"


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(deny("*"))  # nothing can deny it


def bearer(endpoint: Endpoint, token: str) -> httpx.Response:
    return endpoint.send("GET", WHO, headers={"Authorization": f"Bearer {token}"})


def test_a_user_by_key(endpoint: Endpoint) -> None:
    answer = endpoint.send("GET", WHO, auth=ANNS)
    assert answer.status_code == 200
    assert answer.json() == {"UserId": "AIDAANN", "Account": A, "Arn": ANN}
    assert answer.headers["cache-control"] == "no-store"


def test_a_session_of_a_role(endpoint: Endpoint) -> None:
    endpoint.world.role("T", trust({"AWS": ANN}))
    token = endpoint.world.assume(endpoint.world.user("ann")).token
    assert bearer(endpoint, token).json() == {
        "UserId": "AROAT:s1", "Account": A, "Arn": f"arn:aws:sts::{A}:assumed-role/T/s1"}


def test_a_session_that_is_over(endpoint: Endpoint) -> None:
    endpoint.world.role("T", trust({"AWS": ANN}))
    token = endpoint.world.assume(endpoint.world.user("ann")).token
    endpoint.world.clock.now += 3600 + 31
    answer = bearer(endpoint, token)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


def test_nobody(endpoint: Endpoint) -> None:
    answer = endpoint.send("GET", WHO)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "Bearer " in answer.headers["www-authenticate"]


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_a_bearer_of_nothing(endpoint: Endpoint, token: str) -> None:
    assert bearer(endpoint, token).status_code == 401


def test_a_web_identity_is_no_caller_yet(endpoint: Endpoint) -> None:
    assert bearer(endpoint, id_token()).status_code == 401


def test_a_wrong_secret_and_a_key_that_is_not_there_read_the_same(endpoint: Endpoint) -> None:
    answers = [endpoint.send("GET", WHO, auth=pair) for pair in ((CLIENT, "wrong"), ("AKIANOBODY0000000000", "wrong"))]
    assert [one.status_code for one in answers] == [401, 401]
    assert answers[0].content == answers[1].content


def test_two_credentials(endpoint: Endpoint) -> None:
    basic = base64.b64encode(":".join(ANNS).encode()).decode()
    fields = [("Authorization", f"Basic {basic}"), ("Authorization", "Bearer x")]
    assert endpoint.send("GET", WHO, headers=fields).status_code == 400


def test_parameters_have_no_place(endpoint: Endpoint) -> None:
    assert endpoint.send("GET", f"{WHO}?access_token=x", auth=ANNS).status_code == 400


def test_a_store_that_is_away_is_no_wrong_key(endpoint: Endpoint) -> None:
    endpoint.keys.fails = True
    assert endpoint.send("GET", WHO, auth=ANNS).status_code == 503


def test_it_is_limited_with_the_tokens() -> None:
    endpoint = Endpoint(limit=RateLimit(1, 0.001, lambda: 0.0))
    assert endpoint.send("GET", WHO, auth=ANNS).status_code == 200
    assert endpoint.send("GET", WHO, auth=ANNS).status_code == 429


def test_a_session_that_signs_is_no_bearer_here() -> None:
    signers, endpoint = Signers(), Endpoint()
    endpoint.app = token_app(signers.world.service, endpoint.keys, clock=signers.world.clock)
    assert bearer(endpoint, signers.grant(signs=False).token).status_code == 200
    assert bearer(endpoint, signers.grant().token).status_code == 401


def test_it_is_told_where_to_ask(endpoint: Endpoint) -> None:
    found = endpoint.send("GET", "/.well-known/oauth-authorization-server").json()
    assert found["caller_identity_endpoint"] == "https://sts.example/caller-identity"
