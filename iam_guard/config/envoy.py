"""The gateway with a real Envoy as its engine: the settings file to its configuration, and both running together."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from iam_guard.asgi.listening import Address, read_address
from iam_guard.config.gateway import gateway_section
from iam_guard.config.schema import RouteSettings
from iam_guard.config.settings import Settings, load_settings
from iam_guard.config.wiring import Wiring
from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.gateway.envoy.writer import Surroundings, envoy_config
from iam_guard.gateway.settings import GatewaySettings
from iam_guard.sidecar.ext_authz.settings import GrpcDoor, refuse_other_path

_AT = "/gateway"
#: How much of a body the guard looks at where clients sign theirs.
_BODY_BYTES = 1_048_576
#: Headers with credentials, besides those that the settings name.
_SECRET = ("authorization", "dpop", "x-amz-security-token")


def written_config(path: str | Path, guard: str = "") -> str:
    """The configuration for those who run Envoy themselves, as YAML.

    Args:
        path: The settings file.
        guard: Where the guard answers over gRPC; by default what ``sidecar.ext_authz_grpc`` says.

    Raises:
        ConfigurationError: with everything that is wrong with the settings, or cannot be done by Envoy.
    """
    settings = load_settings(path)
    door = settings.values.sidecar.ext_authz_grpc if settings.values.sidecar else None
    where = guard or (door or GrpcDoor()).listen
    wiring = _checked(settings)
    return yaml.safe_dump(_config(settings, gateway_section(settings), wiring, read_address(where)), sort_keys=False)


def check_envoy(path: str | Path) -> None:
    """Check that an Envoy can do what the settings say; nothing is started.

    Raises:
        ConfigurationError: with everything that is wrong with the settings, or cannot be done by Envoy.
    """
    written_config(path)


def run_envoy(path: str | Path, workers: int | None = None,
              on_ready: Callable[[str], None] = lambda told: None) -> None:
    """Run an Envoy and the guard that it asks, until told to stop.

    Args:
        path: The settings file.
        workers: Threads of Envoy, instead of what the settings say.
        on_ready: Told the address when requests are served.

    Raises:
        ConfigurationError: with everything that is wrong with the settings, or cannot be done by Envoy.
        UnavailableError: Envoy does not start, or ends by itself.
    """
    settings = load_settings(path)
    asyncio.run(_run(settings, _checked(settings), workers, on_ready))


def _checked(settings: Settings) -> Wiring:
    section, origin = gateway_section(settings), settings.origin
    faults: list[Fault] = []
    routes = settings.values.routes
    if isinstance(routes, RouteSettings) and routes.app:
        faults.append(origin.fault("/routes/app", "a gateway has no application whose decorators could be read",
                                   "remove it, and name a route map"))
    origin.attempt(faults, "", lambda: refuse_other_path(settings.values.edge))
    origin.attempt(faults, _AT, lambda: envoy_config(section, Surroundings(Address(path="unused"))))
    wiring = origin.attempt(faults, "", settings.build)
    if faults or wiring is None:
        raise ConfigurationError(faults)
    return wiring


def _config(settings: Settings, section: GatewaySettings, wiring: Wiring, guard: Address) -> dict[str, Any]:
    values = settings.values
    secret = {name.lower() for name in (*_SECRET, *wiring.callers.vary)} - {"cookie"}
    return envoy_config(section, Surroundings(
        guard, (*values.caller_headers.names, *values.edge.identity_headers), tuple(sorted(secret)),
        _BODY_BYTES if values.signed_requests is not None else 0))


async def _run(settings: Settings, wiring: Wiring, workers: int | None, on_ready: Callable[[str], None]) -> None:
    from iam_guard.gateway.envoy.process import EnvoyProcess  # they bring the libraries of extras
    from iam_guard.sidecar.ext_authz.checks import Checks
    from iam_guard.sidecar.ext_authz.server import GrpcServer

    section = gateway_section(settings)
    with tempfile.TemporaryDirectory(prefix="iam-guard-") as name:
        socket = Path(name) / "guard.sock"
        config = _config(settings, section, wiring, Address(path=str(socket)))
        door = GrpcServer(Checks(wiring.asker(), lambda: wiring.refresher.is_ready), GrpcDoor(f"unix:{socket}"))
        envoy = EnvoyProcess(Path(name), config, workers or section.workers)
        async with wiring, contextlib.AsyncExitStack() as running:
            running.push_async_callback(door.close)
            await door.start()
            running.push_async_callback(envoy.stop, section.limits.drain_seconds)
            await envoy.start()
            on_ready(section.listen)
            await _told_to_stop(envoy)


async def _told_to_stop(envoy: Any) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    ended, told = asyncio.ensure_future(envoy.wait()), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        ended.cancel()
    if not stop.is_set():
        raise UnavailableError("Envoy has ended by itself; its log says why")
