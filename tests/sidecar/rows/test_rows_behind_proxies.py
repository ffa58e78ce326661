"""Every row that is bytes of a client, through each real proxy that asks the sidecar."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from sidecar_doors import DOORS, Front, front, sidecar
from sidecar_process import Running
from threat_rows import REFUSALS, ROWS, UPGRADE, Row
from threat_view import check_view
from threat_world import bearer, bytes_of, exchange, statuses


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sidecar(tmp_path_factory.mktemp("rows")) as found:
        yield found


@pytest.fixture(scope="module", params=DOORS)
def door(guard: Running, request: pytest.FixtureRequest) -> Iterator[Front]:
    with front(request.param, guard) as found:
        yield found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(door: Front, row: Row) -> None:
    door.app.got.clear()
    told = statuses(exchange(door.port, bytes_of(row), done=row.id == "F04.1"))
    passed = told[:1] == [200]
    if passed:
        assert row.served is not None or row.proxied
    else:
        assert row.served is None or row.may_block
        assert set(told) <= REFUSALS or (row.id[0] == "F" and set(told) <= {500, 502})
    check_view(door.app, row, "guard", passed=passed, proxied=True)


def test_m15_2_a_program_with_a_token_needs_no_origin(door: Front) -> None:
    """Every proxy completes the handshake that the sidecar lets pass, and names the caller."""
    door.app.got.clear()
    known = b"Authorization: " + bearer("alice")["Authorization"].encode()
    head = b"\r\n".join([b"GET /ws/feed HTTP/1.1", b"Host: shop.example", *UPGRADE, known])
    with socket.create_connection(("127.0.0.1", door.port), 20) as client:
        client.sendall(head + b"\r\n\r\n")
        received = client.recv(65_536)
    assert received.startswith(b"HTTP/1.1 101 ")
    got, = door.app.got
    assert (got.target, got.values("X-Guard-Principal")) == (b"/ws/feed", ["arn:iamg:iam::t1:user/alice"])
