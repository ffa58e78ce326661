"""A guard on a Unix socket, behind the proxies that can ask there; no address is trusted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from forward_client import http_call, socket_call
from forward_proxies import DOORS, running
from forward_world import ALICE, NAMES, App, Serving, World, bearer

from iam_guard.http.caller_headers import with_caller_headers
from iam_guard.http.edge import EdgeSettings
from iam_guard.sidecar.forward.app import make_forward_app

WRITTEN = {"nginx": "unix:{}", "caddy": "unix/{}"}


@pytest.fixture(scope="module", params=WRITTEN)
def opened(request: Any) -> Iterator[tuple[int, App]]:
    world, app = World(with_caller_headers(EdgeSettings(), NAMES)), App()
    with ExitStack() as stack:
        # A path of a socket has hardly more than a hundred bytes: not the folder of the test.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-")))
        path = str(folder / "guard.sock")
        stack.enter_context(Serving(make_forward_app(world.asker, DOORS, world.edge, unix=True), path))
        upstream = stack.enter_context(Serving(app))
        written = WRITTEN[request.param].format(path)
        port = stack.enter_context(running(request.param, folder, (upstream.port, 0), written))
        app.seen.clear()
        yield port, app


def test_requests_are_decided_over_a_unix_socket(opened: tuple[int, App]) -> None:
    port, app = opened
    assert http_call(port, "GET", "/docs/1", bearer().items()).status == 200
    assert app.header("x-guard-principal") == [ALICE]
    assert http_call(port, "GET", "/at-home", bearer().items()).status == 200
    for target, headers, status in (("/docs/1", {}, 401), ("/docs/secret", bearer(), 403), ("/admin", bearer(), 403)):
        assert http_call(port, "GET", target, headers.items()).status == status
    assert socket_call(port, "/docs/1", bearer()).status == 101
    assert socket_call(port, "/docs/1", {}).status == 401
