"""Targets that two programs read in two ways, through real proxies (threat kind P; contracts, sections 2 and 16.3)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from forward_client import http_call
from forward_proxies import Door, open_door
from forward_world import bearer

#: ``/public/`` is open to everybody, ``/admin`` to nobody here.
TARGETS = [
    "/public/..%2Fadmin", "/public/..%2fadmin", "/public/%2e%2e/admin", "/public/.%2e/admin", "/public/../admin",
    "/public/x/../../admin", "//admin", "///admin", "/public//../admin", "/admin%2fx", "/%61dmin", "/ADMIN",
    "/admin;x=1", "/public;/../admin", "/public/..;/admin", "/public%3f/../admin", "/public?/../admin",
    "/admin%00", "/public/%00/../admin", "/admin%252e", "/public/%252e%252e/admin", "/public/%252e%252e%252fadmin",
    "/public\\..\\admin", "/public/..\\admin", "/public/%5c..%5cadmin", "/admin/", "/admin//", "/admin/.", "/./admin",
    "/public/..%c0%afadmin", "/public/%e2%80%ae/../admin", "/public/\uff0e\uff0e/admin",
    "/public/%ef%bc%8e%ef%bc%8e/admin", "/public/%", "/public/%zz", "/public/%2",
    "/admin?", "/admin#", "/public/#/../admin", "/administrator", "/adm%69n",
    "http://shop.example/admin", "http://public/admin", "/public/../../admin", "/..%2fadmin", "/public/....//admin",
]


@pytest.fixture(scope="module", params=["nginx", "traefik", "caddy", "haproxy"])
def door(request: Any) -> Iterator[Door]:
    with open_door(request.param) as opened:
        yield opened


def read_by_anybody(target: str) -> set[str]:
    """The paths that some program might make of what the application got."""
    path = target.partition("?")[0]
    once, twice = unquote(path), unquote(unquote(path))
    return {posixpath.normpath(one.replace("\\", "/")) for one in (path, once, twice)}


@pytest.mark.parametrize("target", TARGETS)
def test_nobody_gets_to_admin_by_another_name(door: Door, target: str) -> None:
    for headers in ({}, bearer()):
        door.app.seen.clear()
        status = http_call(door.port, "GET", target.encode().decode("latin-1"), headers.items()).status
        for served in door.app.seen:
            assert all(f"{path}/".startswith("/public/") for path in read_by_anybody(served["target"])), served
            assert status == 200
        assert status < 500 or not door.app.seen


def test_g04_2_the_target_is_judged_as_the_client_sent_it(door: Door) -> None:
    door.app.seen.clear()
    assert http_call(door.port, "GET", "/public/..%2fadmin", bearer().items()).status in (400, 403)
    assert door.app.seen == []
    assert http_call(door.port, "GET", "/public/a%20b?c=/../admin", bearer().items()).status == 200
    assert door.app.seen[-1]["target"] == "/public/a%20b?c=/../admin"
