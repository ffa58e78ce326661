"""H03: a header that a policy had read was left out of the forwarded request, because Connection named it."""

from __future__ import annotations

import pytest
from gateway_attack import Front, request, who


@pytest.mark.parametrize("named", [b"x-env", b"X-ENV, close", b"close,x-env ,x-guard-principal"])
def test_an_upstream_is_told_what_the_policy_was_told(front: Front, named: bytes) -> None:
    lines = (who("mallory"), b"X-Env: dev\r\n", b"Connection: close\r\n")
    assert front.statuses(request(b"GET /items/1", who("mallory"), b"Connection: close\r\n")) == [403]
    assert front.statuses(request(b"GET /items/1", *lines, b"Connection: " + named + b"\r\n")) == [200]
    (seen,) = front.seen
    assert seen.values("x-env") == ["dev"]
    assert seen.values("x-guard-principal") == ["arn:iamg:iam::t1:user/mallory"]


def test_what_no_policy_reads_goes_as_connection_says(front: Front) -> None:
    sent = request(b"GET /public/x", b"X-Hop: 1\r\nConnection: close, x-hop\r\n")
    assert front.statuses(sent) == [200]
    assert front.seen[0].values("x-hop") == []
