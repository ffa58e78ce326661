"""Every row that is bytes of a client, through the gateway with its own engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_process import Process, gateway
from threat_origin import Everything, everything
from threat_rows import ROWS, Row
from threat_view import check_view
from threat_world import bytes_of, exchange, statuses


@pytest.fixture(scope="module")
def behind() -> Iterator[Everything]:
    with everything() as app:
        yield app


@pytest.fixture(scope="module")
def door(behind: Everything, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with gateway(tmp_path_factory.mktemp("rows"), behind.url) as process:
        yield process


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(door: Process, behind: Everything, row: Row) -> None:
    behind.got.clear()
    told = statuses(exchange(door.port, bytes_of(row)))
    assert told == [row.status]
    check_view(behind, row, "guard", passed=told[:1] == [200])
