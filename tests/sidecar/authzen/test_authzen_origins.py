"""Web pages of named origins ask for their users' own permissions, and for nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from authzen_pdp import EVALUATION, EVALUATIONS, SEARCH, DecisionPoint, Reply, attachments
from test_authzen_permissions import ANN, READ, body, query

from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError

PAGE, OTHER = "https://app.example.com", "https://other.example.com"


@pytest.fixture
def point() -> DecisionPoint:
    return DecisionPoint(PolicySet(attachments({"ann": ANN})), origins=(PAGE, "http://localhost:5173"))


def preflight(point: DecisionPoint, path: str, *, origin: str = PAGE, method: str = "POST", **more: str) -> Reply:
    return asyncio.run(point.call("OPTIONS", path, b"", who="", content_type="", origin=origin,
                                  access_control_request_method=method, **more))


def _words(reply: Reply, name: str) -> set[str]:
    return {word.strip().lower() for word in reply.headers.get(name, "").split(",")}


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:5173"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_preflight_for_own_permissions_is_granted(point: DecisionPoint, origin: str, method: str) -> None:
    told = preflight(point, "/permissions", origin=origin, method=method,
                     access_control_request_headers="authorization, content-type")
    assert (told.status, told.body) == (204, b"")
    assert told.headers["access-control-allow-origin"] == origin
    assert method.lower() in _words(told, "access-control-allow-methods")
    assert {"authorization", "content-type", "if-none-match"} <= _words(told, "access-control-allow-headers")
    assert "origin" in _words(told, "vary")
    assert "access-control-allow-credentials" not in told.headers


@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS, SEARCH + "action", "/.well-known/authzen-configuration",
                                  "/permissions/", "/elsewhere"])
def test_a_preflight_for_anything_else_is_not(point: DecisionPoint, path: str) -> None:
    told = preflight(point, path)
    assert told.status in (401, 403, 405)
    assert "access-control-allow-origin" not in told.headers


@pytest.mark.parametrize("origin", [OTHER, "null", "*", PAGE + ".evil.example", PAGE.upper(), PAGE + ":443",
                                    "http://app.example.com", PAGE + "/"])
def test_a_preflight_from_elsewhere_is_not(point: DecisionPoint, origin: str) -> None:
    told = preflight(point, "/permissions", origin=origin)
    assert told.status == 401
    assert "access-control-allow-origin" not in told.headers


def test_without_origins_no_page_is_let_in() -> None:
    point = DecisionPoint(PolicySet(attachments({"ann": ANN})))
    assert preflight(point, "/permissions").status == 401
    told = point.get(query(READ), who="ann", origin=PAGE)
    assert told.status == 200
    assert "access-control-allow-origin" not in told.headers


def _asked(point: DecisionPoint, by_query: bool, origin: str, **more: Any) -> Reply:
    if by_query:
        return point.get(query(READ), origin=origin, **more)
    return point.post("/permissions", body(READ), origin=origin, **more)


@pytest.mark.parametrize("by_query", [True, False])
def test_a_page_reads_the_answer(point: DecisionPoint, by_query: bool) -> None:
    told = _asked(point, by_query, PAGE, who="ann")
    assert told.status == 200
    assert told.headers["access-control-allow-origin"] == PAGE
    assert "etag" in _words(told, "access-control-expose-headers")
    assert {"authorization", "origin"} <= _words(told, "vary")


def test_a_page_reads_that_nothing_changed(point: DecisionPoint) -> None:
    tag = _asked(point, True, PAGE, who="ann").headers["etag"]
    told = _asked(point, True, PAGE, who="ann", if_none_match=tag)
    assert (told.status, told.headers["access-control-allow-origin"]) == (304, PAGE)


@pytest.mark.parametrize(("who", "status"), [("", 401), ("bad", 401), ("stranger", 403)])
def test_a_page_reads_why_it_was_denied(point: DecisionPoint, who: str, status: int) -> None:
    told = _asked(point, True, PAGE, who=who)
    assert (told.status, told.headers["access-control-allow-origin"]) == (status, PAGE)
    assert "www-authenticate" in _words(told, "access-control-expose-headers")


@pytest.mark.parametrize("origin", [OTHER, ""])
def test_answers_to_others_say_that_they_depend_on_the_origin(point: DecisionPoint, origin: str) -> None:
    told = _asked(point, True, origin, who="ann")
    assert told.status == 200
    assert "access-control-allow-origin" not in told.headers
    assert "origin" in _words(told, "vary")


def test_an_answer_about_others_is_for_no_page(point: DecisionPoint) -> None:
    asked = {"subject": {"type": "user", "id": "ann"}, "action": {"name": "docs:Read"},
             "resource": {"type": "docs", "id": "1"}}
    told = point.post(EVALUATION, asked, origin=PAGE)
    assert told.status == 200
    assert not [name for name in told.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origin", ["*", "https://*.example.com", "https://App.example.com", "https://app.example.com/",
                                    "https://app.example.com:443", "http://app.example.com:80", "app.example.com",
                                    "null", "", "https://app.example.com?", "ftp://app.example.com"])
def test_what_no_browser_writes_is_refused(origin: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        DecisionPoint(PolicySet(), origins=(PAGE, origin))
    assert refused.value.faults[0].pointer == "/origins/1"
