"""The sections ``sidecar`` and ``tokens`` to doors, and what has to run beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec

from iam_guard.asgi.judge import Judge
from iam_guard.asgi.lifespan import Part
from iam_guard.asgi.listening import Address, read_address
from iam_guard.asgi.middleware import IAMGuardMiddleware
from iam_guard.asgi.types import ASGIApp
from iam_guard.config.place import Origin
from iam_guard.config.policies import directory_url
from iam_guard.config.schema import SettingsFile
from iam_guard.config.settings import Settings
from iam_guard.config.wiring import Wiring
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.mapper import RequestMapper
from iam_guard.sidecar.answer import Asker
from iam_guard.sidecar.authzen.routes import door_paths
from iam_guard.sidecar.control import Control, OwnHost, control_routes
from iam_guard.sidecar.doors import Door, apps_by_address
from iam_guard.sidecar.ext_authz.http import make_http_app
from iam_guard.sidecar.ext_authz.settings import GrpcDoor, HttpDoor, refuse_other_path
from iam_guard.sidecar.forward.app import make_forward_app
from iam_guard.sidecar.health import Health, Readiness
from iam_guard.sidecar.settings import SidecarSettings
from iam_guard.store.refresh import PolicyRefresher

AT = "/sidecar"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Doors, ready to be served.

    Attributes:
        apps: What answers where.
        doors: All of them, the control plane included.
        parts: Started before and closed after.
        refresher: Keeps the policies fresh.
        grace: Seconds that calls under way may take at the end.
    """

    apps: Mapping[Address, ASGIApp]
    doors: tuple[Door, ...]
    parts: tuple[Part, ...]
    refresher: PolicyRefresher
    grace: float


def make_sidecar(settings: Settings) -> Sidecar:
    """Make every door that the settings name, and all that it needs.

    Raises:
        ConfigurationError: with everything that is wrong with the settings.
    """
    values, origin = settings.values, settings.origin
    told = values.sidecar or SidecarSettings()
    faults: list[Fault] = []
    origin.attempt(faults, "", lambda: check_sidecar(values, origin))
    wiring = origin.attempt(faults, "", settings.build)
    if faults or wiring is None:
        raise ConfigurationError(faults)
    making = _Making(_Plan(values, told, origin), wiring)
    doors = making.all(faults)
    if faults:
        raise ConfigurationError(faults)
    return Sidecar(apps_by_address(doors), doors, (wiring.authenticator, *wiring.parts, *making.parts),
                   wiring.refresher, told.grace_seconds)


def check_sidecar(values: SettingsFile, origin: Origin) -> None:
    """Check what the settings say of doors; nothing is opened or listened at.

    Raises:
        ConfigurationError: with everything that is wrong with these settings.
    """
    told = values.sidecar or SidecarSettings()
    faults: list[Fault] = []
    plan = _Plan(values, told, origin)
    doors = plan.all()
    if len(doors) < 2:
        faults.append(origin.fault(AT, "no door is named", "add 'forward: [{proxy: nginx}]', or another door"))
    if told.forward_doors.doors and not values.edge.trusts_anybody and not plan.address("forward").is_unix:
        faults.append(origin.fault(f"{AT}/forward", "no proxy may ask here", "list the addresses of your proxies in "
                                   "'edge.trusted_proxies', or listen at 'unix:PATH'"))
    if told.forward_doors.doors and values.edge.path_mode != "strict":
        faults.append(origin.fault("/edge/path_mode", "a proxy that asks sends on the path as it came, and not the "
                                   "one that was resolved and decided", "remove 'path_mode'"))
    if told.ext_authz_grpc is not None or told.ext_authz_http is not None:
        origin.attempt(faults, "", lambda: refuse_other_path(values.edge))
    if values.tokens is not None and not values.store:
        faults.append(origin.fault("/tokens", "a folder of policies has no users and roles to give sessions to",
                                   "move it into a directory, and write 'store: URL'"))
    origin.attempt(faults, AT, lambda: apps_by_address(doors))
    if faults:
        raise ConfigurationError(faults)


