"""F02: Content_Length and Transfer_Encoding passed to upstreams, some of which fold them onto the real ones."""

from __future__ import annotations

import pytest
from gateway_attack import Front, request, who


@pytest.mark.parametrize("name", [b"Content_Length", b"Transfer_Encoding", b"Transfer.Encoding", b"content_LENGTH",
                                  b"Keep_Alive", b"Proxy_Authorization", b"Sec_WebSocket_Key"])
def test_a_name_that_may_be_read_as_framing_stays_here(front: Front, name: bytes) -> None:
    lines = (who("root"), name + b": 30\r\n", b"Content-Length: 3\r\nConnection: close\r\n")
    assert front.statuses(request(b"POST /items", *lines, body=b"abc")) == [200]
    (seen,) = front.seen
    assert [value for _, value in seen.headers if value == b"30"] == []
    assert (seen.values("content-length"), seen.body) == (["3"], 3)


def test_names_that_are_nobodys_pass(front: Front) -> None:
    assert front.statuses(request(b"GET /public/x", b"X_Own: 30\r\nConnection: close\r\n")) == [200]
    assert front.seen[0].values("x_own") == ["30"]
