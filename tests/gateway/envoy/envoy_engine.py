"""``iam-guard gateway --engine envoy`` as people run it, and what stands behind it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from forward_client import SECONDS, Reply, http_call, wait_for
from forward_world import App, Serving
from sidecar_process import SECRET, bearer

ROOT = Path(__file__).resolve().parents[3]
ROUTES = """\
version: 1
routes:
  GET /health: public
  GET /open/said: public
  GET,POST /orders/{id}: {action: docs:Read, resource: "order/{id}"}
  GET /orders: {action: docs:Read, resource: "order/all"}
  GET /ordersome/{id}: {action: docs:Read, resource: "other/{id}"}
  GET,POST /documents/{id}: {action: docs:Read, resource: "document/{id}"}
  WS /documents/{id}: {action: docs:Read, resource: "document/{id}"}
"""
READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}'
SETTINGS: dict[str, Any] = {
    "policies": "iam", "routes": "routes.yaml", "log": {"logger": ""},
    "issuers": [{"issuer": "https://idp.example", "audience": "orders", "algorithms": ["HS256"],
                 "secret": {"env": "IAM_GUARD_TEST_SECRET"}}],
}


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

        if scope["path"].endswith("/said"):
            await _say_back(scope, receive, send)
            return
        if scope["path"] == "/documents/events":
            await _tell_events(receive, send)
            return
        if scope["path"] == "/documents/slow":
            self.seen.append({"target": "/documents/slow"})
            await asyncio.to_thread(self.go_on.wait)
        await super().__call__(scope, receive, more)


async def _say_back(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the fields that the query says."""
    fields = [(name.encode(), value.encode()) for name, value in parse_qsl(scope["query_string"].decode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b""})


async def _tell_events(receive: Any, send: Any) -> None:
    """Tell events (server-sent events) until somebody leaves."""
    while (await receive()).get("more_body"):
        pass
    left = asyncio.ensure_future(receive())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    while not left.done():
        await send({"type": "http.response.body", "body": b"data: more\n\n", "more_body": True})
        await asyncio.wait({left}, timeout=0.05)


class Engine:
    """The command, and what stands behind it."""

    def __init__(self, settings: Path, apps: Mapping[str, Talkative] | None = None) -> None:
        self.settings, self.apps = settings, dict(apps or {})
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

    @property
    def text(self) -> str:
        return "".join(self.said)

    @property
    def shop(self) -> Talkative:
        return self.apps["shop"]

    @property
    def orders(self) -> Talkative:
        return self.apps["orders"]

    @property
    def port(self) -> int:
        return self._port("the gateway listens")

    @property
    def status_port(self) -> int:
        return self._port("its status is")

    def _port(self, what: str) -> int:
        found = re.search(rf"{what} at (?:http://)?\S+:(\d+)", self.text)
        assert found, self.text
        return int(found[1])

    def wait(self) -> None:
        wait_for(lambda: self.process.poll() is not None or "its status is at" in self.text, "it listens")
        assert self.process.poll() is None, self.text

    def status(self, path: str, method: str = "GET") -> Reply:
        return http_call(self.status_port, method, path, host="localhost")

    def reloads(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.status("/readyz").body)["reloads"]
        return found

    def envoy(self) -> int:
        """The process of Envoy."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = [int(pid) for pid in children if "envoy" in Path(f"/proc/{pid}/cmdline").read_text()]
        assert len(found) == 1
        return found[0]

    def ended(self) -> int:
        """Its exit code, when it has ended and said everything."""
        code = self.process.wait(SECONDS)
        self._reading.join()
        return code

    def close(self) -> None:
        for app in self.apps.values():
            app.go_on.set()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(SECONDS * 2)
        self._reading.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


def environment(folder: Path) -> dict[str, str]:
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {**os.environ, "IAM_GUARD_TEST_SECRET": SECRET, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}


def write_settings(folder: Path, gateway: Mapping[str, Any], **more: Any) -> Path:
    """JSON is YAML; written aside and moved, as people who care do."""
    section = {"listen": "127.0.0.1:0", "status": "127.0.0.1:0", **gateway}
    (folder / "settings.new").write_text(json.dumps({**SETTINGS, **more, "gateway": section}, indent=1))
    return (folder / "settings.new").replace(folder / "iam-guard.yaml")


def write_world(folder: Path, gateway: Mapping[str, Any], policies_text: str = READ, **more: Any) -> Path:
    """Policies, routes and settings."""
    (folder / "iam/users").mkdir(parents=True)
    (folder / "iam/users/ann.json").write_text(policies_text)
    (folder / "routes.yaml").write_text(ROUTES)
    return write_settings(folder, gateway, **more)


@contextmanager
def running(settings: Path, apps: Mapping[str, Talkative] | None = None) -> Iterator[Engine]:
    """Run the command on a settings file that was written."""
    engine = Engine(settings, apps)
    try:
        engine.wait()
        yield engine
    finally:
        engine.close()


def section(shop: int, orders: int, names: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """The section ``gateway`` for two upstreams on these ports; *names* call them otherwise."""
    one, other = ((names or {}).get(name, name) for name in ("shop", "orders"))
    return {"upstreams": {one: {"servers": [f"http://127.0.0.1:{shop}"]},
                          other: {"servers": [f"http://127.0.0.1:{orders}"], "credentials": True,
                                  "host": "inner.example"}},
            "routes": [{"host": "shop.example", "upstream": one},
                       {"host": "shop.example", "path": "/orders", "upstream": other}],
            "limits": {"drain_seconds": 20}, **more}


@contextmanager
def shop_and_orders(more: Mapping[str, Any] | None = None, files: Mapping[str, str] | None = None,
                    names: Mapping[str, str] | None = None, **sections: Any) -> Iterator[Engine]:
    """Run the command in front of two applications.

    Args:
        more: Of the section ``gateway``.
        files: What else is in the folder, by name.
        names: What the upstreams are called.
        sections: Other sections of the settings.
    """
    apps = {"shop": Talkative(), "orders": Talkative()}
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        ports = {name: closing.enter_context(Serving(app)).port for name, app in apps.items()}
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        settings = write_world(folder, section(**ports, names=names, **(more or {})), **sections)
        yield closing.enter_context(running(settings, apps))


def get(engine: Engine, target: str, headers: Any = (), host: str = "shop.example") -> int:
    """The status of an answer to a caller who may, or to one with these headers."""
    for app in engine.apps.values():
        app.seen.clear()
    return http_call(engine.port, "GET", target, headers or list(bearer("ann").items()), host=host).status


def command(settings: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run([sys.executable, "-m", "iam_guard", "gateway", "--config", str(settings), "--engine", "envoy",
                           *more], cwd=ROOT, text=True, capture_output=True, timeout=SECONDS * 3, check=False,
                          env=environment(settings.parent))
