"""How a gateway with Envoy as its engine stops."""

from __future__ import annotations

import http.client
import json
import signal
import threading

from envoy_engine import Engine, shop_and_orders
from forward_client import SECONDS, http_call, wait_for
from sidecar_process import bearer


def test_it_settles_and_then_ends_what_takes_too_long() -> None:
    """While it settles it serves, ends connections and says that it is not ready."""
    limits = {"settle_seconds": 3, "drain_seconds": 0.5}
    with shop_and_orders({"limits": limits}) as engine:
        found: list[object] = []
        slow = threading.Thread(target=_call_slowly, args=(engine, found))
        slow.start()
        try:
            wait_for(lambda: engine.shop.seen, "a request is under way")
            engine.process.send_signal(signal.SIGTERM)
            wait_for(lambda: engine.status("/readyz").status == 503, "it is not ready any more")
            assert json.loads(engine.status("/readyz").body)["stopping"] is True
            reply = http_call(engine.port, "GET", "/documents/1", bearer("ann").items())
            assert (reply.status, reply.header("connection").lower()) == (200, "close")
            assert engine.ended() == 0
        finally:
            slow.join(SECONDS)
        assert [type(one) for one in found] == [http.client.RemoteDisconnected]


def _call_slowly(engine: Engine, found: list[object]) -> None:
    """The application does not answer this one."""
    try:
        found.append(http_call(engine.port, "GET", "/documents/slow", bearer("ann").items()).status)
    except Exception as error:
        found.append(error)
