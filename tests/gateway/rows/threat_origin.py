"""An application that keeps every byte it got, what came behind a body included, and takes any request for one."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha1

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


@dataclass
class Got:
    """One request, as its bytes arrived.

    Attributes:
        method: Of the request line.
        target: Of the request line.
        head: All lines behind it.
        tail: Header lines behind a body in chunks.
        body: Without its framing.
        whole: It was received to its end.
    """

    method: bytes
    target: bytes
    head: list[tuple[bytes, bytes]]
    tail: list[bytes] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False

    def values(self, name: str) -> list[str]:
        """All values of a header, under every name that a CGI-style application takes for it."""
        wanted = _folded(name.encode())
        return [value.decode("latin-1") for key, value in self.head if _folded(key) == wanted]

    @property
    def names(self) -> list[str]:
        """Names, behind the body too, as such an application reads them."""
        return [_folded(key).decode() for key, _ in [*self.head, *(line.split(b":", 1) for line in self.tail)]]


def _folded(name: bytes) -> bytes:
    return bytes(char if chr(char).isalnum() else 45 for char in name.lower())


@dataclass
class Everything:
    """The application; what it got, in order. A request that was cut off is none, so it is among ``got`` not whole."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    strange: list[bytes] = field(default_factory=list)
    say: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        """Answer requests until the other side has had enough."""
        with connection, connection.makefile("rb") as reader, suppress(OSError, ValueError):  # cut off
            while (line := reader.readline()).strip():
                parts = line.rstrip(b"\r\n").split(b" ")
                if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
                    self.strange.append(line)
                    return
                got = Got(parts[0], parts[1], list(_fields(reader)))
                self.got.append(got)
                if not self._answered(got, connection, reader):
                    return

    def _answered(self, got: Got, connection: socket.socket, reader: object) -> bool:
        if "websocket" in (value.lower() for value in got.values("upgrade")):
            got.whole = True
            _accept(got, connection)
            return False
        _read_body(got, reader)
        got.whole = True
        path = got.target.partition(b"?")[0]
        if said := self.say.get(path):
            connection.sendall(said)
            return b"connection: close" not in said.lower()
        body = b"" if got.method == b"HEAD" else b"ok\n"
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + body)
        return True


def _fields(reader: object) -> Iterator[tuple[bytes, bytes]]:
    while (line := reader.readline()).strip():  # type: ignore[attr-defined]
        name, _, value = line.rstrip(b"\r\n").partition(b":")
        yield name, value.strip()


def _read_body(got: Got, reader: object) -> None:
    read, line = reader.read, reader.readline  # type: ignore[attr-defined]
    if got.values("transfer-encoding"):
        while size := int(line().split(b";")[0], 16):
            got.body += read(size)
            if read(2) != b"\r\n":
                raise ValueError
        while (tail := line()) != b"\r\n":
            if not tail:
                raise ValueError
            got.tail.append(tail.rstrip(b"\r\n"))
    elif length := got.values("content-length"):
        got.body = read(int(length[0]))
        if len(got.body) < int(length[0]):
            raise ValueError


def _accept(got: Got, connection: socket.socket) -> None:
    key = got.values("sec-websocket-key")[0].encode()
    accept = b64encode(sha1(key + MAGIC).digest())
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    connection.recv(65_536)
    connection.sendall(b"\x88\x02\x03\xe8")  # close, 1000


@contextmanager
def everything() -> Iterator[Everything]:
    """Run one in threads, and stop it."""
    app = Everything()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app.port = listening.getsockname()[1]
        accepting = threading.Thread(target=_accepting, args=(app, listening), daemon=True)
        accepting.start()
        try:
            yield app
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join(20)


def _accepting(app: Everything, listening: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            connection.settimeout(60)
            threading.Thread(target=app.serve, args=(connection,), daemon=True).start()
