"""Which upstream gets a request, which of its servers, and what it is told about the caller."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import jwt
import pytest
from gateway_origin import Origin, origin, wait_for
from gateway_world import Gateway, bearer, running, token

AUDIENCE, ISSUER = "orders", "https://gateway.example"


def refusing() -> tuple[socket.socket, str]:
    """A port that is taken, so that nobody else gets it, and at which nobody listens."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken, f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="module")
def orders() -> Iterator[Origin]:
    with origin() as started:
        yield started


@pytest.fixture(scope="module")
def second() -> Iterator[Origin]:
    with origin() as started:
        yield started


@pytest.fixture(scope="module")
def files() -> Iterator[Origin]:
    with origin() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(orders: Origin, second: Origin, files: Origin,
            tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("upstreams")
    subprocess.run([sys.executable, "-m", "iam_guard", "token", "keys", "--new", "--keys", str(folder / "keys.json")],
                   check=True, capture_output=True)
    taken, nobody = refusing()
    health = {"path": "/healthz", "every_seconds": 0.1, "good": 1, "bad": 1}
    section = {
        "listen": "127.0.0.1:0", "status": "127.0.0.1:0",
        "upstreams": {AUDIENCE: {"servers": [orders.url, second.url], "health": health},
                      "files": {"servers": [files.url], "credentials": True, "host": "files.internal"},
                      "half": {"servers": [nobody, files.url]}, "dead": {"servers": [nobody]}},
        "routes": [{"host": "shop.example", "path": "/items", "upstream": AUDIENCE},
                   {"host": "shop.example", "path": "/items/7", "upstream": "half"},
                   {"host": "shop.example", "path": "/items/8", "upstream": "dead"},
                   {"host": "shop.example", "path": "/files/pub/", "upstream": "files"},
                   {"host": "files.example", "upstream": "files"}],
        "assertion": {"keys": "keys.json", "issuer": ISSUER}, "limits": {"max_body_bytes": 1000, "body_seconds": 2.0},
    }
    with taken, running(folder, section) as started:
        yield started


@pytest.mark.parametrize(("host", "target", "reached"), [
    ("shop.example", "/items/1", "orders"), ("shop.example:8443", "/items", "orders"),
    ("SHOP.example", "/items/1", "orders"), ("shop.example", "/files/pub/a", "files"),
    ("files.example", "/items/1", "files")])
def test_rules_choose_by_host_and_whole_segments(gateway: Gateway, orders: Origin, second: Origin, files: Origin,
                                                 host: str, target: str, reached: str) -> None:
    before = {"orders": len(orders.seen) + len(second.seen), "files": len(files.seen)}
    assert gateway.call("GET", target, bearer("root"), host=host).status == 200
    after = {"orders": len(orders.seen) + len(second.seen), "files": len(files.seen)}
    assert after == {**before, reached: before[reached] + 1}


@pytest.mark.parametrize(("host", "target", "status"), [
    ("internal.example", "/items/1", 421), ("shop.example.evil.example", "/items/1", 421), ("127.0.0.1", "/items", 421),
    ("shop.example", "/admin", 404), ("shop.example", "/files/publish", 404)])
def test_g01_3_what_no_rule_names_is_sent_nowhere(gateway: Gateway, orders: Origin, second: Origin, files: Origin,
                                                  host: str, target: str, status: int) -> None:
    before = [len(one.seen) for one in (orders, second, files)]
    assert gateway.call("GET", target, bearer("root"), host=host).status == status
    assert [len(one.seen) for one in (orders, second, files)] == before


def test_credentials_go_only_where_they_are_needed(gateway: Gateway, orders: Origin, second: Origin,
                                                   files: Origin) -> None:
    orders.seen.clear()
    second.seen.clear()
    sent = token("alice")
    headers = {"Authorization": f"Bearer {sent}", "DPoP": "x", "Cookie": "theme=dark"}
    assert gateway.call("GET", "/items/1", headers).status == 200
    (seen,) = orders.seen + second.seen
    assert (seen.values("authorization"), seen.values("dpop"), seen.values("cookie")) == ([], [], ["theme=dark"])
    assert gateway.call("GET", "/files/pub/a", headers).status == 200
    assert files.seen[-1].values("authorization") == [f"Bearer {sent}"]
    assert files.seen[-1].values("host") == ["files.internal"]


def test_the_assertion_is_one_that_any_library_verifies(gateway: Gateway, files: Origin) -> None:
    gateway.call("GET", "/files/pub/a", {**bearer("alice"), "X-Guard-Assertion": "mine", "X_Guard_Assertion": "mine"})
    (text,) = files.seen[-1].values("x-guard-assertion")
    keys = gateway.status("/jwks.json")
    assert keys.header("Cache-Control") == "public, max-age=300"
    (key,) = jwt.PyJWKSet.from_dict(json.loads(keys.body)).keys
    claims = jwt.decode(text, key, ["EdDSA"], audience="files", issuer=ISSUER,
                        options={"require": ["exp", "iat", "sub", "aud", "iss"]})
    assert claims["sub"] == "arn:iamg:iam::t1:user/alice"
    assert claims["exp"] - claims["iat"] == 60
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(text, key, ["EdDSA"], audience=AUDIENCE)
    names = [name for name, _ in files.seen[-1].headers]
    assert [name.lower().replace(b"_", b"-") for name in names].count(b"x-guard-assertion") == 1


def test_an_assertion_ends_with_the_session(gateway: Gateway, files: Origin) -> None:
    gateway.call("GET", "/files/pub/a", {"Authorization": f"Bearer {token('alice', lifetime=20)}"})
    (text,) = files.seen[-1].values("x-guard-assertion")
    claims = jwt.decode(text, options={"verify_signature": False})
    assert 0 < claims["exp"] - claims["iat"] <= 20


def test_nobody_is_asserted_on_a_public_route(gateway: Gateway, files: Origin) -> None:
    reply = gateway.call("GET", "/public/x", {"X-Guard-Assertion": "mine"}, host="files.example")
    assert reply.status == 200
    assert files.seen[-1].values("x-guard-assertion") == [""]


def test_a_server_that_does_not_answer_is_passed_over_and_no_request_is_lost(gateway: Gateway, files: Origin) -> None:
    files.seen.clear()
    assert [gateway.call("PUT", "/items/7", bearer("root"), b"order").status for _ in range(8)] == [200] * 8
    assert [(seen.method, seen.body) for seen in files.seen] == [("PUT", 5)] * 8


def test_where_no_server_answers_neither_does_the_gateway(gateway: Gateway) -> None:
    statuses = [gateway.call("GET", "/items/8", bearer("root")).status for _ in range(5)]
    assert statuses == [502, 502, 502, 503, 503]  # three failures, then nobody is asked


def test_a_server_that_says_it_is_ill_is_left_alone_until_it_is_well(gateway: Gateway, orders: Origin,
                                                                     second: Origin) -> None:
    def asks(count: int) -> int:
        before = len(orders.seen)
        assert all(gateway.call("GET", "/items/1", bearer("root")).status == 200 for _ in range(count))
        return len(orders.seen) - before

    wait_for(lambda: asks(2) > 0, "both are used")
    orders.health = 503
    wait_for(lambda: asks(4) == 0, "the ill one is left alone")
    orders.health = 200
    wait_for(lambda: asks(2) > 0, "it is used again")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_long_is_refused(gateway: Gateway, chunked: bool) -> None:
    framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: 1001\r\n"
    body = b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n" if chunked else b"x" * 1001
    answer = gateway.raw(b"PUT /items/1 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nAuthorization: Bearer "
                         + token("root").encode() + b"\r\n" + framing + b"\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert gateway.call("PUT", "/items/1", bearer("root"), b"x" * 1000).status == 200


def test_f06_a_body_that_trickles_is_cut_off_and_others_are_served(gateway: Gateway, orders: Origin,
                                                                   second: Origin) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), 0.2) as trickling:
        trickling.sendall(b"PUT /items/1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 900\r\n"
                          b"Authorization: Bearer " + token("root").encode() + b"\r\n\r\n")

        def is_cut_off() -> bool:
            try:
                trickling.sendall(b"x")
                return trickling.recv(65_536) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        assert not is_cut_off()
        assert gateway.call("GET", "/items/1", bearer("root")).status == 200
        wait_for(is_cut_off, "the connection is closed")


def test_the_status_address_tells_little_and_changes_nothing(gateway: Gateway) -> None:
    assert [gateway.status(path).status for path in ("/healthz", "/readyz", "/items/1", "/docs")] == [
        200, 200, 404, 404]
    assert gateway.call("POST", "/readyz", port=gateway.status_port).status == 405


def test_the_keys_of_the_status_address_stay_off_the_outside(gateway: Gateway) -> None:
    assert gateway.call("GET", "/jwks.json", host="files.example").status == 401
    (private,) = json.loads((gateway.folder / "keys.json").read_text())["keys"]
    told = gateway.status("/jwks.json").body.decode()
    assert private["kid"] in told
    assert private["d"] not in told
