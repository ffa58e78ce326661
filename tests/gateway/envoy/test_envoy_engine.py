"""``iam-guard gateway --engine envoy``: the settings file of the gateway, with a real Envoy in front of upstreams."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from envoy_doors import envoy_program
from forward_client import SECONDS, free_port, http_call, socket_call, wait_for
from forward_world import App, Serving
from sidecar_process import SECRET, bearer, token

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = """\
policies: iam
routes: routes.yaml
issuers:
  - issuer: https://idp.example
    audience: orders
    algorithms: [HS256]
    secret: {env: IAM_GUARD_TEST_SECRET}
log: {logger: ""}
gateway:
  listen: 127.0.0.1:LISTEN
  upstreams:
    shop: {servers: ["http://127.0.0.1:SHOP"]}
    orders: {servers: ["http://127.0.0.1:ORDERS"], credentials: true, host: inner.example}
  routes:
    - {host: shop.example, upstream: shop}
    - {host: shop.example, path: /orders, upstream: orders}
  limits: {drain_seconds: 20}
"""
ROUTES = """\
version: 1
routes:
  GET /health: public
  GET,POST /orders/{id}: {action: docs:Read, resource: "order/{id}"}
  GET /orders: {action: docs:Read, resource: "order/all"}
  GET /ordersome/{id}: {action: docs:Read, resource: "other/{id}"}
  GET /documents/{id}: {action: docs:Read, resource: "document/{id}"}
  WS /documents/{id}: {action: docs:Read, resource: "document/{id}"}
"""
READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}'


class Talkative(App):
    """Tells its clients more than it should, and waits where it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def more(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(b"x-iam-debug-policy", b"secret"), (b"x-guard-principal", b"ann")]
            await send(message)

        if scope["path"] == "/documents/slow":
            self.seen.append({"target": "/documents/slow"})
            await asyncio.to_thread(self.go_on.wait)
        await super().__call__(scope, receive, more)


class Engine:
    """The command, and what stands behind it."""

    def __init__(self, settings: Path, port: int, shop: Talkative, orders: Talkative) -> None:
        self.settings, self.port, self.shop, self.orders = settings, port, shop, orders
        self.process = subprocess.Popen(
            [sys.executable, "-m", "iam_guard", "gateway", "--config", str(settings), "--engine", "envoy"], cwd=ROOT,
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=environment(settings.parent))
        self.said: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(iter(self.process.stderr.readline, ""))

    def wait(self) -> None:
        wait_for(lambda: self.process.poll() is not None or "listens at" in "".join(self.said), "it listens")
        assert self.process.poll() is None, "".join(self.said)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS * 2)

    def close(self) -> None:
        self.shop.go_on.set()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(SECONDS * 2)
        self._reading.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


def environment(folder: Path) -> dict[str, str]:
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {**os.environ, "IAM_GUARD_TEST_SECRET": SECRET, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}


def world(folder: Path, **numbers: int) -> Path:
    (folder / "iam/users").mkdir(parents=True)
    (folder / "iam/users/ann.json").write_text(READ)
    (folder / "routes.yaml").write_text(ROUTES)
    text = SETTINGS
    for name, number in numbers.items():
        text = text.replace(name, str(number))
    (folder / "iam-guard.yaml").write_text(text)
    return folder / "iam-guard.yaml"


@contextmanager
def running() -> Iterator[Engine]:
    shop, orders, port = Talkative(), Talkative(), free_port()
    with tempfile.TemporaryDirectory() as name, Serving(shop) as one, Serving(orders) as two:
        settings = world(Path(name), LISTEN=port, SHOP=one.port, ORDERS=two.port)
        engine = Engine(settings, port, shop, orders)
        try:
            engine.wait()
            yield engine
        finally:
            engine.close()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with running() as found:
        yield found


def get(engine: Engine, target: str, headers: Any = (), host: str = "shop.example") -> int:
    engine.shop.seen.clear()
    engine.orders.seen.clear()
    return http_call(engine.port, "GET", target, headers or list(bearer("ann").items()), host=host).status


