"""Addresses, and which door answers which path of a listener."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from iam_guard.asgi.listening import Address, bound, let_go, open_socket, read_address
from iam_guard.errors import ConfigurationError
from iam_guard.sidecar.control import OwnHost, control_routes
from iam_guard.sidecar.doors import Door, Switchboard, apps_by_address
from iam_guard.sidecar.health import Health


@pytest.mark.parametrize(("text", "address"), [
    ("127.0.0.1:8181", Address("127.0.0.1", 8181)),
    ("localhost:0", Address("localhost", 0)),
    ("[::1]:8181", Address("::1", 8181)),
    ("unix:/run/a b/decide.sock", Address(path="/run/a b/decide.sock")),
    ("unix:decide.sock", Address(path="decide.sock")),
])
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert read_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "localhost", "8181", ":8181", "::1:8181", "[::1]", "[localhost]:1", "a:65536",
                                  "a:-1", "a:b", "a b:1", "http://a:1", "a:1/", "unix:", "127.0.0.1:8181\n"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an address to listen at"):
        read_address(text)


def test_a_path_that_no_socket_can_have() -> None:
    """The kernel is the judge of how long one may be."""
    with tempfile.TemporaryDirectory(prefix="s-") as folder:
        for length, fits in ((107, True), (108, False)):
            path = Path(folder, "x" * (length - len(folder) - 1))
            with socket.socket(socket.AF_UNIX) as trying:
                if fits:
                    trying.bind(str(path))
                    assert read_address(f"unix:{path}").path == str(path)
                else:
                    with pytest.raises(OSError, match="too long"):
                        trying.bind(str(path))
                    with pytest.raises(ConfigurationError, match="is too long for a socket; name one of at most 107"):
                        read_address(f"unix:{path}")


@pytest.mark.parametrize(("one", "other", "together"), [
    ("127.0.0.1:1", "127.0.0.1:1", False),
    ("127.0.0.1:1", "127.0.0.1:2", True),
    ("127.0.0.1:1", "127.0.0.2:1", True),
    ("0.0.0.0:1", "127.0.0.1:1", False),
    ("127.0.0.1:1", "[::]:1", False),
    ("127.0.0.1:0", "0.0.0.0:0", True),
    ("unix:a", "unix:a", False),
    ("unix:a", "unix:b", True),
    ("unix:a", "127.0.0.1:1", True),
])
def test_what_can_be_listened_at_together(one: str, other: str, together: bool) -> None:
    first, second = read_address(one), read_address(other)
    assert first.overlaps(second) is not together
    assert second.overlaps(first) is not together


def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("precious")
    with pytest.raises(OSError, match="no socket"):
        open_socket(Address(path=str(tmp_path / "settings.yaml")))
    assert (tmp_path / "settings.yaml").read_text() == "precious"


def test_a_link_to_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("precious")
    (tmp_path / "decide.sock").symlink_to(tmp_path / "settings.yaml")
    with pytest.raises(OSError, match="no socket"):
        open_socket(Address(path=str(tmp_path / "decide.sock")))


def test_a_socket_tells_where_it_is_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for address in (Address("127.0.0.1", 0), Address(path=str(tmp_path / "decide.sock"))):
        listening = open_socket(address)
        found = bound(listening)
        assert found.port != 0 or found == address
        let_go(listening, address)
    assert list(tmp_path.iterdir()) == []


def answering(name: str) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"door", name.encode())]})

    return app


def call(app: Any, path: str, *, method: str = "GET", kind: str = "http",
         headers: tuple[tuple[bytes, bytes], ...] = ()) -> dict[str, Any]:
    """The first message of the answer."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": kind, "path": path, "method": method, "headers": list(headers)}
    asyncio.run(app(scope, None, send))
    return sent[0]


HERE, THERE = Address("127.0.0.1", 1), Address("127.0.0.1", 2)


