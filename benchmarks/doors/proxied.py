"""Requests through doors: each proxy alone, asking one who always agrees, and asking the guard; and the gateway.

All programs run at once and are asked in turns, so that a busy moment of the machine hits all alike. Before a clock
runs, each door has to let one caller pass and hold another up: a proxy that does not ask would win.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import httpx

from benchmarks.doors.guarded import Guarded, gateway
from benchmarks.doors.load import LoadError, Measured, Work, in_the_middle, measure
from benchmarks.doors.peers import uvicorn
from benchmarks.doors.processes import Program, free_port, listens, program
from benchmarks.doors.proxies import (
    CADDY,
    ENVOY_GRPC,
    ENVOY_HTTP,
    HAPROXY,
    NGINX,
    TRAEFIK,
    Ports,
    haproxy_is_here,
    nginx_command,
    started,
)
from benchmarks.doors.world import PAGE, World
from benchmarks.targets import ALWAYS_ANOTHER, ASKS, ENVOY_ASKS, GATEWAY, NGINX_ASKS

#: Bodies of 10 MB at once, and how many at least.
_LARGE_AT_ONCE, _LARGE_LEAST = 4, 24
_PATIENCE = 30
#: So many that none comes again before a second is over.
_DOCUMENTS = 20_000


@dataclass(frozen=True)
class Door:
    """One way in, up and running.

    Attributes:
        name: For the tables.
        port: Where it listens.
        programs: Whose processor time it costs.
        asks: Whether it asks anybody.
    """

    name: str
    port: int
    programs: Sequence[Program]
    asks: bool = True

    def url(self, path: str) -> str:
        """Of something behind it."""
        return f"http://127.0.0.1:{self.port}{path}"


def application(world: World, stack: ExitStack) -> int:
    """What stands behind every door: nginx with a kilobyte and a large file; bodies go to somebody who reads them."""
    port = free_port()
    _, reader = stack.enter_context(uvicorn("benchmarks.doors.plain_apps:swallow", world.folder))
    place = world.folder / "application"
    place.mkdir()
    command, environment = nginx_command(place, f"""
upstream reader {{ server 127.0.0.1:{reader}; keepalive 16; }}
server {{
  listen 127.0.0.1:{port};
  location /documents/ann/ {{
    proxy_pass http://reader; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
  }}
  location = /documents/large {{ alias {world.folder}/files/large; }}
  location / {{ return 200 "{"a" * PAGE}"; }}
}}""", workers=1)
    stack.enter_context(program("application", command, place, listens(port), environment))
    return port


def doors(world: World, app: int, guard: Guarded, stack: ExitStack) -> list[Door]:
    """Start everything."""
    agreeing, agrees = stack.enter_context(uvicorn("benchmarks.doors.plain_apps:agree", world.folder))
    ours, port = stack.enter_context(gateway(world, app))
    found = [Door(GATEWAY, port, [ours])]
    forward = [NGINX, CADDY, TRAEFIK, *([HAPROXY] if haproxy_is_here() else [])]
    asked = [(proxy, "", 0, []) for proxy in (*forward, ENVOY_HTTP)]
    asked += [(proxy, "asks one who always agrees", agrees, [agreeing]) for proxy, *_ in asked]
    asked += [(proxy, ASKS, port, [guard.program]) for proxy, port in (
        *((one, guard.forward) for one in forward), (ENVOY_HTTP, guard.http), (ENVOY_GRPC, guard.grpc)) if port]
    for proxy, what, port, programs in asked:
        ports = Ports(free_port(), app, port)
        running = stack.enter_context(started(proxy, ports, world.folder))
        found.append(Door(f"{proxy.name}, {what or 'alone'}", ports.door, [running, *programs], asks=bool(port)))
    for door in found:
        hold_up(door, world)
    return found


def hold_up(door: Door, world: World) -> None:
    """Wait until it answers as it should, and see that it denies.

    Raises:
        LoadError: it lets in who has to stay out.
    """
    url = door.url("/documents/1")
    deadline = time.monotonic() + _PATIENCE
    with httpx.Client(trust_env=False, timeout=_PATIENCE) as client:
        while (answer := client.get(url, headers=world.allowed)).status_code != 200 or len(answer.content) != PAGE:
            if time.monotonic() > deadline:
                raise LoadError(f"{door.name} answers {answer.status_code} to who may: {answer.text[:500]}")
            time.sleep(0.1)
        if door.asks and (status := client.get(url).status_code) not in (401, 403):
            raise LoadError(f"{door.name} answers {status} to nobody in particular")
        if door.name.endswith(ASKS) or door.name == GATEWAY:
            denied = client.get(url, headers=world.denied).status_code
            if denied != 403:
                raise LoadError(f"{door.name} answers {denied} to who may not")


def small(ways: Sequence[Door], world: World, seconds: float, rounds: int,
          tell: Callable[[str], None]) -> dict[str, Measured]:
    """A kilobyte through every door."""
    found = defaultdict(list)
    for turn in range(rounds):
        for door in ways:
            for name, work in _small_work(door, world).items():
                tell(f"{name}, round {turn + 1} of {rounds}")
                found[name].append(measure(work, door.programs, seconds))
    return {name: in_the_middle(one) for name, one in found.items()}


def _small_work(door: Door, world: World) -> Mapping[str, Work]:
    """The same page again and again; and, where that could flatter somebody, always another, by a single client."""
    work = {door.name: Work(door.url("/documents/1"), world.allowed)}
    if door.name in (GATEWAY, NGINX_ASKS, ENVOY_ASKS):
        others = [door.url(f"/documents/{number}") for number in range(2, _DOCUMENTS + 1)]
        work[f"{door.name}{ALWAYS_ANOTHER}"] = Work(door.url("/documents/1"), world.allowed, connections=1, then=others)
    return work


def large(ways: Sequence[Door], world: World, seconds: float, rounds: int,
          tell: Callable[[str], None]) -> tuple[dict[str, Measured], dict[str, int]]:
    """10 MB in either direction through the gateway and nginx; and how much memory that took."""
    chosen = [door for door in ways if door.name in (GATEWAY, NGINX_ASKS)]
    found, growth = defaultdict(list), {}
    for turn in range(rounds):
        for door in chosen:
            for name, work in _large_work(door, world).items():
                tell(f"10 MB, {name}, round {turn + 1} of {rounds}")
                before = sum(one.peak_bytes() for one in door.programs)
                found[name].append(measure(work, door.programs, seconds, least=_LARGE_LEAST))
                grown = sum(one.peak_bytes() for one in door.programs) - before
                growth[name] = max(growth.get(name, 0), grown)
    return {name: in_the_middle(one) for name, one in found.items()}, growth


def _large_work(door: Door, world: World) -> Mapping[str, Work]:
    body = (world.folder / "files" / "large").read_bytes()
    return {f"{door.name}, down": Work(door.url("/documents/large"), world.allowed, connections=_LARGE_AT_ONCE),
            f"{door.name}, up": Work(door.url("/documents/ann/large"), world.allowed, body, _LARGE_AT_ONCE)}


def proxied(world: World, guard: Guarded, seconds: float, rounds: int,
            tell: Callable[[str], None]) -> tuple[dict[str, Measured], dict[str, Measured], dict[str, int]]:
    """First the small answers, then the large bodies, through the same doors; and the memory that those took."""
    with ExitStack() as stack:
        ways = doors(world, application(world, stack), guard, stack)
        return (small(ways, world, seconds, rounds, tell), *large(ways, world, seconds, rounds, tell))
