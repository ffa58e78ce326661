"""Condition keys of a request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from http_fixture import take

from iam_guard.http.context import request_context

NOON = datetime(2026, 1, 2, 12, 0, 0, 999_999, tzinfo=UTC)


def test_the_keys_of_a_request() -> None:
    request = take("/items/1?a=1", "GET", ("user-agent", "curl/8"), ("referer", "https://ui.example/"))
    assert request_context(request, NOON) == {
        "aws:currenttime": "2026-01-02T12:00:00Z", "aws:epochtime": "1767355200", "aws:sourceip": "203.0.113.7",
        "aws:securetransport": "false", "aws:useragent": "curl/8", "aws:referer": "https://ui.example/",
        "aws:viaawsservice": "false", "http:method": "GET", "http:path": "/items/1", "http:host": "app.example"}


def test_what_is_unknown_is_absent() -> None:
    keys = request_context(take("/", client=None), NOON)
    assert not keys.keys() & {"aws:sourceip", "aws:useragent", "aws:referer"}


def test_headers_and_query_are_sets_and_only_when_asked_for() -> None:
    request = take("/?q=1&q=2", "GET", ("X-Role", "user"), ("X-Role", "admin"))
    keys = request_context(request, NOON, http_headers=("X-Role", "X-None"), http_query=("q", "none"))
    assert keys["http:header/x-role"] == ("user", "admin")  # H08.1
    assert keys["http:query/q"] == ("1", "2")
    assert not [key for key in keys if "none" in key]


def test_the_time_is_written_in_utc() -> None:
    local = NOON.astimezone(timezone(timedelta(hours=2)))
    assert request_context(take("/"), local)["aws:currenttime"] == "2026-01-02T12:00:00Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        request_context(take("/"), NOON.replace(tzinfo=None))
