"""Messages are read as they were sent, and admissions are written as protobuf writes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from check_requests import Told, check, field, fields
from envoy_doors import EDGE, EnvoyDoor, is_ready, open_envoy
from forward_client import HOST, http_call
from forward_world import World, bearer
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.sidecar.answer import Answer
from iam_guard.sidecar.ext_authz import messages
from iam_guard.sidecar.ext_authz.checks import Checks
from iam_guard.sidecar.ext_authz.described import Described
from iam_guard.sidecar.ext_authz.parsing import described
from iam_guard.sidecar.ext_authz.writing import response_of

TOKEN = {"authorization": bearer()["Authorization"]}
LATIN = st.characters(codec="latin-1")


def status(message: bytes) -> tuple[int, int]:
    told = Told(asyncio.run(Checks(World(EDGE).asker, lambda: True).check(message)))
    return told.code, told.status


def test_everything_that_is_told_is_read() -> None:
    message = check("POST", "/docs/1?a=b", {"X-Upper": "1", "x-empty": ""}, host="shop.example", scheme="https",
                    protocol="HTTP/2", source="2001:db8::7", more=field(12, b"\0\xff"), peer=field(5, "-----%0A"))
    assert described(message) == Described(b"POST", b"/docs/1?a=b", b"shop.example", b"https", b"HTTP/2",
                                           ((b"x-upper", b"1"), (b"x-empty", b"")), b"\0\xff", "2001:db8::7",
                                           "-----%0A")
    listed = described(check(raw=[("cookie", "a=1"), ("cookie", "b=2")]))
    assert listed.headers == ((b"cookie", b"a=1"), (b"cookie", b"b=2"))


def test_bytes_that_are_no_text_stay_what_they_are() -> None:
    """Header values may hold them (RFC 9110, section 5.5); paths and hosts may not, and are refused as such."""
    message = check(headers=TOKEN, more=field(3, fields((1, "x-name"), (2, b"J\xf6rg"))))
    assert described(message).headers[-1] == (b"x-name", b"J\xf6rg")
    assert status(message)[0] == 0
    for number in (4, 5):
        assert status(check(headers=TOKEN, more=field(number, b"/docs/\xff"))) == (7, 403)
    assert status(check(headers=TOKEN, more=field(2, b"G\xffT"))) == (7, 403)


def test_a_name_that_a_map_holds_twice_is_seen_twice() -> None:
    """A map keeps the last of them, and a proxy may send on the first."""
    again = field(3, fields((1, "authorization"), (2, TOKEN["authorization"])))
    assert status(check(headers=TOKEN))[0] == 0
    assert status(check(headers=TOKEN, more=again))[0] != 0
    assert status(check(headers=TOKEN, more=field(3, fields((1, ":path"), (2, "/docs/1"))) * 2)) == (7, 403)


def test_letters_of_other_alphabets_are_not_folded() -> None:
    """The sign for kelvin becomes a small k where text is folded (threats, section 3)."""
    assert described(check(headers={"x-\u212aey": "1"})).headers == (("x-\u212aey".encode(), b"1"),)


def lists_of(*names: bytes) -> Any:
    values = st.one_of(st.just(b""), st.binary(max_size=5), st.just(b"v" * 200))
    return st.lists(st.tuples(st.sampled_from(names), values), max_size=4)


@given(lists_of(b"x-guard-principal", b"x-guard-account"), lists_of(b"x-a", b"cache-control"),
       st.lists(st.text(LATIN, max_size=140), max_size=3))
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


def test_what_a_real_envoy_sends_is_what_its_client_sent(envoy: tuple[EnvoyDoor, Recorder]) -> None:
    door, recorder = envoy
    sent = [("X-Tag", "a"), ("X-Tag", "b"), ("X-Name", "J\u00f6rg"), ("User-Agent", "x" * 300)]
    assert http_call(door.port, "GET", "/docs/1?q=%41", [*bearer().items(), *sent], host=HOST).status == 200
    said = described(recorder.calls[-1])
    assert (said.method, said.path, said.host, said.scheme) == (b"GET", b"/docs/1?q=%41", HOST.encode(), b"http")
    assert (said.protocol, said.source) == (b"HTTP/1.1", "127.0.0.1")
    for name, value in sent:
        assert (name.lower().encode(), value.encode("latin-1")) in said.headers
