"""P07: a policy read 'admin#' in the query where the application behind the proxy or the socket reads 'admin'."""

from __future__ import annotations

import pytest
from gateway_attack import Front, request, who

from iam_guard.errors import RequestRefusedError
from iam_guard.http.request import HTTPRequest
from iam_guard.sidecar.original import OriginalRequest

HANDSHAKE = (b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")


@pytest.mark.parametrize("target", [b"/items?mode=admin#", b"/items?a#b=c", b"/items?#"])
def test_a_proxy_that_tells_one_gets_no(target: bytes) -> None:
    with pytest.raises(RequestRefusedError):
        HTTPRequest.from_scope(OriginalRequest("GET", target, "https", "shop.example", "192.0.2.1").scope())


def test_a_handshake_with_one_is_refused(front: Front) -> None:
    assert front.statuses(request(b"GET /ws/feed?mode=admin#", HANDSHAKE, who("root"))) == [400]
    assert front.seen == []


def test_the_value_that_is_decided_about_is_the_one_that_is_served(front: Front) -> None:
    close = b"Connection: close\r\n"
    assert front.statuses(request(b"GET /items?mode=admin", who("mallory"), close)) == [403]
    assert front.statuses(request(b"GET /items?mode=admin#", who("mallory"), close)) == [400]
    assert front.statuses(request(b"GET /items?mode=admin%23", who("mallory"), close)) == [200]
    assert front.seen[0].target == b"/items?mode=admin%23"
