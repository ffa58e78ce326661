"""Every result of a decision times every kind of request, through the gateway with its own engine."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from forward_client import KINDS, Reply, send
from gateway_process import Process, gateway
from threat_origin import Everything, everything
from threat_world import bearer
from websockets.sync.client import connect

SHOWN = {"show_scopes": True, "show_step_up": True}
#: What the client sends and the status that it sees; the challenge of a 401 or a 403, where there is one.
ROWS: dict[str, tuple[str, dict[str, str], int, str]] = {
    "allow": ("/docs/1", bearer("alice"), 200, ""),
    "unauthenticated": ("/docs/1", {}, 401, 'Bearer realm="'),
    "expired": ("/docs/1", bearer("alice", lifetime=-60), 401, 'error="invalid_token"'),
    "invalid_request": ("/docs/1", {"Authorization": "Bearer "}, 400, 'error="invalid_request"'),
    "explicit_deny": ("/docs/secret", bearer("alice"), 403, ""),
    "implicit_deny": ("/docs/1", bearer("nobody"), 403, ""),
    "unmapped": ("/nowhere", bearer("alice"), 403, ""),
    "ambiguous": ("/docs/a;b", bearer("alice"), 400, ""),
    "insufficient_scope": ("/scoped/1", bearer("alice", scope="other"), 403, 'error="insufficient_scope"'),
    "step_up": ("/strong/1", bearer("alice", acr="bronze"), 401, 'error="insufficient_user_authentication"'),
}
#: Which problem each denial tells of.
PROBLEMS = {"unauthenticated": "authentication-required", "expired": "invalid-token",
            "explicit_deny": "access-denied", "implicit_deny": "access-denied", "unmapped": "unmapped-route",
            "ambiguous": "ambiguous-path", "insufficient_scope": "insufficient-scope", "step_up": "step-up-required"}


@pytest.fixture(scope="module")
def behind() -> Iterator[Everything]:
    with everything() as app:
        yield app


@pytest.fixture(scope="module")
def door(behind: Everything, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with gateway(tmp_path_factory.mktemp("table"), behind.url, denials=SHOWN) as process:
        yield process


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_table(door: Process, behind: Everything, row: str, kind: str) -> None:
    target, headers, status, challenge = ROWS[row]
    behind.got.clear()
    if row == "allow" and kind == "WS":
        with_socket(door, target, headers)
    else:
        reply = send(door.port, kind, target, headers)
        assert reply.status == status
        if row != "allow":
            assert behind.got == []
            assert_denied(reply, row, kind, status, challenge)
    if row == "allow":
        got, = behind.got
        assert (got.target, got.body) == (target.encode(), b"a body" if kind == "POST" else b"")
        assert got.method == (b"GET" if kind == "WS" else kind.encode())
        assert got.values("X-Guard-Principal") == ["arn:iamg:iam::t1:user/alice"]
        assert [len(got.values(name)) for name in ("X-Guard-Account", "X-Guard-Decision-Id")] == [1, 1]


def with_socket(door: Process, target: str, headers: dict[str, str]) -> None:
    with connect(f"ws://shop.example{target}", additional_headers=headers, proxy=None, open_timeout=20,
                 sock=socket.create_connection(("127.0.0.1", door.port), 20)) as client:
        client.send("hello")


def assert_denied(reply: Reply, row: str, kind: str, status: int, challenge: str) -> None:
    assert reply.header("Cache-Control") == "no-store"
    assert challenge in reply.header("WWW-Authenticate")
    assert bool(reply.values("WWW-Authenticate")) == bool(challenge)
    if kind == "HEAD":
        assert reply.body == b""
        return
    assert reply.header("Content-Type").startswith("application/problem+json")
    told = json.loads(reply.body)
    assert told["status"] == status
    assert told["type"].endswith(PROBLEMS.get(row, "invalid-request"))
    assert not [word for word in ("Allow", "Deny", "StringEquals", "secret*", "user/alice") if word in str(told)]
    if row in ("explicit_deny", "implicit_deny", "insufficient_scope", "step_up"):
        assert told["decision_id"]


def test_without_policies_the_answer_is_later(behind: Everything, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The row ``not_ready``: a document that cannot be read, and none before it; G18.1 and S1."""
    folder = tmp_path_factory.mktemp("unready")
    broken = folder / "iam/users/broken.json"
    broken.parent.mkdir(parents=True)
    broken.write_text('{"Version": ')
    with gateway(folder, behind.url) as door:
        behind.got.clear()
        for kind in KINDS:
            reply = send(door.port, kind, "/docs/1", bearer("alice"))
            assert (reply.status, bool(reply.header("Retry-After"))) == (503, True)
            assert reply.header("Cache-Control") == "no-store"
        for target in ("/admin", "/items/1", "/files/pub/x"):
            assert send(door.port, "GET", target, bearer("root")).status == 503
        assert send(door.port, "GET", "/nowhere", bearer("root")).status in (403, 503)
        assert behind.got == []
