"""F05: who sent requests on one connection without reading answers made the gateway hold all of them."""

from __future__ import annotations

from gateway_attack import Front, flood, request

AHEAD = request(b"GET /public/x") * 4000


def test_requests_sent_ahead_are_bounded(front: Front) -> None:
    before = front.resident()
    for _ in range(3):
        with front.connected() as client:
            assert flood(client, AHEAD, 30_000_000) < 30_000_000
    assert front.gateway.call("GET", "/public/x").status == 200
    assert front.resident() < before + 32


def test_some_may_be_sent_ahead(front: Front) -> None:
    sent = request(b"GET /public/x") * 50 + request(b"GET /public/x", b"Connection: close\r\n")
    assert front.statuses(sent) == [200] * 51
    assert len(front.seen) == 51
