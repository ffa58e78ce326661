"""The sidecar as a program of its own with every door, and real proxies in front of it, in the world of the rows."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sidecar_process
import threat_faults
from envoy_doors import envoy_file, envoy_running
from forward_client import free_port
from forward_proxies import running as proxy_running
from sidecar_process import Running
from threat_origin import Everything, everything
from threat_world import ENVIRONMENT, write_world

FORWARD = ("nginx", "traefik", "caddy", "haproxy")
ENVOYS = ("envoy-grpc", "envoy-http")
DOORS = (*FORWARD, *ENVOYS)
#: The doors as the README of each integration sets them up, and those that have no proxy here.
SIDECAR: dict[str, Any] = {
    "listen": "127.0.0.1:0",
    "forward": [{"proxy": "nginx", "upgrades": "header"}, {"proxy": "traefik", "upgrades": "header"},
                {"proxy": "caddy"}, {"proxy": "haproxy", "upgrades": "header"}, {"proxy": "ingress-nginx"},
                {"proxy": "apisix"}, {"proxy": "oathkeeper"}],
    "authzen": {"base": "https://pdp.example", "show_step_up": True,
                "resources": {"item": "arn:iamg:items:eu:t1:item/{id}"}},
    "control": {"listen": "localhost:0"},
}
COUNT = 5


@contextmanager
def sidecar(folder: Path, section: dict[str, Any] | None = None, count: int = COUNT, *, faulty: bool = False,
            **sections: Any) -> Iterator[Running]:
    """Run it until the block ends; *faulty*: with a guard that breaks where a resource says so."""
    envoys = {"ext_authz_grpc": {"listen": f"127.0.0.1:{free_port()}"},
              "ext_authz_http": {"listen": f"127.0.0.1:{free_port()}", "described": True}}
    settings = write_world(folder, sidecar=section or {**SIDECAR, **envoys},
                           **{"edge": {"trusted_proxies": ["127.0.0.1"]}, **sections})
    if not faulty:
        with sidecar_process.running(settings, count, **ENVIRONMENT) as found:
            yield found
        return
    process = subprocess.Popen(
        [sys.executable, threat_faults.__file__, "sidecar", "--config", str(settings)], cwd=sidecar_process.ROOT,
        text=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, **ENVIRONMENT, "THREAT_FOLDER": str(folder), "PYTHONPATH": str(sidecar_process.ROOT)})
    broken = Running(process, folder)
    try:
        broken.wait(count)
        yield broken
    finally:
        broken.close()


def port_of(found: Running, door: str) -> int:
    """Where a door listens."""
    name = {"envoy-grpc": "ext_authz_grpc", "envoy-http": "ext_authz_http", "authzen": "authzen",
            "control": "control"}.get(door, "forward")
    return int(found.addresses[name].rpartition(":")[2])


@dataclass
class Front:
    """A real proxy, the sidecar that it asks and the application behind it."""

    name: str
    port: int
    app: Everything
    guard: Running


@contextmanager
def front(name: str, guard: Running) -> Iterator[Front]:
    """Run a proxy in front of an application; it asks *guard*."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=name)))
        app = stack.enter_context(everything())
        asked = port_of(guard, name)
        if name in ENVOYS:
            port = free_port()
            text = envoy_file(name.removeprefix("envoy-"), port, app.port, asked)
            # What policies read of a request has to be among what this Envoy tells.
            text = text.replace("- exact: origin", "- exact: origin\n                          - exact: x-role")
            stack.enter_context(envoy_running(folder, text, port))
        else:
            port = stack.enter_context(proxy_running(name, folder, (app.port, asked)))
        yield Front(name, port, app, guard)