def addresses_of(values: SettingsFile, origin: Origin) -> dict[str, Address]:
    """Where the doors listen, by the JSON pointer of what says so."""
    plan = _Plan(values, values.sidecar or SidecarSettings(), origin)
    return {plan.place(door.name): door.address for door in plan.all()}


def token_paths(issuer: str) -> tuple[str, ...]:
    """What the token service of an issuer answers."""
    path = urlsplit(issuer).path.rstrip("/")
    return (f"{path}/token", f"{path}/caller-identity", f"{path}/jwks.json",
            f"/.well-known/oauth-authorization-server{path}", f"{path}/.well-known/openid-configuration")


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where each door is, whoever answers behind it."""

    values: SettingsFile
    told: SidecarSettings
    origin: Origin

    def all(self) -> list[Door]:
        """Every door that is named, with nobody behind it: enough to see whether they are in each other's way."""
        named = {**self._sections(), "forward": self.told.forward_doors.doors}
        return [self.door(name, _nobody) for name, wanted in named.items() if wanted]

    def door(self, name: str, app: ASGIApp | None) -> Door:
        """A door with *app* behind it."""
        paths, trees = self._places(name)
        return Door(name, app, self.address(name), frozenset(paths), trees)

    def address(self, name: str) -> Address:
        """Where a door listens: at an address of its own, or at the one that is shared."""
        address = read_address(self._own(name) or self.told.listen)
        return address._replace(path=str(self.origin.path(address.path))) if address.is_unix else address

    def place(self, name: str) -> str:
        """The JSON pointer of what says where a door listens."""
        if not self._own(name):
            return f"{AT}/listen"
        return "/tokens/listen" if name == "tokens" else f"{AT}/{name}/listen"

    def _own(self, name: str) -> str:
        return str(getattr(self._sections()[name], "listen", ""))

    def _sections(self) -> dict[str, object]:
        told = self.told
        return {"forward": told.forward_doors, "authzen": told.authzen, "ext_authz_grpc": told.ext_authz_grpc,
                "ext_authz_http": told.ext_authz_http, "tokens": self.values.tokens, "control": told.control}

    def _places(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The paths of a door, and the trees of paths; none where it answers everything."""
        if name == "forward":
            doors = self.told.forward_doors.doors
            return tuple(one.at for one in doors if not one.is_tree), tuple(one.at for one in doors if one.is_tree)
        if name == "authzen" and self.told.authzen is not None:
            return tuple(door_paths(self.told.authzen)), ()
        if name == "tokens" and self.values.tokens is not None:
            return token_paths(self.values.tokens.issuer), ()
        return (), ()


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("this door was planned, and never made")


@dataclass(slots=True)
class _Making:
    """Makes the doors of one settings file."""

    plan: _Plan
    wiring: Wiring
    parts: list[Part] = field(default_factory=list)
    judges: dict[str, Judge] = field(default_factory=dict)

    def all(self, faults: list[Fault]) -> tuple[Door, ...]:
        """Every door; the control plane, which tells of the others, last."""
        told, values = self.plan.told, self.plan.values
        wanted: dict[str, tuple[object, Callable[[], ASGIApp | None]]] = {
            "forward": (told.forward_doors.doors, self._forward),
            "authzen": (told.authzen, self._authzen),
            "ext_authz_grpc": (told.ext_authz_grpc, self._ext_authz_grpc),
            "ext_authz_http": (told.ext_authz_http, self._ext_authz_http),
            "tokens": (values.tokens, self._tokens),
        }
        named = {name: make for name, (settings, make) in wanted.items() if settings}
        doors = [door for name, make in named.items()
                 if (door := self.plan.origin.attempt(faults, "", partial(self._door, name, make))) is not None]
        return (*doors, self.plan.door("control", self._control(list(named))))

    def _door(self, name: str, make: Callable[[], ASGIApp | None]) -> Door:
        return self.plan.door(name, make())

    def _asker(self, door: str) -> Asker:
        """Who asks for a door; its decisions are counted under its name."""
        self.judges[door] = self.wiring.judge()
        return Asker(self.judges[door], self.plan.values.caller_headers, self.wiring.edge)

    def _forward(self) -> ASGIApp:
        return make_forward_app(self._asker("forward"), self.plan.told.forward_doors.doors, self.wiring.edge,
                                unix=self.plan.address("forward").is_unix)

    def _authzen(self) -> ASGIApp:
        from iam_guard.sidecar.authzen.app import make_authzen_app

        wiring, origin, told = self.wiring, self.plan.origin, self.plan.told.authzen
        if told is None:
            raise ConfigurationError(origin.fault(AT, "'authzen' is missing"))
        try:
            app = make_authzen_app(wiring.guard, wiring.authenticator, told, wiring.edge,
                                   style=self.plan.values.denials, vary=", ".join(wiring.callers.vary).encode("ascii"))
        except ConfigurationError as refused:
            raise ConfigurationError(origin.placed(refused.faults, f"{AT}/authzen")) from None
        self.judges["authzen"] = app.judge
        return app

    def _ext_authz_http(self) -> ASGIApp:
        return make_http_app(self._asker("ext_authz_http"), self.plan.told.ext_authz_http or HttpDoor(),
                             self.wiring.edge, unix=self.plan.address("ext_authz_http").is_unix,
                             listed=self.plan.values.context.headers)

    def _ext_authz_grpc(self) -> None:
        from iam_guard.sidecar.ext_authz.checks import Checks  # brings the libraries of an extra
        from iam_guard.sidecar.ext_authz.server import GrpcServer

        told = self.plan.told.ext_authz_grpc or GrpcDoor()
        there = msgspec.structs.replace(told, listen=str(self.plan.address("ext_authz_grpc")))
        refresher = self.wiring.refresher
        self.parts.append(GrpcServer(Checks(self._asker("ext_authz_grpc"), lambda: refresher.is_ready), there))

    def _tokens(self) -> ASGIApp:
        from iam_guard.config.token_door import make_token_door  # brings what a directory needs

        values, origin = self.plan.values, self.plan.origin
        if values.tokens is None:
            raise ConfigurationError(origin.fault("/tokens", "'tokens' is missing"))
        app, part = make_token_door(values.tokens, directory_url(values, origin), origin)
        self.parts.append(part)
        return app

    def _control(self, doors: list[str]) -> ASGIApp:
        told, wiring = self.plan.told.control, self.wiring
        judged = IAMGuardMiddleware(
            Control(wiring.refresher, self._metrics(), doors), guard=wiring.guard, authenticator=wiring.authenticator,
            mapper=RequestMapper(control_routes(told.name, open_metrics=told.open_metrics), names=wiring.routes.names),
            edge=replace(wiring.edge, allowed_hosts=(), methods=("GET", "HEAD", "POST")), vary=wiring.callers.vary,
            style=self.plan.values.denials)
        readiness = Readiness(wiring.refresher, getattr(wiring.authenticator, "key_sources", {}))
        return Health(OwnHost(judged, self.plan.address("control"), told.hosts), readiness.missing)

    def _metrics(self) -> ASGIApp | None:
        try:
            from iam_guard.metrics import GuardMetrics, metrics_app  # an extra
        except ModuleNotFoundError:
            return None
        authenticator: Any = self.wiring.authenticator
        known = authenticator if hasattr(authenticator, "key_sources") else None
        app: ASGIApp = metrics_app(GuardMetrics(refresher=self.wiring.refresher, authenticator=known,
                                                doors=dict(self.judges)))
        return app
