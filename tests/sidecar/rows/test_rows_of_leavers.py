"""Clients that leave while the guard is asked: behind every real proxy, what is allowed later is served to nobody."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from forward_client import wait_for
from sidecar_doors import DOORS, front, sidecar
from sidecar_process import Running
from threat_rows import Row
from threat_world import bytes_of, exchange, statuses


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sidecar(tmp_path_factory.mktemp("leavers"), faulty=True) as found:
        yield found


@pytest.mark.parametrize("name", DOORS)
def test_g02_3_nothing_is_sent_on_for_a_client_that_has_left(guard: Running, name: str) -> None:
    asked, go_on = guard.folder / "asked", guard.folder / "go-on"
    asked.unlink(missing_ok=True)
    go_on.unlink(missing_ok=True)
    with front(name, guard) as door:
        door.app.got.clear()
        with socket.create_connection(("127.0.0.1", door.port), 20) as client:
            client.sendall(bytes_of(Row("G02.3", "alice", b"POST /docs/silence", 200, body=b"x" * 10)))
            wait_for(asked.exists, "the guard is asked")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        good = Row("", "alice", b"GET /items/1", 200)
        assert statuses(exchange(door.port, bytes_of(good))) == [200]  # the proxy has read what came before
        go_on.touch()
        assert statuses(exchange(door.port, bytes_of(good._replace(line=b"GET /items/2")))) == [200]
        wait_for(lambda: len(door.app.got) >= 2, "the others have arrived")
        assert [got.target for got in door.app.got] == [b"/items/1", b"/items/2"]
