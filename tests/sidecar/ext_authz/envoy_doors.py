"""Runs the real Envoy: with the files of ``integrations/``, and with the configuration that is written for it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from forward_client import HOST, SECONDS, free_port, http_call, wait_for
from forward_world import NAMES, App, Serving, World

from iam_guard.asgi.listening import Address
from iam_guard.gateway.envoy.writer import Surroundings, envoy_config
from iam_guard.gateway.settings import GatewaySettings, UpstreamSettings
from iam_guard.http.caller_headers import with_caller_headers
from iam_guard.http.edge import EdgeSettings
from iam_guard.sidecar.ext_authz.checks import Checks
from iam_guard.sidecar.ext_authz.http import make_http_app
from iam_guard.sidecar.ext_authz.server import GrpcServer
from iam_guard.sidecar.ext_authz.settings import GrpcDoor, HttpDoor

#: Envoys tell where their clients are, so nobody's forwarded headers have to be believed.
EDGE = with_caller_headers(EdgeSettings(), NAMES)
INTEGRATION = Path(__file__).parents[3] / "integrations" / "envoy"
WIRES = ("grpc", "http", "engine")


class GrpcServing:
    """The gRPC door in an event loop of its own."""

    def __init__(self, checks: Any, door: GrpcDoor | None = None, make_loop: Any = uvloop.new_event_loop) -> None:
        self._loop = make_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server = GrpcServer(checks, door or GrpcDoor("127.0.0.1:0"))
        self._open = False

    def __enter__(self) -> GrpcServing:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(SECONDS)
        self._open = True
        return self

    def __exit__(self, *error: object) -> None:
        if not self._open:
            return
        self._open = False
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    @property
    def port(self) -> int:
        return self._server.port


@dataclass
class EnvoyDoor:
    """An Envoy, and the guard and the application behind it."""

    wire: str
    port: int
    world: World
    app: App
    guard: Any


def envoy_program() -> str:
    """The program that the wheel brought."""
    beside = Path(sys.executable).with_name("envoy")
    assert beside.exists(), "'envoy' is not installed: install the extra 'dev'"
    return str(beside)


def is_ready(world: World) -> bool:
    return world.source.fault is None


@contextmanager
def open_envoy(wire: str, *, world: World | None = None, checks: Any = None, app: Any = None,
               **more: Any) -> Iterator[EnvoyDoor]:
    """Run everything; ends when the block does.

    Args:
        wire: ``grpc`` and ``http``: the files of the integration; ``engine``: the configuration of the gateway.
        world: The guard.
        checks: In the place of the guard, for gRPC.
        app: In the place of the guard, for HTTP.
        more: Of the section ``gateway``.
    """
    world, upstream, port = world or World(EDGE), App(), free_port()
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        behind = closing.enter_context(Serving(upstream))
        if wire == "http":
            guard: Any = Serving(app or make_http_app(world.asker, HttpDoor(described=True), world.edge), ws="none")
        else:
            guard = GrpcServing(checks or Checks(world.asker, lambda: is_ready(world)))
        closing.enter_context(guard)
        text = _engine(port, behind.port, guard.port, more) if wire == "engine" else envoy_file(
            wire, port, behind.port, guard.port)
        closing.enter_context(envoy_running(folder, text, port))
        door = EnvoyDoor(wire, port, world, upstream, guard)
        yield door


def envoy_file(wire: str, port: int, behind: int, guard: int) -> str:
    """A file of the integration, with other ports."""
    text = (INTEGRATION / ("envoy-http.yaml" if wire == "http" else "envoy.yaml")).read_text()
    for told, real in ((8000, port), (8001, behind), (8184 if wire == "http" else 8183, guard)):
        assert f"port_value: {told}" in text
        text = text.replace(f"port_value: {told}", f"port_value: {real}").replace(f"127.0.0.1:{told}",
                                                                                 f"127.0.0.1:{real}")
    return text


def _engine(port: int, behind: int, guard: int, more: dict[str, Any]) -> str:
    upstream = UpstreamSettings(servers=(f"http://127.0.0.1:{behind}",))
    section = GatewaySettings(**({"upstreams": {"app": upstream}, "listen": f"127.0.0.1:{port}"} | more))
    return json.dumps(envoy_config(section, Surroundings(Address("127.0.0.1", guard), NAMES.names)))


@contextmanager
def envoy_running(folder: Path, text: str, port: int) -> Iterator[None]:
    """Envoy, from when it answers: without policies or with them, that is some status."""
    path = folder / "envoy.yaml"
    path.write_text(text)
    command = [envoy_program(), "-c", str(path), "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"]
    with (folder / "log").open("w+b") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))
        try:
            wait_for(lambda: process.poll() is not None or _answers(port), "Envoy answers")
            assert process.poll() is None, (folder / "log").read_text()
            yield
        finally:
            process.terminate()
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int) -> bool:
    try:
        return http_call(port, "GET", "/nowhere", host=HOST).status in (401, 403, 503)
    except OSError:
        return False
