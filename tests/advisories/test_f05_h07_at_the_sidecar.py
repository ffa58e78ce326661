"""F05 and H07 at the doors of the sidecar: requests sent ahead without end, and trailers taken for a header."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gateway_attack import flood, read_all
from gateway_origin import SECONDS
from sidecar_process import SETTINGS, Running, bearer, running, world

AUTHZEN = "  authzen: {base: 'https://pdp.example.com', listen: '127.0.0.1:0'}\n"
QUESTION = (b'{"subject": {"type": "user", "id": "ann"}, "action": {"name": "Read"},'
            b' "resource": {"type": "document", "id": "1"}}')


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(world(tmp_path_factory.mktemp("doors"), SETTINGS + AUTHZEN), 3) as started:
        yield started
        assert started.end() == 0


def connect(sidecar: Running, door: str) -> socket.socket:
    host, _, port = sidecar.addresses[door].rpartition(":")
    return socket.create_connection((host, int(port)), SECONDS)


def resident(sidecar: Running) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{sidecar.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


@pytest.mark.parametrize("door", ["forward", "authzen", "control"])
def test_requests_sent_ahead_are_bounded(sidecar: Running, door: str) -> None:
    before, ahead = resident(sidecar), b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4000
    with connect(sidecar, door) as client:
        assert flood(client, ahead, 30_000_000) < 30_000_000
    assert httpx.get(sidecar.url("control") + "/healthz").status_code == 200
    assert resident(sidecar) < before + 32


@pytest.mark.parametrize("place", ["header", "trailer"])
def test_credentials_count_in_the_header_alone(sidecar: Running, place: str) -> None:
    line = b"Authorization: " + bearer("operator")["Authorization"].encode() + b"\r\n"
    in_header, in_trailer = (line, b"") if place == "header" else (b"", line)
    with connect(sidecar, "authzen") as client:
        client.sendall(b"POST /access/v1/evaluation HTTP/1.1\r\nHost: pdp.example.com\r\nConnection: close\r\n"
                       b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n%b\r\n%x\r\n%b\r\n0\r\n%b\r\n"
                       % (in_header, len(QUESTION), QUESTION, in_trailer))
        received = read_all(client)
    assert received.startswith(b"HTTP/1.1 200 " if place == "header" else b"HTTP/1.1 401 ")
