"""A guard that cannot decide, does not answer or is gone: nothing passes a real Envoy (promise S1, threat G02)."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from envoy_engine import READ, Engine, get, shop_and_orders
from forward_client import socket_call, wait_for
from sidecar_process import bearer


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with shop_and_orders(policies_text="{") as found:
        yield found


def reached(engine: Engine) -> bool:
    return any(app.seen for app in engine.apps.values())


def test_without_policies_nothing_passes(engine: Engine) -> None:
    assert engine.status("/healthz").status == 200
    assert engine.status("/readyz").status == 503
    assert get(engine, "/documents/1") == 503
    assert socket_call(engine.port, "/documents/1", bearer("ann")).status == 503
    assert not reached(engine)
    (engine.settings.parent / "iam/users/ann.json").write_text(READ)
    wait_for(lambda: engine.status("/readyz").status == 200, "the policies are there")
    assert get(engine, "/documents/1") == 200


def test_a_guard_that_does_not_answer_lets_nothing_through(engine: Engine) -> None:
    wait_for(lambda: get(engine, "/documents/1") == 200, "it decides")
    engine.process.send_signal(signal.SIGSTOP)
    try:
        assert get(engine, "/documents/1") == 503
        assert get(engine, "/health") == 503
        assert socket_call(engine.port, "/documents/1", bearer("ann")).status == 503
        assert not reached(engine)
    finally:
        engine.process.send_signal(signal.SIGCONT)
    wait_for(lambda: get(engine, "/documents/1") == 200, "it decides again")


def test_a_guard_that_is_killed_takes_envoy_along(engine: Engine) -> None:
    port, envoy = engine.port, engine.envoy()
    engine.process.kill()
    engine.process.wait()
    wait_for(lambda: _has_ended(envoy), "Envoy has ended, too")
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 1):  # noqa: PT011 - refused
        pass


def _has_ended(pid: int) -> bool:
    """Whether a process has, whoever is to bury it."""
    try:
        os.kill(pid, 0)
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return True
