"""ingress-nginx: a real nginx that asks in the headers which its template writes (wire contracts, section 6)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from forward_client import HOST, http_call, socket_call
from forward_proxies import running
from forward_world import ALICE, App, Serving, World, bearer

from iam_guard.sidecar.forward.app import make_forward_app
from iam_guard.sidecar.forward.settings import ForwardDoor

#: What the controller writes instead, for a host without authentication by client certificates.
WRITTEN = {
    "/forward-auth/nginx": "/forward-auth/ingress-nginx",
    "X-Original-URI     $request_uri;": "X-Original-URL $scheme://$http_host$request_uri;",
    "X-Original-Upgrade $upgrade;": "X-Sent-From nginx-ingress-controller;",
    "X-Forwarded-Proto  $scheme;": "X-Forwarded-Proto '';",
    "X-Forwarded-Host   $http_host;": "X-Auth-Request-Redirect $request_uri;",
}


def as_controller(text: str) -> str:
    """The configuration with the controller's headers; other files of the example as they are."""
    if not text.startswith("# nginx asks"):
        return text
    for ours, theirs in WRITTEN.items():
        assert text.count(ours) == 1, ours
        text = text.replace(ours, theirs)
    return text


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[int, App]]:
    world, app = World(), App()
    doors = [ForwardDoor("ingress-nginx"), ForwardDoor("nginx", upgrades="header")]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ingress-")))
        guard = stack.enter_context(Serving(make_forward_app(world.asker, doors, world.edge)))
        upstream = stack.enter_context(Serving(app))
        port = stack.enter_context(running("nginx", folder, (upstream.port, guard.port), change=as_controller))
        yield port, app


@pytest.mark.parametrize(("method", "target", "status"), [
    ("GET", "/docs/1", 200), ("POST", "/docs/1", 200), ("DELETE", "/docs/1", 403), ("GET", "/docs/secret", 403),
    ("GET", "/nowhere", 403), ("GET", "/public/..%2Fadmin", 403), ("GET", "/docs/a;b", 403),
    ("GET", "/docs/1?a=/b", 200)])
def test_requests_are_decided_by_their_url(opened: tuple[int, App], method: str, target: str, status: int) -> None:
    port, app = opened
    app.seen.clear()
    lies = {"X-Original-URI": "/health", "X-Original-Method": "GET", "X-Original-URL": f"http://{HOST}/health",
            "X-Forwarded-Uri": "/health", "X-Forwarded-Method": "GET", "X-Forwarded-Host": "other.example"}
    for more in ({}, lies):
        assert http_call(port, method, target, {**bearer(), **more}.items()).status == status
        assert http_call(port, method, target, more.items()).status in (401, 403)
    assert [one["target"] for one in app.seen] == [target] * (2 if status == 200 else 0)
    if app.seen:
        assert app.header("x-guard-principal") == [ALICE]


def test_a_handshake_of_which_the_controller_tells_nothing_is_denied(opened: tuple[int, App]) -> None:
    port, app = opened
    app.seen.clear()
    lies = {"X-Original-Upgrade": "websocket"}
    assert [socket_call(port, "/docs/1", {**bearer(), **more}).status for more in ({}, lies)] == [403, 403]
    assert app.seen == []
