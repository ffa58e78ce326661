"""Whatever a client adds to its request, the guard reads what the proxy wrote, or denies."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from iam_guard.errors import RequestRefusedError
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.request import HTTPRequest
from iam_guard.sidecar.forward.family import FORWARDED, ORIGINAL, ORIGINAL_URL
from iam_guard.sidecar.forward.reading import Reader
from iam_guard.sidecar.forward.settings import ForwardDoor
from iam_guard.sidecar.original import OriginalRequest

EDGE = EdgeSettings(trusted_proxies=("10.9.0.0/16",))
ALL_NAMES = sorted((ORIGINAL.names | ORIGINAL_URL.names | FORWARDED.names)
                   | {b"forwarded", b"x-forwarded-port", b"x-rewrite-url", b"x-guard-principal", b"x-iam-role",
                      b"x-http-method-override", b"true-client-ip", b"ssl-client-cert", b"ssl-client-verify"})
VALUES = st.sampled_from([b"", b"GET", b"/health", b"https", b"other.example", b"10.9.0.1", b"websocket",
                          b"for=10.9.0.1", b"https://other.example/health", b"SUCCESS", b"\xff", b"/%2e%2e/admin"])
NAMES = st.builds(lambda name, char, upper: (name.upper() if upper else name).replace(b"-", char),
                  st.sampled_from(ALL_NAMES), st.sampled_from([b"-", b"_", b"."]), st.booleans())
LIES = st.lists(st.tuples(NAMES, VALUES), max_size=8)
PROXIES: Any = st.sampled_from(["nginx", "ingress-nginx", "traefik", "caddy", "haproxy", "apisix", "oathkeeper"])
TARGETS = st.sampled_from([b"/", b"/a?b=c", b"/a%20b", b"/a/%2e%2e/b", b"//x", b"/a?x=/../y"])


def written(door: ForwardDoor, method: str, target: bytes) -> list[tuple[bytes, bytes]]:
    """What a proxy of this kind says itself."""
    family = door.family
    if family.whole_url:
        return [(family.method, method.encode()), (family.target, b"http://shop.example" + target),
                (family.client, b"203.0.113.7")]
    return [(family.method, method.encode()), (family.target, target), (family.scheme, b"http"),
            (family.host, b"shop.example"), (family.client, b"203.0.113.7")]


def read(door: ForwardDoor, headers: list[tuple[bytes, bytes]]) -> OriginalRequest:
    scope = {"type": "http", "method": "GET", "path": door.at, "raw_path": door.at.encode(), "query_string": b"",
             "headers": headers, "client": ("10.9.0.1", 1)}
    return Reader(door, EDGE).read(scope)


@given(PROXIES, st.sampled_from(["GET", "POST", "DELETE"]), TARGETS, LIES, st.integers(0, 8))
def test_lies_change_nothing_that_is_read(proxy: Any, method: str, target: bytes, lies: Any, place: int) -> None:
    door = ForwardDoor(proxy)
    own = written(door, method, target)
    truth = read(door, own)
    overwritten = [lie for lie in lies if lie[0].lower() not in door.family.names - {door.family.upgrade}]
    told = read(door, [*overwritten[:place], *own, *overwritten[place:]])
    assert replace(told, headers=()) == replace(truth, headers=())
    assert all(EDGE.keeps(name, False) for name, _ in told.headers)


@given(PROXIES, TARGETS, LIES)
def test_a_family_that_is_added_to_is_read_as_the_proxy_wrote_it_or_refused(proxy: Any, target: bytes,
                                                                            lies: Any) -> None:
    """Of a proxy that adds its own field to the client's instead of replacing it."""
    door = ForwardDoor(proxy)
    own = written(door, "DELETE", target)
    try:
        told = read(door, [*lies, *own])
    except RequestRefusedError:
        return
    assert replace(told, headers=()) == replace(read(door, own), headers=())


@given(PROXIES, TARGETS)
def test_what_is_read_is_judged_without_another_reading(proxy: Any, target: bytes) -> None:
    """The scope of the request holds the target as it was sent, cut at its first question mark."""
    scope = read(ForwardDoor(proxy), written(ForwardDoor(proxy), "GET", target)).scope()
    path, _, query = target.partition(b"?")
    assert (scope["raw_path"], scope["query_string"]) == (path, query)
    try:
        found = HTTPRequest.from_scope(scope, EDGE)
    except RequestRefusedError:
        assert b"%2e" in target or b"//" in target
        return
    assert (found.host, found.source_ip, found.trusted, found.raw_path) == ("shop.example", "203.0.113.7", False, path)
