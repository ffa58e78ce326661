"""Every result of a decision times every kind of request, through the real Envoy by both wires."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from envoy_doors import WIRES, EnvoyDoor, open_envoy
from forward_client import KINDS, http_call, send
from forward_world import ALICE, bearer

#: What the client sends, and the status that it sees (wire contracts, section 1).
ROWS: dict[str, tuple[str, dict[str, str], int]] = {
    "allow": ("/docs/1", bearer(), 200),
    "unauthenticated": ("/docs/1", {}, 401),
    "expired": ("/docs/1", bearer(lifetime=-60), 401),
    "invalid_request": ("/docs/1", {"Authorization": "Bearer one two"}, 401),
    "explicit_deny": ("/docs/secret", bearer(), 403),
    "implicit_deny": ("/docs/1", bearer("nobody"), 403),
    "unmapped": ("/nowhere", bearer(), 403),
    "ambiguous": ("/docs/a;b", bearer(), 403),
    "insufficient_scope": ("/scoped/1", bearer(scope="other"), 403),
    "step_up": ("/strong/1", bearer(acr="bronze"), 401),
    "not_ready": ("/docs/1", bearer(), 503),
}


@pytest.fixture(scope="module", params=WIRES)
def door(request: Any) -> Iterator[EnvoyDoor]:
    with open_envoy(request.param) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_table(door: EnvoyDoor, row: str, kind: str) -> None:
    target, headers, status = ROWS[row]
    if row == "not_ready":
        door.world.take_policies_away()
    door.app.seen.clear()
    try:
        reply = send(door.port, kind, target, headers)
    finally:
        door.world.give_them_back()
    if row == "allow":
        assert reply.status == (101 if kind == "WS" else 200)
        assert_passed(door, kind)
    else:
        assert reply.status == status
        assert door.app.seen == []
        if status == 401:
            assert reply.header("WWW-Authenticate").startswith("Bearer ")
        if status != 503:
            assert reply.header("Cache-Control") == "no-store"


def assert_passed(door: EnvoyDoor, kind: str) -> None:
    seen, = door.app.seen
    assert (seen["type"], seen["method"]) == (("websocket", "") if kind == "WS" else ("http", kind))
    assert seen["target"] == "/docs/1"
    assert seen["body"] == ("a body" if kind == "POST" else "")
    record = door.world.log.records[-1]
    assert record.action == ("app:Connect" if kind == "WS" else "app:Use")
    assert [door.app.header(name) for name in ("x-guard-principal", "x-guard-account", "x-guard-decision-id")] == [
        [ALICE], ["t1"], [record.id]]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_passes_whole_and_is_no_business_of_the_guard(door: EnvoyDoor, chunked: bool) -> None:
    body = bytes(range(256)) * 2048
    door.app.seen.clear()
    sent = [*bearer().items(), *[("Transfer-Encoding", "chunked")] * chunked]
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    reply = http_call(door.port, "POST", "/docs/1", sent, whole, framed=chunked)
    assert (reply.status, [one["body"].encode("latin-1") == body for one in door.app.seen]) == (200, [True])
