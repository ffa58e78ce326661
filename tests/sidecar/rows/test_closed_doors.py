"""The sidecar as a program behind each real proxy, while it is halted and when it is gone: every door is closed."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from forward_client import KINDS, http_call, send, wait_for
from sidecar_doors import DOORS, Front, front, sidecar
from threat_world import bearer

CLOSED = (500, 502, 503, 504)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with sidecar(tmp_path_factory.mktemp("closed")) as guard, front(request.param, guard) as found:
        yield found
        found.guard.process.send_signal(signal.SIGCONT)


def status(door: Front, kind: str = "GET", target: str = "/docs/1", seconds: float = 60.0) -> int:
    if kind == "GET":
        return http_call(door.port, "GET", target, bearer("alice").items(), seconds=seconds).status
    return send(door.port, kind, target, bearer("alice")).status


def test_a_guard_that_is_halted_or_gone_lets_nothing_pass(door: Front, request: pytest.FixtureRequest) -> None:
    assert status(door) == 200
    if door.name != "traefik" or request.config.getoption("--nightly"):  # Traefik waits for half a minute
        slow(door)
    door.guard.process.kill()
    door.guard.process.wait()
    door.app.got.clear()
    # HAProxy tries again for seconds each time.
    for kind in KINDS[:2] if door.name == "haproxy" else KINDS:
        for target in ("/docs/1", "/health", "/public/x")[:1 if door.name == "haproxy" else 3]:
            assert status(door, kind, target) in CLOSED
    assert door.app.got == []


def slow(door: Front) -> None:
    """A process that stands still takes connections, and says nothing."""
    door.guard.process.send_signal(signal.SIGSTOP)
    try:
        door.app.got.clear()
        for target in ("/docs/1", "/public/x"):
            assert status(door, target=target) in CLOSED
        assert door.app.got == []
    finally:
        door.guard.process.send_signal(signal.SIGCONT)
    wait_for(lambda: status(door) == 200, "it answers again")
    # What was asked meanwhile and answered too late is served to nobody.
    assert {got.target for got in door.app.got} <= {b"/docs/1"}
    assert all(got.values("X-Guard-Principal") == ["arn:iamg:iam::t1:user/alice"] for got in door.app.got)
