"""Rows about the calls of proxies and programs themselves: gaps, copies, strangers, framing, other sites."""

from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
import pytest
from check_requests import Told, check
from door_calls import FAMILIES, call_of, known
from sidecar_doors import port_of, sidecar
from sidecar_process import Running
from threat_rows import CHUNKED, Row
from threat_world import bearer, exchange, statuses, token

CHECK = "/envoy.service.auth.v3.Authorization/Check"
ITEM = Row("", "alice", b"GET /items/1", 200, b"/items/1")
EVALUATION = b"/access/v1/evaluation"


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sidecar(tmp_path_factory.mktemp("calls")) as found:
        yield found


def ask(guard: Running, door: str, data: bytes, source: str = "127.0.0.1") -> list[int]:
    return statuses(exchange(port_of(guard, door), data, source=source))


def own_lines(door: str) -> list[bytes]:
    return FAMILIES[door](ITEM, door)


@pytest.mark.parametrize("door", FAMILIES)
def test_h04_2_a_description_that_is_there_twice_is_none(guard: Running, door: str) -> None:
    assert ask(guard, door, call_of(ITEM, door)) == [200]
    for line in own_lines(door):
        name, _, value = line.partition(b": ")
        if name in (b"Upgrade", b"Connection", b"X-Sent-From") or not value:
            continue
        for copy in (line, name.lower() + b": " + value, name + b": /public/x"):
            assert ask(guard, door, call_of(ITEM, door, [copy])) == [403], copy


@pytest.mark.parametrize("door", FAMILIES)
def test_g04_1_g05_2_a_description_with_a_gap_is_none(guard: Running, door: str) -> None:
    whole = call_of(ITEM, door)
    for line in own_lines(door):
        if line.partition(b": ")[0] not in (b"X-Sent-From",) and line.partition(b": ")[2]:
            assert ask(guard, door, whole.replace(line + b"\r\n", b"")) == [403], line


@pytest.mark.parametrize("door", FAMILIES)
@pytest.mark.parametrize("source", ["127.1.2.3", "127.9.0.1"])
def test_g05_1_a_stranger_is_told_nothing(guard: Running, door: str, source: str) -> None:
    assert ask(guard, door, call_of(ITEM, door), source) == [403]
    lie = [b"X-Forwarded-For: 127.0.0.1"] if door in ("nginx", "ingress-nginx") else [b"X-Real-IP: 127.0.0.1"]
    assert ask(guard, door, call_of(ITEM, door, [*lie, b"Forwarded: for=127.0.0.1"]), source) == [403]


CHAINS = {"H05.2": (b"10.0.0.1, 203.0.113.7", "addressed", 200), "H05.1": (b"10.0.0.1", "insider", 200),
          "H05.1-outside": (b"203.0.113.7", "insider", 403), "H05.2-lie": (b"10.0.0.1, 203.0.113.7", "insider", 403),
          "H05.2-own": (b"203.0.113.7, 127.0.0.1", "addressed", 200)}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("door", ["traefik", "caddy", "haproxy", "apisix", "oathkeeper"])
def test_h05_the_client_is_the_nearest_hop_that_is_no_proxy_of_ours(guard: Running, door: str, chain: str) -> None:
    """The first address is what the client made up; the last is what the proxy saw."""
    hops, who, status = CHAINS[chain]
    data = call_of(Row("", who, b"GET /items/1", 200), door)
    assert ask(guard, door, data.replace(b"X-Forwarded-For: 203.0.113.7", b"X-Forwarded-For: " + hops)) == [status]


def test_h09_2_a_name_with_line_ends_is_nobodys(guard: Running) -> None:
    for name in ("a\r\nX-Guard-Principal: root", "a\nb", "a\x00b"):
        lines = [b"Authorization: Bearer " + token(name).encode()]
        for door in (*FAMILIES, "envoy-http"):
            received = exchange(port_of(guard, door), call_of(ITEM._replace(who="anon"), door, lines))
            assert statuses(received) == [401]
            assert b"root" not in received


# --- Framing and size, at the listeners themselves ---

def head(*lines: bytes, method: bytes = b"POST", path: bytes = b"/forward-auth/nginx") -> bytes:
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: guard", *own_lines("nginx"), known("alice"),
                         *lines]) + b"\r\n\r\n"


INNER = head(b"Connection: close", method=b"GET")
FRAMES = {
    "F01.1": head(b"Content-Length: 4", CHUNKED) + b"0\r\n\r\n" + INNER,
    "F02.1": head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n" + INNER,
    "F02.2": head(b"Transfer-Encoding: gzip, chunked", b"Connection: close") + b"0\r\n\r\n",
    "F03.1": head(b"Content-Length: +5") + b"abcde" + INNER,
    "F03.2": head(b"Content-Length: 5", b"Content-Length: 6") + b"abcde" + INNER,
    "F04.1": head(CHUNKED) + b"5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n" + INNER,
    "F05.1": head(*(b"X-%d: %b" % (n, b"x" * 1024) for n in range(200)), b"Connection: close"),
    "F05.2": head(b"Connection: close", path=b"/" + b"x" * 70_000),
}


@pytest.mark.parametrize("row", FRAMES)
@pytest.mark.parametrize("door", ["forward", "authzen", "envoy-http", "control"])
def test_a_call_that_is_framed_in_two_ways_is_answered_once_at_most(guard: Running, door: str, row: str) -> None:
    told = ask(guard, door, FRAMES[row])
    assert len(told) <= 1
    # An unknown coding around chunks hides no end: the body of such a call is not looked at.
    assert set(told) <= {400, 403, 404, 413, 414, 431, 501} or row == "F02.2"


