"""The sections ``sidecar`` and ``tokens`` to doors, and what has to run beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec

from iam_guard.asgi.judge import Judge
from iam_guard.asgi.lifespan import Part
from iam_guard.asgi.listening import Address
from iam_guard.asgi.middleware import IAMGuardMiddleware
from iam_guard.asgi.types import ASGIApp
from iam_guard.config.policies import directory_url
from iam_guard.config.secrets import read_secret
from iam_guard.config.settings import Settings
from iam_guard.config.sidecar_plan import AT, Plan, check_sidecar
from iam_guard.config.wiring import Wiring
from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.http.mapper import RequestMapper
from iam_guard.sidecar.answer import Asker
from iam_guard.sidecar.authzen.settings import AuthzenDoor
from iam_guard.sidecar.control import Control, OwnHost, Whole, control_routes
from iam_guard.sidecar.doors import Door, apps_by_address
from iam_guard.sidecar.ext_authz.http import make_http_app
from iam_guard.sidecar.ext_authz.settings import GrpcDoor, HttpDoor
from iam_guard.sidecar.forward.app import make_forward_app
from iam_guard.sidecar.health import Health, Readiness
from iam_guard.sidecar.ledger import Figures, Ledger, Told
from iam_guard.sidecar.loaded import GrpcAnswers, Listener, Sidecar
from iam_guard.sidecar.settings import SidecarSettings

#: Of a key that seals tokens, in characters: as many as half of SHA-256 has in hexadecimal digits.
_SHORTEST_KEY = 32


class _Nobody:
    """All processes of a sidecar that does not run."""

    async def tell(self) -> Told:
        raise UnavailableError("the sidecar does not run")

    async def check_policies(self) -> Told:
        raise UnavailableError("the sidecar does not run")


@dataclass(frozen=True, slots=True)
class Around:
    """What a process has whatever its settings are.

    Attributes:
        whole: It and all others.
        ledger: Keeps what was counted.
        page_key: Seals the page tokens of searches; empty for a new one with each settings.
        workers: Processes, where somebody else than the settings says how many.
    """

    whole: Whole = field(default_factory=_Nobody)
    ledger: Ledger = field(default_factory=Ledger)
    page_key: bytes = b""
    workers: int = 0


def make_sidecar(settings: Settings, around: Around | None = None) -> Sidecar:
    """Make every door that the settings name, and all that it needs.

    Args:
        settings: The settings.
        around: The process that will serve them.

    Raises:
        ConfigurationError: with everything that is wrong with the settings.
    """
    values, origin, around = settings.values, settings.origin, around or Around()
    plan = Plan(values, values.sidecar or SidecarSettings(), origin)
    faults: list[Fault] = []
    origin.attempt(faults, "", lambda: check_sidecar(values, origin, around.workers))
    wiring = origin.attempt(faults, "", settings.build)
    if faults or wiring is None:
        raise ConfigurationError(faults)
    keys = getattr(wiring.authenticator, "key_sources", {})
    readiness = Readiness(wiring.refresher, keys, wiring.callers.revocations)
    making = _Making(plan, wiring, around, readiness)
    doors = making.all(faults)
    if faults:
        raise ConfigurationError(faults)
    counts = {name: judge.counts for name, judge in making.judges.items()}
    return Sidecar(plan.told, making.listeners(doors), doors, (wiring.authenticator, *wiring.parts, *making.parts),
                   wiring.refresher, readiness, counts, keys, plan.files(), plan.taken, origin.fault, around.ledger)


@dataclass(slots=True)
class _Making:
    """Makes the doors of one settings file."""

    plan: Plan
    wiring: Wiring
    around: Around
    readiness: Readiness
    parts: list[Part] = field(default_factory=list)
    judges: dict[str, Judge] = field(default_factory=dict)
    grpc: GrpcAnswers | None = None

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
        page_key = self._page_key(told) or self.around.page_key
        try:
            app = make_authzen_app(wiring.guard, wiring.authenticator, told, wiring.edge,
                                   style=self.plan.values.denials, vary=", ".join(wiring.callers.vary).encode("ascii"),
                                   page_key=page_key)
        except ConfigurationError as refused:
            raise ConfigurationError(origin.placed(refused.faults, f"{AT}/authzen")) from None
        self.judges["authzen"] = app.judge
        return app

    def _page_key(self, told: AuthzenDoor) -> bytes:
        if told.page_key is None:
            return b""
        at = f"{AT}/authzen/page_key"
        key = read_secret(told.page_key, self.plan.origin, at).encode()
        if len(key) < _SHORTEST_KEY:
            raise ConfigurationError(self.plan.origin.fault(at, f"the key is shorter than {_SHORTEST_KEY} characters",
                                                            "make one with 'openssl rand -hex 32'"))
        return key

    def _ext_authz_http(self) -> ASGIApp:
        return make_http_app(self._asker("ext_authz_http"), self.plan.told.ext_authz_http or HttpDoor(),
                             self.wiring.edge, unix=self.plan.address("ext_authz_http").is_unix,
                             listed=self.plan.values.context.headers)

    def _ext_authz_grpc(self) -> None:
        from iam_guard.sidecar.ext_authz.checks import Checks  # brings the libraries of an extra

        told = self.plan.told.ext_authz_grpc or GrpcDoor()
        there = msgspec.structs.replace(told, listen=str(self.plan.address("ext_authz_grpc")))
        readiness = self.readiness
        self.grpc = GrpcAnswers(Checks(self._asker("ext_authz_grpc"), lambda: not readiness.missing(),
                                       self.plan.values.context.headers), there)

    def _tokens(self) -> ASGIApp:
        from iam_guard.config.token_door import make_token_door  # brings what a directory needs

        values, origin = self.plan.values, self.plan.origin
        if values.tokens is None:
            raise ConfigurationError(origin.fault("/tokens", "'tokens' is missing"))
        app, part = make_token_door(values.tokens, directory_url(values, origin), origin)
        self.parts.append(part)
        return app

    def _control(self, doors: list[str]) -> ASGIApp:
        told, wiring, whole = self.plan.told.control, self.wiring, self.around.whole
        judged = IAMGuardMiddleware(
            Control(whole, _metrics_maker(), doors), guard=wiring.guard, authenticator=wiring.authenticator,
            mapper=RequestMapper(control_routes(told.name, open_metrics=told.open_metrics), names=wiring.routes.names),
            edge=replace(wiring.edge, allowed_hosts=(), methods=("GET", "HEAD", "POST")), vary=wiring.callers.vary,
            style=self.plan.values.denials)
        return Health(OwnHost(judged, self.plan.address("control"), told.hosts), partial(_missing, whole))

    def listeners(self, doors: tuple[Door, ...]) -> dict[Address, Listener]:
        """What answers where."""
        contexts = self.plan.contexts()
        found = {address: Listener(app, contexts.get(address)) for address, app in apps_by_address(doors).items()}
        if self.grpc is not None:
            address = self.plan.address("ext_authz_grpc")
            found[address] = Listener(self.grpc, contexts.get(address))
        return found


async def _missing(whole: Whole) -> list[str]:
    """What is missing in any process."""
    try:
        return (await whole.tell()).missing
    except UnavailableError:
        return ["workers"]


def _metrics_maker() -> Callable[[Told], ASGIApp] | None:
    """What makes answers to scrapes, where the library of an extra is there."""
    try:
        from iam_guard.metrics import GuardMetrics, metrics_app
    except ModuleNotFoundError:
        return None

    def made(told: Told) -> ASGIApp:
        figures = Figures(told)
        app: ASGIApp = metrics_app(GuardMetrics(refresher=figures, authenticator=figures, doors=figures.doors))
        return app

    return made
