"""The sections ``sidecar`` and ``tokens`` to doors, and what has to run beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from iam_guard.asgi.judge import Judge
from iam_guard.asgi.lifespan import Part
from iam_guard.asgi.middleware import IAMGuardMiddleware
from iam_guard.asgi.types import ASGIApp
from iam_guard.config.place import Origin
from iam_guard.config.policies import directory_url
from iam_guard.config.schema import SettingsFile, TokenServiceSettings
from iam_guard.config.settings import Settings
from iam_guard.config.wiring import Wiring
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.mapper import RequestMapper
from iam_guard.sidecar.answer import Asker
from iam_guard.sidecar.control import Control, OwnHost, control_routes
from iam_guard.sidecar.doors import Door, apps_by_address
from iam_guard.sidecar.forward.app import make_forward_app
from iam_guard.sidecar.health import Health, Readiness
from iam_guard.sidecar.listening import Address, read_address
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
    making = _Making(values, origin, wiring, told)
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
    forward = told.forward_doors
    if not forward.doors and values.tokens is None:
        faults.append(origin.fault(AT, "no door is named", "add 'forward: [{proxy: nginx}]' or 'tokens: ...'"))
    if forward.doors and not values.edge.trusts_anybody and not told.address(forward.listen).is_unix:
        faults.append(origin.fault(f"{AT}/forward", "no proxy may ask for forward authorization", "list the addresses "
                                   "of your proxies in 'edge.trusted_proxies', or listen at 'unix:PATH'"))
    if values.tokens is not None and not values.store:
        faults.append(origin.fault("/tokens", "a folder of policies has no users and roles to give sessions to",
                                   "move it into a directory, and write 'store: URL'"))
    origin.attempt(faults, AT, lambda: apps_by_address(_planned(values, told)))
    if faults:
        raise ConfigurationError(faults)


def _planned(values: SettingsFile, told: SidecarSettings) -> list[Door]:
    """The doors without what answers behind them: enough to see whether they stand in each other's way."""
    doors = [Door("control", _nobody, read_address(told.control.listen))]
    forward = told.forward_doors
    if forward.doors:
        doors.append(_forward_door(told, _nobody))
    if values.tokens is not None:
        doors.append(_token_door(values.tokens, told, _nobody))
    return doors


def _forward_door(told: SidecarSettings, app: ASGIApp) -> Door:
    forward = told.forward_doors
    return Door("forward", app, told.address(forward.listen), frozenset(one.at for one in forward.doors),
                tuple(one.at for one in forward.doors if one.is_tree))


def _token_door(tokens: TokenServiceSettings, told: SidecarSettings, app: ASGIApp) -> Door:
    path = urlsplit(tokens.issuer).path.rstrip("/")
    paths = (f"{path}/token", f"{path}/caller-identity", f"{path}/jwks.json",
             f"/.well-known/oauth-authorization-server{path}", f"{path}/.well-known/openid-configuration")
    return Door("tokens", app, told.address(tokens.listen), frozenset(paths))


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("this door was planned, and never made")


@dataclass(slots=True)
class _Making:
    """Makes the doors of one settings file."""

    values: SettingsFile
    origin: Origin
    wiring: Wiring
    told: SidecarSettings
    parts: list[Part] = field(default_factory=list)
    judges: dict[str, Judge] = field(default_factory=dict)

    def all(self, faults: list[Fault]) -> tuple[Door, ...]:
        """Every door; the control plane, which tells of the others, last."""
        doors: list[Door | None] = []
        if self.told.forward_doors.doors:
            doors.append(self.origin.attempt(faults, "", self._forward))
        if self.values.tokens is not None:
            tokens = self.values.tokens
            doors.append(self.origin.attempt(faults, "/tokens", lambda: self._tokens(tokens)))
        found = [door for door in doors if door is not None]
        return (*found, self._control([door.name for door in found]))

    def _asker(self, door: str) -> Asker:
        """Who asks for a door; its decisions are counted under its name."""
        self.judges[door] = self.wiring.judge()
        return Asker(self.judges[door], self.values.caller_headers, self.wiring.edge)

    def _forward(self) -> Door:
        forward = self.told.forward_doors
        unix = self.told.address(forward.listen).is_unix
        return _forward_door(self.told, make_forward_app(self._asker("forward"), forward.doors, self.wiring.edge,
                                                         unix=unix))

    def _tokens(self, tokens: TokenServiceSettings) -> Door:
        from iam_guard.config.token_door import make_token_door  # brings what a directory needs

        app, part = make_token_door(tokens, directory_url(self.values, self.origin), self.origin)
        self.parts.append(part)
        return _token_door(tokens, self.told, app)

    def _control(self, doors: list[str]) -> Door:
        told, wiring = self.told.control, self.wiring
        refresher = wiring.refresher
        judged = IAMGuardMiddleware(
            Control(refresher, self._metrics(), doors), guard=wiring.guard, authenticator=wiring.authenticator,
            mapper=RequestMapper(control_routes(told.name, open_metrics=told.open_metrics), names=wiring.routes.names),
            edge=replace(wiring.edge, allowed_hosts=(), methods=("GET", "HEAD", "POST")), vary=wiring.callers.vary,
            style=self.values.denials)
        address = read_address(told.listen)
        readiness = Readiness(refresher, getattr(wiring.authenticator, "key_sources", {}))
        return Door("control", Health(OwnHost(judged, address, told.hosts), readiness.missing), address)

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
