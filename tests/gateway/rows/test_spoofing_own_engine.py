"""A client's copy of any header changes neither a decision nor what an upstream is told, through the own engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_process import Process, gateway
from test_envoy_spoofing import OF_ENVOY
from test_forward_spoofing import CALLER, FAMILIES, SPELLINGS
from threat_origin import Everything, Got, everything
from threat_rows import CHUNKED, UPGRADE
from threat_world import bearer, exchange, statuses

LIES = {**FAMILIES, **OF_ENVOY, "X-IAM-Principal": "root", "X-IAM-Groups": "admins", "X-Guard-Assertion": "eyJhbGciOiJ",
        "Client-Cert": ":MIIB:", "SSL-Client-Verify": "SUCCESS", "SSL-Client-Subject-DN": "CN=root", "Via": "1.1 guard",
        "X-HTTP-Method": "GET", "X-Method-Override": "GET", "X-Client-IP": "10.0.0.1", "True-Client-IP": "10.0.0.1",
        "CF-Connecting-IP": "10.0.0.1", "X-Middleware-Subrequest": "iam_guard",
        "X-Forwarded-Server": "trusted", "X-Forwarded-User": "root", "Host-Override": "admin.example"}
#: What an upstream hears from the gateway itself.
OURS = ("x-guard-principal", "x-guard-account", "x-guard-decision-id", "x-forwarded-for", "x-forwarded-proto",
        "x-forwarded-host", "host")


@pytest.fixture(scope="module")
def behind() -> Iterator[Everything]:
    with everything() as app:
        yield app


@pytest.fixture(scope="module")
def door(behind: Everything, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with gateway(tmp_path_factory.mktemp("spoofing"), behind.url) as process:
        yield process


def ask(door: Process, line: str, who: str, *lies: tuple[str, str], more: bytes = b"") -> int:
    """The status; lies stand in front of what is true and behind it."""
    sent = [f"{name}: {value}".encode("latin-1") for name, value in lies]
    known = [f"{name}: {value}".encode() for name, value in bearer(who).items()]
    head = [f"{line} HTTP/1.1".encode(), b"Host: shop.example", *sent[:1], *known, *sent[1:]]
    if not any(name.lower() == "connection" for name, _ in lies):
        head.append(b"Connection: close")
    told = statuses(exchange(door.port, b"\r\n".join(head) + b"\r\n\r\n" + more))
    assert len(told) == 1
    return told[0]


def check_upstream(got: Got, name: str) -> None:
    """Each of ours is there once and says what is true, whatever the client wrote."""
    folded = name.lower().replace("_", "-")
    assert [got.names.count(one) for one in OURS] == [1] * len(OURS)
    assert got.values("X-Guard-Principal") == ["arn:iamg:iam::t1:user/alice"]
    assert (got.values("X-Forwarded-For"), got.values("X-Forwarded-Proto")) == (["127.0.0.1"], ["http"])
    assert got.values("Host") == ["shop.example"] == got.values("X-Forwarded-Host")
    harmless = ("x-middleware", "x-envoy", "via", "host-override")
    if folded not in OURS and not folded.startswith(harmless):
        assert folded not in got.names


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_lie_changes_nothing(door: Process, behind: Everything, name: str, spelling: str) -> None:
    lie = (SPELLINGS[spelling](name), LIES[name])
    behind.got.clear()
    assert ask(door, "GET /admin", "anon", lie) == 401
    assert ask(door, "GET /items/secret1", "alice", lie, lie) == 403
    assert ask(door, "DELETE /items/1", "alice", lie) == 403
    assert ask(door, "GET /items", "insider", lie, lie) == 403
    assert ask(door, "GET /items/1", "insider", lie) == 403
    assert behind.got == []
    assert ask(door, "GET /items/1", "alice", lie, lie) == 200
    got, = behind.got
    assert (got.method, got.target) == (b"GET", b"/items/1")
    check_upstream(got, name)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_nobody_is_somebody_on_a_public_route(door: Process, behind: Everything, spelling: str) -> None:
    behind.got.clear()
    lies = [(SPELLINGS[spelling](name), value) for name, value in CALLER.items()]
    assert ask(door, "GET /public/x", "anon", *lies, *lies) == 200
    got, = behind.got
    assert [got.values(name) for name in CALLER] == [[""], [""], [""]]


@pytest.mark.parametrize("listed", [
    "X-Guard-Principal", "x-guard-principal, X-GUARD-ACCOUNT", "X-Guard-Decision-Id, X-Forwarded-For, X-Forwarded-Host",
    "Authorization", "Host", "Content-Length", "X-Forwarded-Proto", "*", ", ,", "x_guard_principal",
])
def test_nothing_of_ours_is_taken_off_by_connection(door: Process, behind: Everything, listed: str) -> None:
    """What ``Connection`` names is the client's own hop; ours is added behind it (row H03)."""
    behind.got.clear()
    status = ask(door, "GET /items/1", "alice", ("Connection", f"close, {listed}"), ("X-Guard-Account", "t9"))
    assert status in (200, 400)
    if status == 200:
        got, = behind.got
        check_upstream(got, "X-Guard-Account")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", ["X-Guard-Principal", "X-Forwarded-For", "Authorization", "Host", "Transfer-Encoding",
                                  "Content-Length", "X-HTTP-Method-Override"])
def test_nothing_comes_behind_a_body(door: Process, behind: Everything, name: str, spelling: str) -> None:
    """Trailers (row H07): they come after the decision."""
    behind.got.clear()
    body = f"3\r\nabc\r\n0\r\n{SPELLINGS[spelling](name)}: root\r\n\r\n".encode()
    chunked = CHUNKED.decode().split(": ")
    status = ask(door, "POST /docs/1", "alice", (chunked[0], chunked[1]), ("Trailer", name), more=body)
    assert status in (200, 400)
    for got in behind.got:
        assert (got.whole, got.body, got.tail) == (status == 200, b"abc" if got.whole else got.body, [])
        check_upstream(got, "Trailer")


def test_only_the_gateway_says_who_called_a_websocket(door: Process, behind: Everything) -> None:
    upgrade = [tuple(line.decode().split(": ")) for line in UPGRADE]
    for target, status in (("/docs/1", 101), ("/docs/secret", 403)):
        behind.got.clear()
        lies = [*CALLER.items(), ("X-Forwarded-For", "10.0.0.1"), *CALLER.items()]
        assert ask(door, f"GET {target}", "alice", *upgrade, *lies, more=b"") == status  # type: ignore[arg-type]
        assert len(behind.got) == (1 if status == 101 else 0)
        for got in behind.got:
            check_upstream(got, "X-Guard-Principal")
