"""Servers that a real Envoy finds by name, on Unix sockets, and instead of others that are not there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from envoy_engine import Engine, Talkative, running, write_world
from forward_client import SECONDS, http_call, wait_for
from forward_world import Serving
from sidecar_process import bearer


class Breaker:
    """A server that reads a request and ends the connection."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                with connection, connection.makefile("rb") as reader:
                    while reader.readline().strip():
                        pass
                    self.bodies.append(reader.read(len(b"a body")))

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(SECONDS)
        self.listening.close()


@pytest.fixture(scope="module")
def breaker() -> Iterator[Breaker]:
    made = Breaker()
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, breaker: Breaker) -> Iterator[Engine]:
    folder, apps = tmp_path_factory.mktemp("upstreams"), {"tcp": Talkative(), "unix": Talkative()}
    with ExitStack() as closing:
        port = closing.enter_context(Serving(apps["tcp"])).port
        closing.enter_context(Serving(apps["unix"], str(folder / "app.sock")))
        here, nowhere = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{closing.enter_context(_taken()).getsockname()[1]}"
        upstreams = {"named": [f"http://localhost:{port}"], "unix": ["unix:app.sock"], "gone": [nowhere],
                     "half": [nowhere, here], "other": [here, nowhere],
                     "breaks": [f"http://127.0.0.1:{breaker.listening.getsockname()[1]}"]}
        made = {name: {"servers": servers} for name, servers in upstreams.items()}
        gateway = {"upstreams": {**made, "narrow": {"servers": [here], "max_connections": 1}},
                   "routes": [{"host": f"{name}.example", "upstream": name} for name in (*upstreams, "narrow")]}
        yield closing.enter_context(running(write_world(folder, gateway), apps))


def _taken() -> socket.socket:
    """A port at which nobody listens, and nobody else can."""
    opened = socket.socket()
    opened.bind(("127.0.0.1", 0))
    return opened


def post(engine: Engine, name: str) -> int:
    sent = bearer("ann").items()
    return http_call(engine.port, "POST", "/documents/1", sent, b"a body", host=f"{name}.example").status


@pytest.mark.parametrize("name", ["named", "half", "other"])
def test_a_request_goes_to_a_server_that_is_there(engine: Engine, name: str) -> None:
    """From the first on, once each, and with its body: no byte of it had reached the one that is not there."""
    app = engine.apps["tcp"]
    app.seen.clear()
    assert [post(engine, name) for _ in range(8)] == [200] * 8
    assert [one["body"] for one in app.seen] == ["a body"] * 8


def test_a_server_on_a_unix_socket(engine: Engine) -> None:
    engine.apps["unix"].seen.clear()
    assert post(engine, "unix") == 200
    assert engine.apps["unix"].header("host") == ["unix.example"]


def test_an_upstream_that_is_not_there(engine: Engine) -> None:
    assert post(engine, "gone") == 503


def test_who_finds_no_connection_free_waits(engine: Engine) -> None:
    app = engine.apps["tcp"]
    app.seen.clear()
    found: list[int] = []
    callers = [threading.Thread(target=lambda: found.append(_call_slowly(engine))) for _ in range(3)]
    for caller in callers:
        caller.start()
    try:
        wait_for(lambda: app.seen, "one request is under way")
        assert post(engine, "named") == 200  # another upstream, and another turn of the same server
        assert [one["target"] for one in app.seen].count("/documents/slow") == 1
    finally:
        app.go_on.set()
        for caller in callers:
            caller.join(SECONDS)
    assert found == [200] * 3


def _call_slowly(engine: Engine) -> int:
    return http_call(engine.port, "GET", "/documents/slow", bearer("ann").items(), host="narrow.example").status


def test_nothing_is_sent_twice(engine: Engine, breaker: Breaker) -> None:
    """Threat G08: whoever has read a request may have acted on it."""
    assert post(engine, "breaks") in (502, 503)
    wait_for(lambda: breaker.bodies, "it was read")
    assert breaker.bodies == [b"a body"]


def test_clients_on_a_unix_socket(tmp_path: Path) -> None:
    left_behind = socket.socket(socket.AF_UNIX)
    left_behind.bind(str(tmp_path / "gateway.sock"))
    left_behind.close()  # as after a crash
    with ExitStack() as closing:
        app = Talkative()
        closing.enter_context(Serving(app, str(tmp_path / "app.sock")))
        gateway = {"listen": "unix:gateway.sock", "upstreams": {"app": {"servers": ["unix:app.sock"]}}}
        engine = closing.enter_context(running(write_world(tmp_path, gateway), {"app": app}))
        assert f"the gateway listens at unix:{tmp_path / 'gateway.sock'}" in engine.text
        for turn in range(2):
            assert _ask(tmp_path / "gateway.sock", bearer("ann")).startswith(b"HTTP/1.1 200 ")
            assert _ask(tmp_path / "gateway.sock", {}).startswith(b"HTTP/1.1 401 ")
            engine.settings.write_text(engine.settings.read_text() + "\n")
            wait_for(lambda turn=turn: engine.reloads()["done"] == turn + 1, "the settings are loaded again")


def _ask(place: Path, headers: dict[str, str]) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        client.connect(str(place))
        client.sendall(f"GET /documents/1 HTTP/1.1\r\nHost: shop.example\r\n{fields}Connection: close\r\n\r\n".encode())
        answer = b""
        while chunk := client.recv(65_536):
            answer += chunk
        return answer
