"""F04: bytes that are no request, sent while an answer ran, had their refusal written into the middle of it."""

from __future__ import annotations

import pytest
from gateway_attack import Front, read_all, request, who

SIZE = 20_000_000
CLOSE = b"Connection: close\r\n"


@pytest.mark.parametrize("noise", [b"G@RBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"])
def test_an_answer_holds_nothing_but_itself(front: Front, noise: bytes) -> None:
    with front.connected() as client:
        client.sendall(request(b"GET /public/x?size=%d" % SIZE))
        received = client.recv(100)
        client.sendall(noise)
        received += read_all(client)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.count(b"HTTP/1.1") == 1


def test_a_body_that_breaks_off_badly_is_still_told_so(front: Front) -> None:
    assert front.statuses(request(b"POST /items", b"Transfer-Encoding: chunked\r\n", who("root"),
                                  body=b"5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n")) == [400]
    assert not [seen for seen in front.seen if seen.whole]


def test_nothing_follows_a_request_that_may_end_elsewhere(front: Front) -> None:
    coded = request(b"POST /items", b"Transfer-Encoding: gzip, chunked\r\n", who("root"), body=b"0\r\n\r\n")
    assert front.statuses(coded + request(b"GET /public/x", CLOSE)) == [400]
    assert front.seen == []
