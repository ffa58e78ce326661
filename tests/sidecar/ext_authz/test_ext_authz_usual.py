"""The short way to read and write messages says what protobuf says, and real Envoys take it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from check_requests import check, field, fields
from envoy_doors import EDGE, EnvoyDoor, is_ready, open_envoy
from forward_client import HOST, http_call
from forward_world import World, bearer
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.errors import RequestRefusedError
from iam_guard.sidecar.answer import Answer
from iam_guard.sidecar.ext_authz import messages
from iam_guard.sidecar.ext_authz.checks import Checks
from iam_guard.sidecar.ext_authz.described import Described
from iam_guard.sidecar.ext_authz.parsing import by_protobuf
from iam_guard.sidecar.ext_authz.usual import UsualMessages
from iam_guard.sidecar.ext_authz.writing import response_of

TOKEN = {"authorization": bearer()["Authorization"]}


def told(message: bytes) -> Described | None:
    """What protobuf reads; nothing for what it refuses. A map has no order."""
    try:
        return ordered(by_protobuf(message))
    except RequestRefusedError:
        return None


def ordered(said: Described) -> Described:
    return said._replace(headers=tuple(sorted(said.headers)))


def read(message: bytes) -> Described | None:
    """What is read twice in the short way: the second time with what is remembered of the first."""
    reader = UsualMessages()
    first, second = reader.read(message), reader.read(message)
    assert first == second
    return None if first is None else ordered(first)


@pytest.mark.parametrize("message", [
    check(headers=TOKEN), check(headers={**TOKEN, ":path": "/docs/1", ":method": "GET", "accept": "*/*"}),
    check("POST", "/docs/1?a=b", {"x-empty": "", "x-long": "v" * 9000}, host="", scheme="https", protocol="HTTP/2"),
    check(raw=[("cookie", "a=1"), ("cookie", "b=2"), ("accept", "*/*"), ("x-empty", "")]),
    check(source=""), check(source="2001:db8::7"), check(peer=field(5, "-----BEGIN%20CERTIFICATE-----" * 40)),
    check(more=field(12, b"a=1&b=2")), check(more=field(11, "text")), check(more=field(9, 300)),
    field(1, b""), b"",
])
def test_usual_messages_are_read_in_the_short_way(message: bytes) -> None:
    assert read(message) == told(message)
    assert read(message) is not None


@pytest.mark.parametrize("message", [
    check(more=field(12, b"\xff\xfe")), check(headers={"x-name": "J\u00f6rg"}), check(headers={"X-Upper": "1"}),
    check(raw=[("x-a", "1")], headers={"x-b": "2"}), check(more=field(9, 1 << 40)), check(more=field(16, "later")),
    check(raw=[("x-name", "J\u00f6rg")], path="/caf\u00e9"), check(source="203.0.113.7" * 20), b"\xff\xff",
    check() + check(), check()[:-1], check(more=field(4, "/other")), check(more=field(3, field(1, "a"))),
    check(more=field(3, fields((1, "a"), (3, "raw")))), check(more=field(3, fields((2, "v"), (1, "a")))),
    check(more=field(3, b"")), check(headers={"a": "1"}, more=field(3, fields((1, "a"), (2, "2")))),
    check(more=field(3, fields((1, "a"), (2, b"\xff")))), check(more=field(4, b"\xff")), check(peer=b"\x0d\0\0\0\0"),
])
def test_what_the_short_way_leaves_or_reads_is_what_protobuf_says(message: bytes) -> None:
    found = read(message)
    assert found is None or found == told(message)


names = st.sampled_from(["a", ":path", ":method", "accept", "x-a", "user-agent", "cookie", "X-A", "\u00e9", ""])
values = st.one_of(st.text(max_size=20), st.sampled_from(["", "*/*", "v" * 130, "v" * 17_000]))


@given(st.dictionaries(names, values, max_size=5), st.lists(st.tuples(names, values), max_size=4), values,
       st.sampled_from(["HTTP/1.1", "HTTP/2", ""]), st.sampled_from(["", "203.0.113.7", "::1", "x" * 70]),
       st.binary(max_size=8))
def test_whole_messages_are_read_alike(headers: dict[str, str], raw: list[tuple[str, str]], path: str, protocol: str,
                                       source: str, more: bytes) -> None:
    message = check(path=path, headers=headers, raw=raw, protocol=protocol, source=source, more=more)
    found = read(message)
    assert found is None or found == told(message)


WHOLE = (check(headers={**TOKEN, "accept": "*/*", "x-a": "1"}), check(raw=[("accept", "*/*"), ("x-a", "1")]))


@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=3),
       st.integers(0, 2000))
def test_broken_messages_are_read_alike(message: bytes, changes: list[tuple[int, int]], end: int) -> None:
    changed = bytearray(message)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    changed = changed[:end] if end < len(changed) and end % 3 == 0 else changed
    found = read(bytes(changed))
    assert found is None or found == told(bytes(changed))


def test_a_header_of_a_list_is_not_taken_for_one_of_a_map() -> None:
    """A map has no raw value, so the same bytes say less in one."""
    reader = UsualMessages()
    listed = check(raw=[("accept", "text/html")])
    assert reader.read(listed) == by_protobuf(listed)
    mapped = check(more=field(3, fields((1, "accept"), (3, "text/html"))))
    assert reader.read(mapped) in (None, by_protobuf(mapped))
    assert by_protobuf(mapped).headers == ()


def lists_of(*names: bytes) -> Any:
    values = st.one_of(st.just(b""), st.binary(max_size=5), st.just(b"v" * 200))
    return st.lists(st.tuples(st.sampled_from(names), values), max_size=4)


@given(lists_of(b"x-guard-principal", b"x-guard-account"), lists_of(b"x-a", b"cache-control"),
       st.lists(st.text(st.characters(codec="latin-1"), max_size=140), max_size=3))
def test_an_admission_is_written_as_protobuf_writes_it(caller: list[Any], others: list[Any], remove: list[str]) -> None:
    answer = Answer(200, (*caller, *others), b"", True, "allow", tuple(remove), tuple(caller))
    for _ in range(2):
        said = messages.CheckResponse.FromString(response_of(answer))
        assert (said.HasField("status"), said.status.code, said.WhichOneof("http_response")) == (True, 0, "ok_response")
        wanted = [(name.decode(), value.decode("latin-1")) for name, value in answer.headers
                  if name != b"cache-control"]
        told = [(one.header.key, one.header.value) for one in said.ok_response.headers]
        assert sorted(told) == sorted(pair for pair in wanted if pair[1])
        assert {(one.append_action, one.HasField("append")) for one in said.ok_response.headers} <= {(2, False)}
        assert sorted(said.ok_response.headers_to_remove) == sorted(
            [name for name, value in wanted if not value] + remove)


class Recorder(Checks):
    """Writes down what Envoy sends."""

    def __init__(self, world: World) -> None:
        super().__init__(world.asker, lambda: is_ready(world))
        self.calls: list[bytes] = []

    def at_once(self, requests: Sequence[bytes]) -> Any:
        self.calls += requests
        return super().at_once(requests)


@pytest.fixture(scope="module")
def envoy() -> Iterator[tuple[EnvoyDoor, Recorder]]:
    world = World(EDGE)
    recorder = Recorder(world)
    with open_envoy("grpc", world=world, checks=recorder) as door:
        yield door, recorder


def test_what_a_real_envoy_sends_is_usual(envoy: tuple[EnvoyDoor, Recorder]) -> None:
    door, recorder = envoy
    for headers in ([], [("accept", "text/html"), ("accept", "*/*")], [("cookie", "a=b"), ("user-agent", "x" * 150)]):
        recorder.calls.clear()
        found = http_call(door.port, "GET", "/docs/1?q=1", [*bearer().items(), *headers], host=HOST)
        assert found.status == 200
        message = recorder.calls[-1]
        assert read(message) is not None, "protobuf had to read it"
        assert read(message) == told(message)