def targets(app: App) -> list[str]:
    return [one["target"] for one in app.seen]


def test_who_may_passes_and_who_may_not_does_not(engine: Engine) -> None:
    assert get(engine, "/documents/1") == 200
    assert engine.shop.header("x-guard-principal") == ["arn:app:iam::000000000000:user/ann"]
    assert get(engine, "/documents/1", [("Accept", "*/*")]) == 401
    assert get(engine, "/documents/1", list(bearer("bob").items())) == 403
    assert get(engine, "/nowhere") == 403
    assert (engine.shop.seen, engine.orders.seen) == ([], [])
    assert get(engine, "/health", [("Accept", "*/*")]) == 200


@pytest.mark.parametrize(("target", "shop", "orders"), [
    ("/orders/1", 0, 1), ("/orders", 0, 1), ("/orders/1?a=b/../c", 0, 1), ("/ordersome/1", 1, 0),
    ("/documents/1", 1, 0),
])
def test_rules_go_by_whole_segments(engine: Engine, target: str, shop: int, orders: int) -> None:
    assert get(engine, target) == 200
    assert (targets(engine.shop), targets(engine.orders)) == ([target] * shop, [target] * orders)


@pytest.mark.parametrize("target", ["/%6frders/1", "/orders%2f1", "/documents/../orders/1",
                                    "/documents/%2e%2e/orders/1", "//orders/1", "/order%73/1",
                                    "/documents/;/1", "/orders/1%00"])
def test_a_path_that_would_go_elsewhere_than_it_says_goes_nowhere(engine: Engine, target: str) -> None:
    assert get(engine, target) in (400, 403)
    assert (engine.shop.seen, engine.orders.seen) == ([], [])


@pytest.mark.parametrize("host", ["internal.example", "169.254.169.254", "shop.example.evil.example", ""])
def test_no_host_but_those_that_are_written_down_is_connected_to(engine: Engine, host: str) -> None:
    """Threat G01.3; an address in the request line is another host (G01.1)."""
    assert get(engine, "/documents/1", host=host) in (400, 403, 404, 421)
    assert get(engine, "http://169.254.169.254/latest/") in (400, 403, 404)
    assert (engine.shop.seen, engine.orders.seen) == ([], [])


def test_only_an_upstream_that_is_to_have_credentials_gets_them(engine: Engine) -> None:
    assert get(engine, "/documents/1") == 200
    assert engine.shop.header("authorization") == []
    assert engine.shop.header("host") == ["shop.example"]
    sent = bearer("ann")
    assert get(engine, "/orders/1", list(sent.items())) == 200
    assert engine.orders.header("authorization") == [sent["Authorization"]]
    assert engine.orders.header("host") == ["inner.example"]


def test_what_an_upstream_says_in_our_names_stays_inside(engine: Engine) -> None:
    """Threat G10.1."""
    reply = http_call(engine.port, "GET", "/documents/1", list(bearer("ann").items()))
    assert reply.status == 200
    assert [name for name, _ in reply.headers if name.lower().startswith(("x-iam-", "x-guard-"))] == []


def test_a_websocket_passes(engine: Engine) -> None:
    assert socket_call(engine.port, "/documents/1", bearer("ann")).status == 101
    assert socket_call(engine.port, "/orders/1", bearer("ann")).status == 403


def test_a_policy_that_is_taken_away_counts_without_a_restart(engine: Engine) -> None:
    file = engine.settings.parent / "iam/users/ann.json"
    assert get(engine, "/documents/1") == 200
    file.write_text(READ.replace("Allow", "Deny"))
    try:
        wait_for(lambda: get(engine, "/documents/1") == 403, "the policies of now count")
    finally:
        file.write_text(READ)
    wait_for(lambda: get(engine, "/documents/1") == 200, "the policies of now count")


