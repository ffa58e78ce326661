"""New settings while a real Envoy serves: nothing is lost, and what is wrong is not taken up."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from envoy_engine import ROUTES, Engine, get, section, shop_and_orders, write_settings, write_world
from forward_client import HOST, SECONDS, http_call, wait_for
from sidecar_process import bearer
from websockets.sync.client import connect

LIMITS = {"drain_seconds": 20, "linger_seconds": 60}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with shop_and_orders({"limits": LIMITS}) as found:
        yield found


def ports(engine: Engine) -> tuple[int, int]:
    upstreams = json.loads(engine.settings.read_text())["gateway"]["upstreams"]
    one, other = (int(upstreams[name]["servers"][0].rpartition(":")[2]) for name in ("shop", "orders"))
    return one, other


@pytest.fixture(autouse=True)
def as_before(engine: Engine) -> Iterator[None]:
    before = engine.settings.read_text()
    yield
    if engine.settings.read_text() != before:
        done = engine.reloads()["done"]
        engine.settings.write_text(before)
        wait_for(lambda: engine.reloads()["done"] > done, "the settings from before are in use")


def rewrite(engine: Engine, change: Any = (), **more: Any) -> None:
    """Write other settings, and wait until they are in use."""
    done = engine.reloads()["done"]
    made = section(*ports(engine), limits=LIMITS)
    write_settings(engine.settings.parent, {**made, **dict(change)}, **more)
    wait_for(lambda: engine.reloads()["done"] > done, "the settings are in use")


def refused(engine: Engine, text: str) -> None:
    """Write settings that are not taken up."""
    failed = engine.reloads()["failed"]
    engine.settings.write_text(text)
    wait_for(lambda: engine.reloads()["failed"] > failed, "the settings are refused")


class Callers:
    """Clients that call again and again, each on a connection that it keeps as long as it may."""

    def __init__(self, port: int, count: int = 4) -> None:
        self.wrong: list[object] = []
        self.done = 0
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(SECONDS)

    def _call(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        headers = {**bearer("ann"), "Host": HOST}
        try:
            while not self._stop.is_set():
                connection.request("POST", "/documents/1", b"a body", headers)
                answer = connection.getresponse()
                answer.read()
                self.done += 1
                if answer.status != 200:
                    self.wrong.append(answer.status)
        except Exception as error:
            self.wrong.append(error)
        finally:
            connection.close()

    def wait(self, more: int) -> None:
        until = self.done + more
        wait_for(lambda: self.done >= until or self.wrong, "more calls are answered")


@pytest.mark.parametrize("turns", [4, pytest.param(60, marks=pytest.mark.nightly)])
def test_no_request_is_lost_while_settings_change(engine: Engine, turns: int) -> None:
    one, other = ports(engine)
    with Callers(engine.port) as callers:
        for turn in range(turns):
            callers.wait(20)
            rewrite(engine, section(*((one, other) if turn % 2 else (other, one)), limits=LIMITS))
        callers.wait(20)
    assert callers.wrong == []
    assert engine.shop.seen
    assert engine.orders.seen


def test_a_change_of_upstreams_and_of_routes_counts(engine: Engine) -> None:
    one, other = ports(engine)
    assert get(engine, "/documents/1") == 200
    assert (len(engine.shop.seen), len(engine.orders.seen)) == (1, 0)
    rewrite(engine, section(other, one, limits=LIMITS))
    assert get(engine, "/documents/1") == 200
    assert (len(engine.shop.seen), len(engine.orders.seen)) == (0, 1)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a name that leaves room for those of sockets in it."""
    with tempfile.TemporaryDirectory(prefix="ig-") as name:
        yield Path(name)


def test_a_change_while_it_starts_is_not_missed(engine: Engine, short_path: Path) -> None:
    settings = write_world(short_path, section(*ports(engine), limits=LIMITS))
    starting = Engine(settings)
    try:
        wait_for(lambda: starting.process.poll() is not None or list(short_path.glob("tmp/*/clusters.json")),
                 "the settings are read, and Envoy is on its way")
        assert starting.process.poll() is None, starting.text
        write_settings(short_path, section(*reversed(ports(engine)), limits=LIMITS))
        starting.wait()
        wait_for(lambda: starting.reloads()["done"] == 1, "the settings are loaded again")
        engine.orders.seen.clear()
        assert get(starting, "/documents/1") == 200
        assert len(engine.orders.seen) == 1
    finally:
        starting.close()


