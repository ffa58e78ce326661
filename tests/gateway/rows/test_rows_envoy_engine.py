"""Every row that is bytes of a client, through the gateway with Envoy as its engine."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from forward_client import free_port
from gateway_origin import wait_for
from gateway_process import Process, gateway
from threat_origin import Everything, everything
from threat_rows import REFUSALS, ROWS, UPGRADE, Row
from threat_view import check_view
from threat_world import bytes_of, exchange, statuses


@pytest.fixture(scope="module")
def behind() -> Iterator[Everything]:
    with everything() as app:
        yield app


@pytest.fixture(scope="module")
def door(behind: Everything, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("rows")
    with gateway(folder, behind.url, "--engine", "envoy", listen=free_port()) as process:
        yield process


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(door: Process, behind: Everything, row: Row) -> None:
    behind.got.clear()
    told = statuses(exchange(door.port, bytes_of(row), done=row.id == "F04.1"))
    passed = told[:1] == [200]
    if passed:
        assert row.served is not None or row.proxied
    else:
        assert row.served is None or row.may_block
        assert set(told) <= REFUSALS
    check_view(behind, row, "guard", passed=passed, proxied=True)


def test_a_guard_that_stands_still_lets_nothing_pass(door: Process, behind: Everything) -> None:
    """Rows G02.1 and G02.4: Envoy goes on alone, and every door is closed."""
    good = Row("", "alice", b"GET /items/1", 200, b"/items/1")
    assert statuses(exchange(door.port, bytes_of(good))) == [200]
    door.process.send_signal(signal.SIGSTOP)
    try:
        behind.got.clear()
        for row in (good, good._replace(who="anon", line=b"GET /public/x"), good._replace(lines=UPGRADE)):
            assert statuses(exchange(door.port, bytes_of(row))) == [503]
        assert behind.got == []
    finally:
        door.process.send_signal(signal.SIGCONT)
    wait_for(lambda: statuses(exchange(door.port, bytes_of(good))) == [200], "the guard answers again")
