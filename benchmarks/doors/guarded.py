"""The guard's own doors, run as the command line runs them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.doors.peers import ROOT
from benchmarks.doors.processes import Program, free_port, listens, program
from benchmarks.doors.proxies import CORES
from benchmarks.doors.world import World


@dataclass(frozen=True)
class Guarded:
    """A sidecar, up and running.

    Attributes:
        program: The process.
        forward: Port for auth_request, ForwardAuth and forward_auth.
        http: For Envoy's ext_authz over HTTP.
        grpc: For the same over gRPC.
        authzen: For AuthZEN.
    """

    program: Program
    forward: int
    http: int
    grpc: int
    authzen: int


@contextmanager
def gateway(world: World, app: int) -> Iterator[tuple[Program, int]]:
    """The gateway, with a worker for each core; gives its port."""
    port, status = free_port(), free_port()
    path = world.settings("gateway.yaml", gateway={
        "listen": f"127.0.0.1:{port}", "status": f"127.0.0.1:{status}", "workers": CORES,
        "upstreams": {"app": {"servers": [f"http://127.0.0.1:{app}"]}}})
    command = [sys.executable, "-m", "iam_guard", "gateway", "--config", str(path)]
    with program("iam_guard gateway", command, world.folder, listens(port), {"PYTHONPATH": str(ROOT)}) as running:
        yield running, port


@contextmanager
def sidecar(world: World) -> Iterator[Guarded]:
    """A sidecar with every door that is measured, in one process."""
    forward, http, grpc, authzen, control = (free_port() for _ in range(5))
    path = world.settings("sidecar.yaml", edge={"trusted_proxies": ["127.0.0.1"]}, sidecar={
        "forward": {"listen": f"127.0.0.1:{forward}",
                    "doors": [{"proxy": name} for name in ("nginx", "caddy", "traefik", "haproxy")]},
        "ext_authz_http": {"listen": f"127.0.0.1:{http}", "path_prefix": "/ext-authz"},
        "ext_authz_grpc": {"listen": f"127.0.0.1:{grpc}"},
        "authzen": {"listen": f"127.0.0.1:{authzen}", "base": "https://pdp.example", "services": {"document": "docs"},
                    "context": {"ip": "aws:SourceIp"}},
        "control": {"listen": f"127.0.0.1:{control}"}})
    command = [sys.executable, "-m", "iam_guard", "sidecar", "--config", str(path)]
    with program("iam_guard sidecar", command, world.folder, listens(forward), {"PYTHONPATH": str(ROOT)}) as running:
        yield Guarded(running, forward, http, grpc, authzen)