# --- Programs that ask (AuthZEN) ---

def question(*lines: bytes, path: bytes = EVALUATION, body: bytes = b"") -> bytes:
    asked = body or json.dumps({"subject": {"type": "user", "id": "alice"}, "action": {"name": "app:GetItem"},
                                "resource": {"type": "item", "id": "1"}}).encode()
    return b"\r\n".join([b"POST " + path + b" HTTP/1.1", b"Host: guard", b"Connection: close",
                         b"Content-Type: application/json", b"Content-Length: %d" % len(asked), *lines]) + (
        b"\r\n\r\n" + asked)


def test_g06_1_g06_3_a_question_that_can_be_read_in_two_ways_is_none(guard: Running) -> None:
    good = exchange(port_of(guard, "authzen"), question(known("pep")))
    assert statuses(good) == [200]
    assert good.partition(b"\r\n\r\n")[2].replace(b" ", b"").startswith(b'{"decision":true')
    body = question().partition(b"\r\n\r\n")[2]
    twice = body[:-1] + b', "action": {"name": "app:Admin"}}'
    many = body[:-1] + b', "evaluations": [' + b",".join([b"{}"] * 1001) + b"]}"
    assert ask(guard, "authzen", question(known("pep"), body=twice)) == [400]
    assert ask(guard, "authzen", question(known("pep"), body=many, path=b"/access/v1/evaluations")) == [400]


def test_g07_nobody_asks_who_may_not(guard: Running) -> None:
    received = exchange(port_of(guard, "authzen"), question())
    assert statuses(received) == [401]
    assert not [word for word in (b"alice", b"GetItem", b"secret") if word in received]
    assert ask(guard, "authzen", question(known("alice"))) == [403]
    for path in (b"/access/v1/search/subject", b"/access/v1/search/resource", b"/access/v1/search/action",
                 EVALUATION + b"?explain=true"):
        assert ask(guard, "authzen", question(known("pep"), path=path)) == [403], path


# --- Envoy over gRPC ---

@pytest.fixture(scope="module")
def channel(guard: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{port_of(guard, 'envoy-grpc')}") as opened:
        yield opened


ROOT = {"authorization": bearer("root")["Authorization"]}
MESSAGES = {
    "G03.1": b"",
    "G03.4a": check("GET", "/public/../admin", headers=ROOT),
    "G03.4b": check("", "/admin", headers=ROOT),
    "G03.4c": check("GET", "/admin", raw=[(":path", "/public/x"), (":path", "/admin"), *ROOT.items()]),
    "P19.2": check("POST", "iam.Admin/Delete", headers=ROOT),
    "M09.1": check("GET", "/public/x HTTP/1.1\r\nX: y", headers=ROOT, protocol="HTTP/2"),
    "M09.2": check("GET", "/items/1", host="shop.example", protocol="HTTP/2",
                   raw=[(":authority", "shop.example"), ("host", "admin.example"), *ROOT.items()]),
    "M09.2-as": check("GET", "/items/1", host="shop.example", protocol="HTTP/2",
                      raw=[(":authority", "admin.example"), *ROOT.items()]),
}


@pytest.mark.parametrize("row", MESSAGES)
def test_a_message_that_says_too_little_or_two_things_is_denied(channel: grpc.Channel, row: str) -> None:
    told = Told(channel.unary_unary(CHECK)(MESSAGES[row], timeout=20))
    assert (told.code, told.status, told.is_allowed) == (7, 403, False)


def test_g03_3_the_clients_copies_are_taken_off(channel: grpc.Channel) -> None:
    sent = {**ROOT, "x-guard-principal": "alice", "x-iam-principal": "alice", "x_guard_account": "t9"}
    told = Told(channel.unary_unary(CHECK)(check("GET", "/items/1", headers=sent), timeout=20))
    assert (told.code, told.headers["x-guard-principal"]) == (0, "arn:iamg:iam::t1:user/root")
    assert {"x-iam-principal", "x_guard_account"} <= set(told.removed)


@pytest.mark.parametrize(("value", "code"), [("user", 0), ("user,admin", 7), ("admin,user", 7), ("user, admin", 7),
                                             ("admin", 7), ("user,guest", 0)])
def test_h08_1_one_header_of_several_is_several(channel: grpc.Channel, value: str, code: int) -> None:
    """Without raw headers, Envoy joins what was sent twice; a value that is denied is not hidden by the other."""
    sent = {"authorization": bearer("insider")["Authorization"], "x-role": value}
    assert Told(channel.unary_unary(CHECK)(check("GET", "/files/x", headers=sent), timeout=20)).code == code


# --- The control plane ---

@pytest.mark.parametrize("lines", [
    (b"Host: localhost", b"Origin: https://evil.example", b"Cookie: token=root"), (b"Host: evil.example",),
    (b"Host: localhost", b"Sec-Fetch-Site: cross-site"),
], ids=["G14.1", "G14.2", "G14.1-fetch"])
def test_g14_no_page_of_another_site_operates_it(guard: Running, lines: tuple[bytes, ...]) -> None:
    for who in ([], [known("root")]):
        data = b"\r\n".join([b"POST /reload HTTP/1.1", *lines, *who, b"Connection: close", b"Content-Length: 0",
                             b"Content-Type: application/x-www-form-urlencoded"]) + b"\r\n\r\n"
        assert ask(guard, "control", data) in ([403], [401] if not who else [403])
