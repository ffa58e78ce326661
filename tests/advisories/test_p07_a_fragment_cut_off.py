"""P07: the parser cut a fragment off the target, so that others who saw the request could read another path in it."""

from __future__ import annotations

import pytest
from gateway_attack import Front, request, who


@pytest.mark.parametrize("target", [b"/items/1#/public/", b"/items/1?a=b#c", b"/items/1#", b"/public/x#/../admin",
                                    b"http://shop.example/items/1#x", b"http://shop.example#/items/1"])
def test_a_fragment_is_refused(front: Front, target: bytes) -> None:
    assert front.statuses(request(b"GET " + target, b"Connection: close\r\n", who("root"))) == [400]
    assert front.seen == []


def test_an_encoded_one_is_part_of_the_path(front: Front) -> None:
    assert front.statuses(request(b"GET /items/a%23b", b"Connection: close\r\n", who("root"))) == [200]
    assert front.seen[0].target == b"/items/a%23b"
