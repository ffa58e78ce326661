"""Denials: the tables of wire contracts, sections 1, 11 and 13, byte by byte."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from http_fixture import take

import iam_guard
from iam_guard.engine.decision import Decision
from iam_guard.errors import AuthenticationError, ConfigurationError, RequestRefusedError
from iam_guard.http import response
from iam_guard.http.challenge import bearer, challenge, dpop, stronger_login, with_error
from iam_guard.http.mapper import Unmapped
from iam_guard.http.response import Denial, DenialStyle, prefers_html

ORDERS = (bearer("orders"),)


def decision(action: str = "orders:DeleteOrder", resource: str = "arn:app:orders:::order/1", *,
             error: str = "") -> Decision:
    """What a response reads of a decision."""
    asked: Any = SimpleNamespace(action=action, resource=resource)
    found: Any = SimpleNamespace(id="01JC8Q4S7W5K6M", error=error, request=asked)
    return found  # type: ignore[no-any-return]


def header(denial: Denial, name: str) -> str | None:
    return next((value.decode() for key, value in denial.headers if key == name.encode()), None)


CHALLENGES = [
    ("no credentials", bearer("orders"), 'Bearer realm="orders"'),
    ("malformed", with_error(ORDERS, "invalid_request", "Two tokens were sent")[0],
     'Bearer realm="orders", error="invalid_request", error_description="Two tokens were sent"'),
    ("expired", with_error(ORDERS, "invalid_token", "The access token expired")[0],
     'Bearer realm="orders", error="invalid_token", error_description="The access token expired"'),
    ("missing scope", bearer("orders", error="insufficient_scope", scope=["orders:read", "orders:write"]),
     'Bearer realm="orders", error="insufficient_scope", scope="orders:read orders:write"'),
    ("stronger login", stronger_login("Log in again", acr_values=["urn:x:loa:3"], max_age=300),
     'Bearer error="insufficient_user_authentication", error_description="Log in again", '
     'acr_values="urn:x:loa:3", max_age="300"'),
    ("metadata", bearer("orders", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"),
     'Bearer realm="orders", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'),
    ("DPoP", dpop(["ES256", "PS256"]), 'DPoP algs="ES256 PS256"'),
    ("DPoP failed", with_error([dpop(["ES256", "PS256"])], "invalid_dpop_proof")[0],
     'DPoP algs="ES256 PS256", error="invalid_dpop_proof"'),
    ("DPoP nonce", dpop(["ES256"], error="use_dpop_nonce"), 'DPoP error="use_dpop_nonce", algs="ES256"'),
    ("quotes", challenge("Basic", realm='a "b" \\ c'), 'Basic realm="a \\"b\\" \\\\ c"'),
    ("description", bearer(error="invalid_token", description='a"b\\c\u00e4\r\nd'),
     'Bearer error="invalid_token", error_description="abcd"'),
    ("no realm", bearer(), "Bearer"),
    ("no realm, error", with_error(["Bearer"], "invalid_token")[0], 'Bearer error="invalid_token"'),
]


@pytest.mark.parametrize(("written", "expected"), [pytest.param(a, b, id=name) for name, a, b in CHALLENGES])
def test_challenges_byte_by_byte(written: str, expected: str) -> None:
    assert written == expected


def test_an_error_is_told_by_the_scheme_that_failed() -> None:
    both = (bearer("orders"), dpop(["ES256"]))
    assert with_error(both, "invalid_token") == ('Bearer realm="orders", error="invalid_token"', 'DPoP algs="ES256"')
    assert with_error(both, "invalid_dpop_proof") == (
        'Bearer realm="orders"', 'DPoP algs="ES256", error="invalid_dpop_proof"')
    assert with_error(('Basic realm="x"',), "invalid_token") == ('Bearer error="invalid_token"', 'Basic realm="x"')


@pytest.mark.parametrize("make", [
    lambda: challenge("Be arer"), lambda: challenge("Bearer", realm="a\r\nb"), lambda: bearer(scope=['a"b']),
    lambda: bearer("\u00e4")])
def test_a_challenge_that_cannot_be_sent_stops_the_start(make: Any) -> None:
    with pytest.raises(ConfigurationError):
        make()


BAD = AuthenticationError("The access token expired", detail="token of ada, kid 7")
STATUS = [
    ("unauthenticated", response.denial_for_anonymous(ORDERS), 401, "authentication-required", 'Bearer realm="orders"'),
    ("both schemes", response.denial_for_anonymous((*ORDERS, dpop(["ES256", "PS256"]))), 401, "authentication-required",
     'Bearer realm="orders", DPoP algs="ES256 PS256"'),
    ("invalid", response.denial_for_authentication(BAD, ORDERS), 401, "invalid-token",
     'Bearer realm="orders", error="invalid_token", error_description="The access token expired"'),
    ("two tokens", response.denial_for_authentication(
        AuthenticationError("Two tokens were sent", code="invalid_request"), ORDERS), 400, "invalid-request",
     'Bearer realm="orders", error="invalid_request", error_description="Two tokens were sent"'),
    ("deny", response.denial_for(decision()), 403, "access-denied", None),
    ("unmapped", response.denial_for_unmapped(Unmapped()), 403, "unmapped-route", None),
    ("method", response.denial_for_unmapped(Unmapped(("GET",))), 405, "method-not-allowed", None),
    ("ambiguous", response.denial_for_refusal(RequestRefusedError("The path holds a dot segment")), 400,
     "ambiguous-path", None),
    ("too large", response.denial_for_refusal(RequestRefusedError("x", status=431, code="headers-too-large")), 431,
     "headers-too-large", None),
    ("scope", response.denial_for_scope(["orders:read", "orders:write"], ORDERS), 403, "insufficient-scope",
     'Bearer realm="orders", error="insufficient_scope", scope="orders:read orders:write"'),
    ("step up", response.denial_for_step_up(acr_values=["urn:x:loa:3"], max_age=300), 401, "step-up-required",
     'Bearer error="insufficient_user_authentication", '
     'error_description="A different authentication level is required", acr_values="urn:x:loa:3", max_age="300"'),
    ("not ready", response.unavailable(), 503, "policy-unavailable", None),
    ("evaluator raised", response.denial_for(decision(error="RecursionError")), 503, "policy-unavailable", None),
]


@pytest.mark.parametrize(("denial", "status", "problem", "told"),
                         [pytest.param(*values, id=name) for name, *values in STATUS])
def test_every_internal_result_has_one_answer(denial: Denial, status: int, problem: str, told: str | None) -> None:
    body = json.loads(denial.body)
    assert (denial.status, body["status"]) == (status, status)
    assert body["type"] == f"urn:iam-guard:problems:{problem}"
    assert header(denial, "www-authenticate") == told
    assert header(denial, "content-type") == "application/problem+json"
    assert header(denial, "cache-control") == "no-store"
    assert header(denial, "content-length") == str(len(denial.body))
    assert (header(denial, "retry-after") is None) == (status != 503)
    assert (header(denial, "allow") is None) == (status != 405)


def test_every_refusal_is_one_of_the_known_problems() -> None:
    known = {problem.code: problem.status for problem in response.Problem}
    raised = list(_refusals())
    assert len(raised) > 15
    assert [one for one in raised if known.get(one[1]) != one[2] and one[1:] != ("access-denied", 403)] == []
    for description, code, _ in raised:
        assert description[0].isupper(), description
        assert description.endswith("."), (description, code)


def _refusals() -> Iterator[tuple[str, str, int]]:
    """Description, code and status of every refusal that the package raises with a text of its own."""
    for file in Path(iam_guard.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RequestRefusedError"
                    and isinstance(node.args[0], ast.Constant)):
                given = {one.arg: ast.literal_eval(one.value) for one in node.keywords}
                yield str(node.args[0].value), given.get("code", "ambiguous-path"), given.get("status", 400)


def test_a_denial_tells_what_the_contract_shows_and_no_more() -> None:
    denial = response.denial_for(decision(), style=DenialStyle(problem_base="https://guard.example/problems/"))
    assert json.loads(denial.body) == {
        "type": "https://guard.example/problems/access-denied",
        "title": "Access denied",
        "status": 403,
        "detail": "You are not allowed to perform orders:DeleteOrder on this resource.",
        "instance": "urn:guard:decision:01JC8Q4S7W5K6M",
        "action": "orders:DeleteOrder",
        "decision_id": "01JC8Q4S7W5K6M",
    }
    assert header(denial, "x-iam-guard-decision-id") == "01JC8Q4S7W5K6M"


def test_the_action_can_be_kept_back() -> None:
    denial = response.denial_for(decision(), style=DenialStyle(show_action=False))
    assert b"DeleteOrder" not in denial.body
    assert b"arn:" not in denial.body


def test_resources_that_exist_and_that_do_not_are_answered_alike() -> None:
    one = response.denial_for(decision(resource="arn:app:orders:::item/secret1"))  # G16.2
    other = response.denial_for(decision(resource="arn:app:orders:::item/secret-none"))
    assert one == other


def test_details_for_the_log_stay_in_the_log() -> None:
    denial = response.denial_for_authentication(BAD, ORDERS)
    assert b"ada" not in denial.body
    assert all(b"ada" not in value for _, value in denial.headers)


def test_a_405_names_the_methods() -> None:
    assert header(response.denial_for_unmapped(Unmapped(("GET", "HEAD"))), "allow") == "GET, HEAD"
    refused = RequestRefusedError("This method is not served here", status=405, code="method-not-allowed")
    assert header(response.denial_for_refusal(refused, allow=("GET",)), "allow") == "GET"


def test_an_application_may_hide_what_it_has() -> None:
    assert response.denial_for_unmapped(Unmapped(), style=DenialStyle(unmapped_status=404)).status == 404


def test_head_gets_headers_only() -> None:
    full = response.denial_for(decision(), take("/items/1"))
    bare = response.denial_for(decision(), take("/items/1", "HEAD"))
    assert bare.body == b""
    assert bare.headers == full.headers


@pytest.mark.parametrize(("accept", "html"), [
    ("", False), ("*/*", False), ("text/html", True), ("application/json", False), ("text/plain", False),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
    ("text/html;q=0.5,application/json", False), ("text/html;q=0", False), ("text/*", True),
    ("application/problem+json, text/html;q=0.9", False),
    ("text/html;q=x, */*;q=0.1", False), ("TEXT/HTML", True), ("image/png", False), ("text/html;q=nan", False)])
def test_a_browser_gets_a_page(accept: str, html: bool) -> None:
    assert prefers_html(accept) is html
    denial = response.denial_for(decision("x:<script>"), take("/", "GET", ("accept", accept)))
    assert (header(denial, "content-type") == "text/html; charset=utf-8") is html
    assert html is (b"<title>Access denied</title>" in denial.body)
    assert not html or b"<script>" not in denial.body
