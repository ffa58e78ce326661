"""Rows of kind H, that need a peer or a policy of their own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from driver import call, http_scope
from fixture_app import (
    Guarded,
    bearer,
    token,
)

# H: headers


@pytest.mark.parametrize(("row", "client", "headers", "status"), [
    ("H05.1", "203.0.113.7", [("X-Forwarded-For", "10.0.0.1")], 403),
    ("H05.2", "10.9.0.1", [("X-Forwarded-For", "10.0.0.1, 203.0.113.7")], 403),
    ("H05.2", "10.9.0.1", [("X-Forwarded-For", "203.0.113.7, 10.0.0.1")], 200),
    ("H05.4", "10.9.0.1", [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "198.51.100.4")], 403),
])
def test_h05_the_source_address(row: str, client: str, headers: list[tuple[str, str]], status: int) -> None:
    answer = call(Guarded().app, "GET", "/items/1", [*bearer("insider"), *headers], client=(client, 1))
    assert answer.status == status


@pytest.mark.parametrize(("row", "client", "headers", "source"), [
    ("H05.1", "203.0.113.7", [("X-Forwarded-For", "10.0.0.1")], "203.0.113.7"),
    ("H05.2", "10.9.0.1", [("X-Forwarded-For", "10.0.0.1, 203.0.113.7")], "203.0.113.7"),
    ("H05.3", "10.1.2.3", [("X-Real-IP", "10.0.0.1")], "10.1.2.3"),
    ("H05.4", "10.9.0.1", [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "198.51.100.4")], "198.51.100.4"),
    ("H05.5", "10.9.0.1", [("Forwarded", 'for="[2001:db8::1]:4711";proto=https')], "10.9.0.1"),
])
def test_h05_the_recorded_address(row: str, client: str, headers: list[tuple[str, str]], source: str) -> None:
    guarded = Guarded()
    call(guarded.app, "GET", "/items/1", [*bearer("root"), *headers], client=(client, 1))
    assert guarded.log.records[-1].source_ip == source
    assert b"forwarded" not in [name for name, _ in guarded.seen[-1]["headers"]]


@pytest.mark.parametrize(("scheme", "headers", "status"), [
    ("http", [], 403), ("http", [("X-Forwarded-Proto", "https")], 403), ("https", [], 200)],
    ids=["plain", "H06.1", "tls"])
def test_h06_1_secure_transport(scheme: str, headers: list[tuple[str, str]], status: int) -> None:
    answer = call(Guarded().app, "GET", "/items", [*bearer("insider"), *headers], scheme=scheme)
    assert answer.status == status


def test_h07_1_headers_added_later_do_not_show() -> None:
    scope = http_scope("POST", "/items", bearer("root"))

    async def session() -> None:
        guarded = Guarded()

        async def receive() -> Any:
            scope["headers"].append((b"x-iam-principal", b"root"))
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None: ...

        await guarded.app(scope, receive, send)
        assert b"x-iam-principal" not in [name for name, _ in guarded.seen[-1]["headers_after"]]

    asyncio.run(session())


@pytest.mark.parametrize(("values", "status"), [(["user"], 200), (["user", "admin"], 403), (["admin", "user"], 403)])
def test_h08_1_every_value_of_a_header_counts(values: list[str], status: int) -> None:
    headers = [*bearer("insider"), *(("X-Role", value) for value in values)]
    assert call(Guarded(http_headers=("x-role",)).app, "GET", "/files/a", headers).status == status


def test_h09_2_a_subject_that_would_split_a_header() -> None:
    guarded = Guarded()
    headers = [("Authorization", f"Bearer {token(chr(13) + chr(10) + 'X-IAM-Role: root')}")]
    assert call(guarded.app, "GET", "/items/1", headers).status == 401
    assert guarded.seen == []
