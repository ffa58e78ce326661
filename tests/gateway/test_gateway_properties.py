"""Whatever is done to a target or a header, an upstream never serves what its caller may not have."""

from __future__ import annotations

import socket

import pytest
from gateway_origin import SECONDS, Origin
from gateway_world import Gateway, token
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.gateway.routing import NoUpstreamError, Routing
from iam_guard.gateway.settings import RouteRule

SETTINGS = {"log": {"logger": ""}}


def status_of(gateway: Gateway, target: bytes, *lines: bytes, who: str = "alice") -> int:
    authorization = [b"Authorization: Bearer " + token(who).encode()] if who != "anon" else []
    head = [b"GET " + target + b" HTTP/1.1", b"Host: shop.example", b"Connection: close", *authorization, *lines]
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        client.sendall(b"\r\n".join(head) + b"\r\n\r\n")
        received = b""
        while chunk := client.recv(65_536):
            received += chunk
    return int(received.split(b" ", 2)[1])


GUARDED = (b"/items/secret1", b"/admin", b"/admin/users", b"/files/private/x")
INSERTED = (b"/", b"//", b"/./", b"/../", b"..", b";x", b"#x", b"?", b"\\", b"%2e", b"%2f", b"%5c", b"%00", b"%0a",
            b"%25", b"%252e", b"/public/", b"/health", b"items", b"pub", b"\t", b"%c0%ae",
            b"http://shop.example", b"%EF%BC%8F")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A guarded target after a few changes, each of which has opened some gateway once."""
    target = draw(st.sampled_from(GUARDED))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(target)))
        match draw(st.sampled_from(["insert", "encode", "case", "prefix", "double"])):
            case "insert":
                target = target[:at] + draw(st.sampled_from(INSERTED)) + target[at:]
            case "encode":
                target = target[:at] + b"".join(b"%%%02x" % byte for byte in target[at:at + 1]) + target[at + 1:]
            case "double":
                target = target[:at] + b"".join(b"%%25%02x" % byte for byte in target[at:at + 1]) + target[at + 1:]
            case "case":
                target = target[:at] + target[at:at + 1].swapcase() + target[at + 1:]
            case "prefix":
                target = draw(st.sampled_from([b"/public/..", b"/public/../..", b"/health/..", b"/public"])) + target
    return target


@given(target=mutated(), who=st.sampled_from(["anon", "alice"]))
def test_no_spelling_opens_what_is_closed(gateway: Gateway, behind: Origin, target: bytes, who: str) -> None:
    behind.seen.clear()
    status = status_of(gateway, target, who=who)
    assert status in (200, 400, 401, 403, 404, 405)
    assert (status == 200) == bool(behind.seen)
    for seen in behind.seen:
        path = served_path(seen.target)
        opened = (b"/public/", b"/health") if who == "anon" else (b"/public/", b"/health", b"/items", b"/files/pub/")
        assert path.startswith(opened)
        assert not path.startswith(b"/items/secret")
        assert b"/../" not in path
        assert b"//" not in path


def served_path(target: bytes) -> bytes:
    """What an application reads out of a target: the part before the query, decoded once."""
    path, out = target.partition(b"?")[0], b""
    while path:
        if path[:1] == b"%":
            out, path = out + bytes([int(path[1:3], 16)]), path[3:]
        else:
            out, path = out + path[:1], path[1:]
    return out


NAMES = st.sampled_from([b"X-Guard-Principal", b"x_guard_principal", b"X-IAM-Role", b"X-Forwarded-For", b"Forwarded",
                         b"X-Forwarded-User", b"X-Original-URL", b"X-Rewrite-URL", b"X-HTTP-Method-Override",
                         b"X-Forwarded-Host", b"X-Real-IP", b"X-Forwarded-Proto", b"Connection", b"Via", b"X-User"])
VALUES = st.sampled_from([b"root", b"arn:iamg:iam::t1:user/root", b"/public/x", b"10.0.0.1", b"https", b"DELETE", b"",
                          b"close, X-Guard-Principal", b"for=10.0.0.1;proto=https"])


@given(noise=st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_no_header_opens_what_is_closed_or_makes_another_caller(gateway: Gateway, behind: Origin,
                                                                noise: list[tuple[bytes, bytes]]) -> None:
    lines = [name + b": " + value for name, value in noise]
    behind.seen.clear()
    assert status_of(gateway, b"/items/secret1", *lines) == 403
    assert status_of(gateway, b"/items/1", *lines, who="insider") == 403
    assert behind.seen == []
    assert status_of(gateway, b"/items/1", *lines) == 200
    (seen,) = behind.seen
    assert (seen.method, seen.target) == ("GET", b"/items/1")
    assert seen.values("x-guard-principal") == ["arn:iamg:iam::t1:user/alice"]
    assert seen.values("x-forwarded-for") == ["127.0.0.1"]
    folded = [name.lower().replace(b"_", b"-") for name, _ in seen.headers]
    assert folded.count(b"x-guard-principal") == 1
    assert not [name for name in folded if name.startswith((b"x-iam-", b"x-original-", b"x-rewrite-", b"x-http-"))]


SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", "A"]), max_size=3)
HOSTS = st.sampled_from(["", "x.example", "y.example"])
RULES = st.lists(st.tuples(HOSTS, SEGMENTS), min_size=1, max_size=6, unique_by=lambda rule: (rule[0], tuple(rule[1])))


@given(rules=RULES, host=st.sampled_from(["x.example", "y.example", "z.example", "x.example:81"]), path=SEGMENTS,
       slash=st.booleans())
def test_rules_are_found_as_a_list_would_be_read(rules: list[tuple[str, list[str]]], host: str, path: list[str],
                                                 slash: bool) -> None:
    routing = Routing((RouteRule(upstream="u", host=where, path="/" + "/".join(start)), (where, start))
                      for where, start in rules)
    name = host.partition(":")[0]
    named = [rule for rule in rules if rule[0] == name] or [rule for rule in rules if not rule[0]]
    fitting = [rule for rule in named if path[:len(rule[1])] == rule[1]]
    asked = "/" + "/".join(path) + ("/" if slash and path else "")
    if fitting:
        assert routing.find(host, asked) == max(fitting, key=lambda rule: len(rule[1]))
    else:
        with pytest.raises(NoUpstreamError) as missing:
            routing.find(host, asked)
        assert missing.value.status == (404 if named else 421)