@pytest.mark.parametrize(("path", "door"), [
    ("/ask", b"exact"), ("/tree", b"tree"), ("/tree/", b"tree"), ("/tree/a/b", b"tree"),
    ("/treehouse", None), ("/ask/", None), ("/ASK", None), ("/", None), ("", None), ("/tree/../ask", b"tree"),
])
def test_a_call_comes_to_the_door_of_its_path_or_to_none(path: str, door: bytes | None) -> None:
    board = Switchboard([Door("exact", answering("exact"), HERE, frozenset({"/ask"})),
                         Door("tree", answering("tree"), HERE, trees=("/tree",))])
    answer = call(board, path)
    assert answer["status"] == (404 if door is None else 200)
    assert dict(answer["headers"]).get(b"door") == door


def test_a_handshake_at_no_door_is_closed() -> None:
    assert call(Switchboard([]), "/", kind="websocket") == {"type": "websocket.close", "code": 1008, "reason": ""}


def test_a_door_that_listens_by_itself_is_not_served_and_still_counts() -> None:
    own = Door("own", None, HERE)
    assert apps_by_address([own, Door("other", answering("other"), THERE)]).keys() == {THERE}
    with pytest.raises(ConfigurationError, match="answers every path"):
        apps_by_address([own, Door("other", answering("other"), HERE, frozenset({"/ask"}))])


@pytest.mark.parametrize(("hosts", "headers", "status"), [
    ((), ((b"host", b"127.0.0.1:1"),), 200),
    ((), ((b"host", b"LOCALHOST"),), 200),
    ((), ((b"host", b"[::1]:1"),), 200),
    (("guard.internal",), ((b"host", b"guard.internal:1"),), 200),
    ((), ((b"host", b"guard.internal:1"),), 403),
    ((), ((b"host", b"127.0.0.1.evil.example"),), 403),
    ((), (), 403),
    ((), ((b"host", b"localhost"), (b"host", b"evil.example")), 403),
    ((), ((b"host", b"localhost:1"), (b"origin", b"http://localhost:1")), 200),
    ((), ((b"host", b"localhost:1"), (b"origin", b"http://localhost:2")), 403),
    ((), ((b"host", b"localhost:1"), (b"origin", b"http://[")), 403),
    ((), ((b"host", b"localhost:1"), (b"sec-fetch-site", b"same-origin")), 200),
])
def test_the_control_plane_is_called_by_its_own_names(hosts: tuple[str, ...], headers: tuple[tuple[bytes, bytes], ...],
                                                      status: int) -> None:
    assert call(OwnHost(answering("control"), HERE, hosts), "/status", headers=headers)["status"] == status


def test_a_unix_socket_has_no_name_that_could_be_wrong() -> None:
    door = OwnHost(answering("control"), Address(path="control.sock"), ())
    assert call(door, "/status", headers=((b"host", b"anything"),))["status"] == 200


def telling(missing: list[str]) -> Callable[[], Awaitable[list[str]]]:
    async def tell() -> list[str]:
        return missing

    return tell


@pytest.mark.parametrize(("path", "missing", "status"), [
    ("/healthz", [], 200), ("/healthz", ["policies"], 200), ("/readyz", [], 200), ("/readyz", ["policies"], 503),
    ("/readyz", ["keys"], 503),
])
def test_health(path: str, missing: list[str], status: int) -> None:
    for method in ("GET", "HEAD"):
        answer = call(Health(answering("behind"), telling(missing)), path, method=method)
        assert (answer["status"], dict(answer["headers"]).get(b"door")) == (status, None)


@pytest.mark.parametrize(("path", "method"), [("/readyz", "POST"), ("/readyz/", "GET"), ("/healthz/x", "GET")])
def test_anything_else_is_no_health(path: str, method: str) -> None:
    answer = call(Health(answering("behind"), telling([])), path, method=method)
    assert dict(answer["headers"])[b"door"] == b"behind"


def test_open_metrics_open_the_metrics_alone() -> None:
    public = {route.template: route.public for route in control_routes("default", open_metrics=True)}
    assert public == {"/status": False, "/reload": False, "/metrics": True}
    assert not any(route.public for route in control_routes("default", open_metrics=False))


def test_ipv6_where_there_is_some() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        listening = open_socket(Address("::1", 0))
    except OSError as problem:
        pytest.skip(f"this machine has no IPv6: {problem}")
    assert str(bound(listening)).startswith("[::1]:")
    let_go(listening, Address("::1", 0))
