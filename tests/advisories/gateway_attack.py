"""Bytes on a socket against a gateway that runs, and what reaches the application behind it."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway_origin import SECONDS, Origin, Seen
from gateway_world import Gateway, token

HOST = b"Host: shop.example\r\n"
#: May do something in a way that a header or the query tells.
MALLORY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "app:GetItem", "Resource": "*",
     "Condition": {"ForAnyValue:StringEquals": {"http:header/x-env": "dev"}}},
    {"Effect": "Allow", "Action": "app:ListItems", "Resource": "*",
     "Condition": {"ForAllValues:StringNotEquals": {"http:query/mode": "admin"}}}]}
_LINE = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


def who(name: str) -> bytes:
    return b"Authorization: Bearer " + token(name).encode() + b"\r\n"


def request(line: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    return line + b" HTTP/1.1\r\n" + HOST + b"".join(lines) + b"\r\n" + body


@dataclass
class Front:
    """A gateway and the application behind it."""

    gateway: Gateway
    behind: Origin

    @contextmanager
    def connected(self, source: str = "127.0.0.1") -> Iterator[socket.socket]:
        """A connection from an address of the loopback network."""
        with socket.create_connection(("127.0.0.1", self.gateway.port), SECONDS, (source, 0)) as client:
            yield client

    def send(self, sent: bytes, *more: bytes, source: str = "127.0.0.1") -> bytes:
        """Everything that comes back until the gateway closes; pieces are sent one after the other is read."""
        self.behind.seen.clear()
        with self.connected(source) as client:
            client.sendall(sent)
            for piece in more:
                client.sendall(piece)
            return read_all(client)

    def statuses(self, sent: bytes, *more: bytes, source: str = "127.0.0.1") -> list[int]:
        return [int(status) for status in _LINE.findall(self.send(sent, *more, source=source))]

    @property
    def seen(self) -> list[Seen]:
        return self.behind.seen

    def resident(self) -> int:
        """Memory of the gateway's process now, in MiB."""
        text = Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        assert found is not None
        return int(found[1]) // 1024


def read_all(client: socket.socket) -> bytes:
    received = bytearray()
    try:
        while chunk := client.recv(262_144):
            received += chunk
    except ConnectionResetError:
        pass
    return bytes(received)


def flood(client: socket.socket, piece: bytes, most: int, seconds: float = SECONDS) -> int:
    """Send a piece again and again and read nothing, until the other side has had enough; how much was sent."""
    sent, end = 0, time.monotonic() + seconds
    client.settimeout(1)
    while sent < most and time.monotonic() < end:
        try:
            sent += client.send(piece)
        except TimeoutError:
            return sent  # it reads no more
        except (BrokenPipeError, ConnectionResetError):
            return sent
    return sent
