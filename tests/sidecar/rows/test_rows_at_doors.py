"""The rows of paths, methods and headers at each door of the sidecar itself, as any proxy might hand them on.

A real proxy refuses many of them before it asks; the door has to hold behind one that does not.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from check_requests import Told
from door_calls import DOORS, call_of, message_of
from sidecar_doors import port_of, sidecar
from sidecar_process import Running
from threat_rows import HEADERS, METHODS, PATHS, UPGRADE, Row
from threat_world import exchange, statuses

#: Without those that a call cannot tell: a proxy knows of one ``Host``, and a line end in a header ends it.
ROWS = tuple(row for row in (*PATHS, *METHODS, *HEADERS) if row.id not in ("P21.2", "P10.4b"))
#: Kinds of proxies that tell of no upgrade on their own: a handshake is denied, whoever asks.
NO_SOCKETS = ("ingress-nginx", "apisix", "oathkeeper")
CHECK = "/envoy.service.auth.v3.Authorization/Check"


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sidecar(tmp_path_factory.mktemp("doors")) as found:
        yield found


#: What these proxies cannot say: nginx refuses a host that ends the URL in which ingress-nginx tells it, and Envoy
#: makes a path of a whole URL. The rows behind them show both.
UNSAID = {("ingress-nginx", "P20.1"), ("envoy-http", "P18.1-root")}
CALLS = [pytest.param(door, row, id=f"{door}-{row.id}") for door in DOORS for row in ROWS
         if (door, row.id) not in UNSAID]


@pytest.mark.parametrize(("door", "row"), CALLS)
def test_row(guard: Running, door: str, row: Row) -> None:
    told = statuses(exchange(port_of(guard, door), call_of(row, door)))
    if row.served is not None:
        assert told in ([200], [403]) if row.may_block else told == [200]
    elif row.id == "H04.1":
        assert told in ([401], [403])
    elif door == "envoy-http":
        # What is no request to the parser of the door is 400, of which Envoy makes a denial as well.
        assert told in ([401], [403], [400])
    else:
        assert told == [401 if row.status == 401 and not is_denied_early(row, door) else 403]


def is_denied_early(row: Row, door: str) -> bool:
    """Whether nobody is asked to log in: the request is none, or an upgrade is not told."""
    return row.host is None or (row.lines[:1] == UPGRADE[:1] and door in NO_SOCKETS)


def test_an_untold_upgrade_is_denied_before_anybody_asks_who() -> None:
    """The exceptions above are these and no others."""
    early = {row.id for row in ROWS for door in NO_SOCKETS if is_denied_early(row, door)}
    assert early == {"P20.3", "M05.1", "M05.2", "M05.2-root", "M05.3", "M15.1"}


@pytest.fixture(scope="module")
def channel(guard: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{port_of(guard, 'envoy-grpc')}") as opened:
        yield opened


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row_by_grpc(channel: grpc.Channel, row: Row) -> None:
    told = Told(channel.unary_unary(CHECK)(message_of(row), timeout=20))
    if row.served is not None and (told.code == 0 or not row.may_block):
        assert (told.code, told.is_allowed, told.is_denied) == (0, True, False)
        assert "x-guard-principal" in told.headers or "x-guard-principal" in told.removed
        return
    assert (told.code in (7, 16), told.is_allowed, told.is_denied) == (True, False, True)
    assert told.status == (401 if row.status == 401 and row.host else 403) or row.id == "H04.1"