def test_a_change_of_the_route_map_counts(engine: Engine) -> None:
    routes = engine.settings.parent / "routes.yaml"
    assert get(engine, "/new") == 403
    routes.write_text(ROUTES + '  GET /new: public\n')
    wait_for(lambda: get(engine, "/new") == 200, "the new route is known")
    done = engine.reloads()["done"]
    routes.write_text(ROUTES)
    wait_for(lambda: engine.reloads()["done"] > done, "the map from before is in use")
    assert get(engine, "/new") == 403


def test_what_was_counted_stays_counted(engine: Engine) -> None:
    def allowed() -> float:
        told = engine.status("/metrics").body.decode()
        return float(re.search(r'^iam_guard_decisions_total\{[^}]*decision="allow"[^}]*\} (\S+)', told, re.M)[1])  # type: ignore[index]

    before = allowed()
    assert get(engine, "/documents/1") == 200
    assert allowed() == before + 1
    rewrite(engine)
    assert get(engine, "/documents/1") == 200
    assert allowed() == before + 2


def test_a_hangup_reloads(engine: Engine) -> None:
    done = engine.reloads()["done"]
    engine.process.send_signal(signal.SIGHUP)
    wait_for(lambda: engine.reloads()["done"] > done, "the settings are loaded again")
    assert get(engine, "/documents/1") == 200


@pytest.mark.parametrize("wrong", ["gateway: [", "gateway: {upstreams: {}}", "policies: iam\nroutes: none.yaml\n"])
def test_settings_with_a_mistake_are_not_taken_up(engine: Engine, wrong: str) -> None:
    refused(engine, wrong)
    assert engine.reloads()["settings"] == "refused"
    assert engine.status("/readyz").status == 200
    assert get(engine, "/documents/1") == 200


@pytest.mark.parametrize("change", [
    {"listen": "127.0.0.1:1"}, {"status": ""}, {"workers": 2},
    {"limits": {**LIMITS, "linger_seconds": 61}}, {"limits": {**LIMITS, "max_connections": 5}}])
def test_what_envoy_reads_at_its_start_is_refused(engine: Engine, change: dict[str, Any]) -> None:
    settings = json.loads(engine.settings.read_text())
    settings["gateway"] |= change
    refused(engine, json.dumps(settings))
    name = next(iter(change)) if "limits" not in change else next(
        name for name in ("max_connections", "linger_seconds") if change["limits"].get(name) != LIMITS.get(name))
    wait_for(lambda: f"{name}' cannot change while Envoy runs" in engine.text, "the log says which")
    assert get(engine, "/documents/1") == 200


def test_what_envoy_itself_refuses_is_not_taken_up(engine: Engine) -> None:
    """Health checks of a server are a matter of taste to us, and a path with a line end is none to Envoy."""
    made = section(*ports(engine), limits=LIMITS)
    made["upstreams"]["shop"]["host"] = "two\nlines"
    settings = json.loads(engine.settings.read_text())
    refused(engine, json.dumps({**settings, "gateway": {**settings["gateway"], **made}}))
    assert get(engine, "/documents/1") == 200


def test_what_has_begun_ends_with_the_settings_that_it_began_with(engine: Engine) -> None:
    """A WebSocket too; and a route that is gone is gone for others meanwhile."""
    found: list[int] = []
    headers = list(bearer("ann").items())
    engine.shop.seen.clear()
    engine.shop.go_on.clear()
    slow = threading.Thread(target=lambda: found.append(
        http_call(engine.port, "GET", "/documents/slow", headers).status))
    slow.start()
    try:
        wait_for(lambda: engine.shop.seen, "the request is under way")
        with connect(f"ws://{HOST}/documents/1", additional_headers=bearer("ann"), proxy=None, compression=None,
                     sock=socket.create_connection(("127.0.0.1", engine.port), SECONDS)) as opened:
            rewrite(engine, {"routes": [{"host": "elsewhere.example", "upstream": "shop"},
                                        {"host": "elsewhere.example", "path": "/orders", "upstream": "orders"}]})
            assert get(engine, "/documents/1") == 421
            opened.send("after")
            assert opened.recv(SECONDS) == "echo after"
    finally:
        engine.shop.go_on.set()
        slow.join(SECONDS)
    assert found == [200]


def test_guards_that_were_replaced_are_closed_when_nobody_asks_them(engine: Engine) -> None:
    (folder,) = (engine.settings.parent / "tmp").iterdir()
    rewrite(engine)
    wait_for(lambda: len(list(folder.glob("guard-*.sock"))) == 1, "one guard is left")
    told = json.loads((folder / "clusters.json").read_text())["resources"]
    wait_for(lambda: len(json.loads((folder / "clusters.json").read_text())["resources"]) == 3, f"not {len(told)}")
    assert get(engine, "/documents/1") == 200
