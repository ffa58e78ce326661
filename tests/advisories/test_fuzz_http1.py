"""G17 by generation: whatever reaches an upstream is what was decided about, and says nothing that a client made up."""

from __future__ import annotations

import json
import re
import socket
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest
from gateway_attack import HOST
from gateway_origin import SECONDS, Origin, Seen, origin, wait_for
from gateway_world import Gateway, running, section
from http1_noise import noise, usual
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.http.edge import canonical_name

#: So that a request that stays incomplete ends soon.
SOON = 0.15
OURS = {b"x-guard-principal", b"x-guard-account", b"x-guard-decision-id", b"x-forwarded-for", b"x-forwarded-proto",
        b"x-forwarded-host"}
NEVER = {b"authorization", b"proxy-authorization", b"keep-alive", b"proxy-connection", b"trailer", b"http2-settings",
         b"forwarded", b"x-real-ip", b"x-http-method-override", b"x-http-method", b"expect", b"x-late"}
RESERVED = (b"x-guard-", b"x-iam-", b"x-original-", b"x-rewrite-", b"x-forwarded-")
STARTS = usual()


class Records:
    """The decisions that the gateway has written down."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0
        self._known: dict[str, dict[str, str]] = {}

    def of(self, name: str) -> dict[str, str]:
        wait_for(partial(self._has, name), f"decision '{name}' is written down")
        return self._known[name]

    def _has(self, name: str) -> bool:
        if name not in self._known and self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                lines = file.read()
            whole = lines[:lines.rfind(b"\n") + 1]
            self._read += len(whole)
            self._known |= {record["id"]: record for record in map(json.loads, whole.splitlines())}
        return name in self._known


@pytest.fixture(scope="module")
def behind() -> Iterator[Origin]:
    with origin() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(behind: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    patience = {"head_seconds": SOON, "body_seconds": SOON, "keep_seconds": SOON}
    with running(tmp_path_factory.mktemp("fuzz"), section(behind.url, limits=patience)) as started:
        yield started


@pytest.fixture(scope="module")
def records(gateway: Gateway) -> Records:
    return Records(gateway.folder / "decisions.jsonl")


@pytest.fixture(scope="module")
def recent() -> deque[bytes]:
    """What was sent: a request may reach the upstream when its client has gone."""
    return deque(maxlen=4)


def talk(gateway: Gateway, pieces: list[bytes]) -> bytes:
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return b""
        received = b""
        while b"HTTP/1.1 101 " not in received and (piece := _received(client)):
            received += piece
        return received


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(262_144)
    except ConnectionResetError:
        return b""


def check(seen: Seen, sent: str, records: Records) -> None:
    """One request that reached the upstream."""
    fields = [(canonical_name(name), name, value) for name, value in seen.headers]
    names = [folded for folded, _, _ in fields]
    assert not NEVER.intersection(names)
    assert sorted(folded for folded in names if folded.startswith(RESERVED)) == sorted(OURS)
    assert all(name == folded for folded, name, _ in fields if folded in OURS)
    said = {name: value.decode("latin-1") for _, name, value in fields}
    assert (said[b"x-forwarded-for"], said[b"x-forwarded-host"]) == ("127.0.0.1", said[b"host"].lower())
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert said.get(b"transfer-encoding", "chunked") == "chunked"
    assert said.get(b"upgrade", "websocket") == "websocket"
    assert [value for folded, _, value in fields if folded in (b"connection", b"te")] in ([], [b"Upgrade"], [
        b"trailers", b"te"])
    target = seen.target.decode("latin-1")
    line = rf"{re.escape(seen.method)} +(?:https?://shop\.example(?::80)?)?{re.escape(target)} +HTTP/[12]\.[01]\r\n"
    assert re.search(line, sent), (target, sent)
    assert re.search(rf"(?i)host:[ \t]*{re.escape(said[b'host'])}[ \t]*\r\n", sent), sent
    check_decision(seen.method, target.partition("?")[0], said, records)


def check_decision(method: str, path: str, said: dict[bytes, str], records: Records) -> None:
    name = said[b"x-guard-decision-id"]
    if not name:
        assert path == "/health" or path.startswith("/public/")
        assert said[b"x-guard-principal"] == ""
        return
    record = records.of(name)
    shown = "WEBSOCKET" if b"sec-websocket-key" in said else method
    assert (record["verdict"], record["method"], record["path"]) == ("allowed", shown, unquote(path, errors="strict"))
    assert record["principal"] == said[b"x-guard-principal"]
    if record["principal"].endswith("/alice"):
        assert not unquote(path).startswith(("/items/secret", "/admin", "/files/private"))


@given(data=st.data())
def test_what_reaches_the_upstream_was_decided(gateway: Gateway, behind: Origin, records: Records,
                                               recent: deque[bytes], data: st.DataObject) -> None:
    pieces = data.draw(noise(STARTS))
    recent.append(b"".join(pieces))
    behind.seen.clear()
    received = talk(gateway, pieces)
    assert not received or received.startswith(b"HTTP/1.1 ")
    sent = b"\n".join(recent).decode("latin-1")
    for seen in list(behind.seen):
        check(seen, sent, records)


def test_the_requests_without_a_fault_are_answered(gateway: Gateway, behind: Origin, records: Records) -> None:
    """What is broken above is worth breaking."""
    behind.seen.clear()
    for whole in STARTS:
        assert talk(gateway, [whole]).startswith(b"HTTP/1.1 ")
    assert len(behind.seen) >= 10
    for seen in list(behind.seen):
        check(seen, b"".join(STARTS).decode("latin-1"), records)
    assert all(HOST in whole for whole in STARTS)