def test_what_runs_may_end_and_nothing_is_left_behind() -> None:
    with running() as engine:
        found: list[int] = []
        headers = list(bearer("ann").items())
        slow = threading.Thread(target=lambda: found.append(
            http_call(engine.port, "GET", "/documents/slow", headers).status))
        slow.start()
        wait_for(lambda: engine.shop.seen, "the request is under way")
        engine.process.send_signal(signal.SIGTERM)
        wait_for(lambda: _is_closing(engine), "it ends connections")
        assert engine.process.poll() is None
        engine.shop.go_on.set()
        slow.join(SECONDS)
        assert found == [200]
        assert engine.process.wait(SECONDS) == 0
        assert list((engine.settings.parent / "tmp").iterdir()) == []


def _is_closing(engine: Engine) -> bool:
    """An Envoy that drains ends each connection with its next answer, or takes no new ones."""
    try:
        return http_call(engine.port, "GET", "/health").header("Connection").lower() == "close"
    except OSError:
        return True


def test_an_envoy_that_ends_by_itself_ends_the_command() -> None:
    with running() as engine:
        children = Path(f"/proc/{engine.process.pid}/task/{engine.process.pid}/children").read_text().split()
        envoys = [int(pid) for pid in children if "envoy" in Path(f"/proc/{pid}/cmdline").read_text()]
        assert len(envoys) == 1
        os.kill(envoys[0], signal.SIGKILL)
        assert engine.process.wait(SECONDS) == 1
        engine._reading.join()
        assert "Envoy has ended by itself" in "".join(engine.said)


def command(settings: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "iam_guard", "gateway", "--config", str(settings), "--engine", "envoy",
                           *more], cwd=ROOT, text=True, capture_output=True, timeout=SECONDS * 3, check=False,
                          env=environment(settings.parent))


def test_the_configuration_that_is_printed_is_one_to_envoy(tmp_path: Path) -> None:
    printed = command(world(tmp_path, LISTEN=8080, SHOP=8001, ORDERS=8002), "--print-config")
    assert printed.returncode == 0, printed.stderr
    file = tmp_path / "envoy.yaml"
    file.write_text(printed.stdout)
    checked = subprocess.run([envoy_program(), "--mode", "validate", "-c", str(file), "--use-dynamic-base-id"],
                             text=True, capture_output=True, timeout=SECONDS * 3, check=False)
    assert checked.returncode == 0, checked.stderr
    assert re.search("failure_mode_allow: false", printed.stdout)
    assert token("ann")[:20] not in printed.stdout
    assert SECRET not in printed.stdout


@pytest.mark.parametrize(("change", "told"), [
    (("  limits:", "  assertion: {keys: keys.json, issuer: https://gw.example}\n  limits:"), "assertion"),
    (("host: inner.example}", "host: inner.example, max_message_bytes: 5}"), "max_message_bytes"),
    (("host: inner.example}", "host: inner.example, stall_seconds: 5}"), "head_seconds"),
    (("SHOP\"]", "SHOP\", \"https://127.0.0.1:1\"]"), "servers"),
    (("gateway:", "edge: {path_mode: normalize}\ngateway:"), "path_mode"),
    (("gateway:", "gatewai:"), "gatewai"),
])
def test_what_envoy_does_not_do_stops_the_start(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    settings = world(tmp_path)
    text = settings.read_text()
    assert change[0] in text
    text = text.replace(*change)
    for name, number in (("LISTEN", 8080), ("SHOP", 8001), ("ORDERS", 8002)):
        text = text.replace(name, str(number))
    settings.write_text(text)
    refused = command(settings, "--check")
    assert refused.returncode == 1
    assert told in refused.stderr
    assert "iam-guard.yaml" in refused.stderr


def test_good_settings_are_checked_without_a_start(tmp_path: Path) -> None:
    checked = command(world(tmp_path, LISTEN=free_port(), SHOP=8001, ORDERS=8002), "--check")
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr
