"""The gateway, put together: the guard that the settings describe, in front of the upstreams that they name."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Mapping, MutableSequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from iam_guard.asgi.listening import read_address
from iam_guard.asgi.reload import Watched
from iam_guard.asgi.tls import make_context
from iam_guard.asgi.types import ASGIApp
from iam_guard.config.once import forgetting
from iam_guard.config.place import Origin
from iam_guard.config.schema import RouteSettings, SettingsFile
from iam_guard.config.settings import Settings, load_settings
from iam_guard.config.tls_files import tls_at
from iam_guard.config.wiring import Wiring
from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.gateway.app import GatewayApp
from iam_guard.gateway.assertion import Assertions
from iam_guard.gateway.balance import Balance, Server
from iam_guard.gateway.health import HealthChecks
from iam_guard.gateway.passing import Passing
from iam_guard.gateway.reload import Counted, Loaded
from iam_guard.gateway.routing import Routing
from iam_guard.gateway.settings import GatewaySettings, UpstreamSettings
from iam_guard.gateway.upstream import ServerSettings, UpstreamApp
from iam_guard.identity.jwks import KeySource
from iam_guard.identity.one_credential import key_sources_of
from iam_guard.policy.source import pointer
from iam_guard.sts.key_file import SigningKeyFile

_AT = "/gateway"
_UNIX = "unix:"


def gateway_section(settings: Settings) -> GatewaySettings:
    """The section ``gateway``, its paths made relative to the settings file.

    Raises:
        ConfigurationError: there is none.
    """
    section = settings.values.gateway
    if section is None:
        raise ConfigurationError(Fault("'gateway' is missing", "add 'gateway: {upstreams: {NAME: {servers: [...]}}}'",
                                       file=settings.origin.file))
    origin = settings.origin
    tls = tls_at(section.tls, origin) if section.tls else None
    assertion = section.assertion and msgspec.structs.replace(section.assertion,
                                                             keys=str(origin.path(section.assertion.keys)))
    upstreams = {name: _upstream_at(one, origin) for name, one in section.upstreams.items()}
    return msgspec.structs.replace(section, tls=tls, assertion=assertion, upstreams=upstreams,
                                   listen=_socket_at(section.listen, origin), status=_socket_at(section.status, origin))


def load_gateway(path: str | Path, *, clock: Callable[[], float] = time.time) -> Loaded:
    """Make the gateway that a settings file describes; nothing is started yet.

    Args:
        path: The settings file.
        clock: Seconds since the epoch, for signed statements.

    Raises:
        ConfigurationError: with everything that is wrong with the settings.
    """
    return make_gateway(load_settings(path), clock=clock)


def make_gateway(settings: Settings, *, clock: Callable[[], float] = time.time) -> Loaded:
    """Make the gateway that settings describe; nothing is started yet.

    Raises:
        ConfigurationError: with everything that is wrong with the settings.
    """
    section = gateway_section(settings)
    servers, assertions = checked_section(settings, section, clock)
    wiring = guard_settings(settings, section).build()
    header = section.assertion.header if section.assertion else ""
    passing = Passing(settings.values.caller_headers, assertions, header, wiring.callers.vary)
    # A client cannot take back, through Connection, what a policy was told.
    kept = (*passing.own_headers, *settings.values.context.headers)
    balances = {name: _balance(name, section.upstreams[name], found, kept)
                for name, found in servers.items()}
    app = GatewayApp(Routing((rule, balances[rule.upstream]) for rule in section.rules), passing,
                     section.limits.max_body_bytes)
    checks = (HealthChecks(balance.servers, section.upstreams[name].health) for name, balance in balances.items())
    guarded = replace(wiring, parts=(*wiring.parts, *checks))
    door = guarded.middleware(app)
    return Loaded(section, door, lambda: wiring.refresher.is_ready, assertions.jwks if assertions else None,
                  watched_files(settings, section), lambda: door.counts, metrics_maker(wiring))


class _Keys(NamedTuple):
    key_sources: Mapping[str, KeySource]


def metrics_maker(wiring: Wiring) -> Callable[[Counted], ASGIApp] | None:
    """What makes answers to scrapers, where the library of an extra is there."""
    try:
        from iam_guard.metrics import GuardMetrics, metrics_app
    except ModuleNotFoundError:
        return None

    def made(counted: Counted) -> ASGIApp:
        keys = _Keys(key_sources_of(wiring.authenticator))
        app: ASGIApp = metrics_app(GuardMetrics(counted, refresher=wiring.refresher, authenticator=keys,
                                                name="gateway"))
        return app

    return made


class CheckedSection(NamedTuple):
    """What became of the section ``gateway``, which has no fault.

    Attributes:
        servers: Of each upstream.
        assertions: Makes signed statements; ``None`` for none.
    """

    servers: dict[str, tuple[ServerSettings, ...]]
    assertions: Assertions | None


def checked_section(settings: Settings, section: GatewaySettings,
                    clock: Callable[[], float] = time.time) -> CheckedSection:
    """Check the section, and what of other sections a gateway cannot do.

    Raises:
        ConfigurationError: with everything that is wrong.
    """
    origin = settings.origin
    faults: list[Fault] = _misplaced(settings.values, origin)
    servers = {name: origin.attempt(faults, pointer(f"{_AT}/upstreams", name), partial(_servers, one)) or ()
               for name, one in section.upstreams.items()}
    if section.tls is not None:
        origin.attempt(faults, _AT, partial(make_context, section.tls))
    for name in ("listen", "status"):
        if getattr(section, name):
            origin.attempt(faults, _AT, partial(read_address, getattr(section, name), f"/{name}"))
    assertions = origin.attempt(faults, f"{_AT}/assertion", partial(_assertions, section, clock))
    if faults:
        raise ConfigurationError(faults)
    return CheckedSection(servers, assertions)


def guard_settings(settings: Settings, section: GatewaySettings) -> Settings:
    """The settings of the guard in front of the upstreams."""
    return Settings(_for_gateway(settings.values, section), settings.origin)


def run_worker(path: str, listening: socket.socket, status: socket.socket | None,
               counted: tuple[MutableSequence[int], int] | None = None, parent: int = 0,
               on_ready: Callable[[], None] = lambda: None) -> None:
    """Serve in this process until told to stop.

    Args:
        path: The settings file.
        listening: The socket that clients connect to.
        status: The socket of the status address; ``None`` for none.
        counted: Room for what all workers count, and the place of this one in it; ``None`` for a worker alone.
        parent: The process without which this one stops; 0 for none.
        on_ready: Called when requests are served.

    Raises:
        ConfigurationError: with everything that is wrong with the settings.
        UnavailableError: it does not start.
    """
    import uvloop

    from iam_guard.gateway.server import GatewayServer

    watched = Watched([Path(path)])
    server = GatewayServer(partial(load_gateway, path), watched, listening, status, parent, counted)
    uvloop.run(server.serve(on_ready))


def _misplaced(values: SettingsFile, origin: Origin) -> list[Fault]:
    """Settings that are about an application in this process, which a gateway has not."""
    faults: list[Fault] = []
    if isinstance(values.routes, RouteSettings) and values.routes.app:
        faults.append(origin.fault("/routes/app", "a gateway has no application whose decorators could be read",
                                   "remove it, and name a route map"))
    if values.docs_public:
        faults.append(origin.fault("/docs_public", "a gateway does not know the documentation pages of its upstreams",
                                   "map them as public routes"))
    return [*faults, *forgetting(values, origin, "a gateway")]


def _for_gateway(values: SettingsFile, section: GatewaySettings) -> SettingsFile:
    """The settings of the guard: the header of assertions is the guard's own, and there are no routes to count."""
    header = [section.assertion.header] if section.assertion else []
    return msgspec.structs.replace(values, strict=False, edge=values.edge.with_identity_headers(header))


def _servers(upstream: UpstreamSettings) -> tuple[ServerSettings, ...]:
    """Each server of an upstream; faults stand at the upstream."""
    made = [ServerSettings.at(url, upstream) for url in upstream.servers]
    for one in made:
        one.tls()
    return tuple(made)


def _balance(name: str, upstream: UpstreamSettings, servers: Iterable[ServerSettings],
             own_headers: Iterable[str]) -> Balance:
    own = tuple(own_headers)
    made = [Server(UpstreamApp(one, own_headers=own), upstream.health, time.monotonic) for one in servers]
    return Balance(name, made, credentials=upstream.credentials)


def _assertions(section: GatewaySettings, clock: Callable[[], float]) -> Assertions | None:
    if section.assertion is None:
        return None
    keys = SigningKeyFile(section.assertion.keys)
    try:
        keys.current.signing(clock())
    except UnavailableError as problem:
        raise ConfigurationError(Fault(str(problem), "make the file with 'iam-guard token keys --new'",
                                       "/keys")) from None
    return Assertions(section.assertion, keys, clock)


def watched_files(settings: Settings, section: GatewaySettings) -> tuple[Path, ...]:
    """What a running gateway looks at for changes; policies have a watch of their own."""
    origin, routes = settings.origin, settings.values.routes
    named = [origin.file, *(str(origin.path(file)) for file in _route_files(routes) if file)]
    if section.tls is not None:
        named += [section.tls.cert_file, section.tls.key_file]
    return tuple(Path(name) for name in named if name)


def _route_files(routes: str | RouteSettings) -> tuple[str, ...]:
    return (routes,) if isinstance(routes, str) else (routes.file, routes.openapi)


def _upstream_at(upstream: UpstreamSettings, origin: Origin) -> UpstreamSettings:
    files = {name: str(origin.path(value)) for name in ("ca_file", "cert_file", "key_file")
             if (value := getattr(upstream, name))}
    servers = tuple(_socket_at(url, origin) for url in upstream.servers)
    return msgspec.structs.replace(upstream, servers=servers, **files)


def _socket_at(address: str, origin: Origin) -> str:
    return f"{_UNIX}{origin.path(address[len(_UNIX):])}" if address.startswith(_UNIX) else address
