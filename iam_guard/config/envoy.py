"""The gateway with a real Envoy as its engine: the settings file to its configuration, and both running together."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from iam_guard.asgi.listening import Address, read_address
from iam_guard.asgi.reload import Watched
from iam_guard.asgi.types import Receive, Scope, Send
from iam_guard.config.gateway import checked_section, gateway_section, guard_settings, metrics_maker, watched_files
from iam_guard.config.place import Origin
from iam_guard.config.settings import Settings, load_settings
from iam_guard.config.wiring import Wiring
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.gateway.assertion import Assertions
from iam_guard.gateway.envoy.writer import Surroundings, envoy_config
from iam_guard.gateway.listening import listen, url_of
from iam_guard.gateway.settings import GatewaySettings
from iam_guard.identity.sigv4.rules import SignatureRules
from iam_guard.sidecar.ext_authz.settings import GrpcDoor, refuse_other_path

if TYPE_CHECKING:
    from iam_guard.gateway.envoy.delivery import Delivery
    from iam_guard.gateway.envoy.version import Version

_AT = "/gateway"
#: How much of a body that is signed Envoy hands over to the guard, at most.
_MOST_BODY_BYTES = 2_097_152
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
    checked = _checked(settings, guard_tells=False)
    config = envoy_config(checked.section, _around(checked, read_address(where)))
    return yaml.safe_dump(config, sort_keys=False)


def check_envoy(path: str | Path) -> None:
    """Check that an Envoy can do what the settings say; nothing is started.

    Raises:
        ConfigurationError: with everything that is wrong with the settings, or cannot be done by Envoy.
    """
    _checked(load_settings(path))


def run_envoy(path: str | Path, workers: int | None = None,
              on_ready: Callable[[str, str], None] = lambda listen, status: None) -> None:
    """Run an Envoy and the guard that it asks, until told to stop.

    Args:
        path: The settings file.
        workers: Threads of Envoy, instead of what the settings say.
        on_ready: Told where Envoy listens and where the status is, when requests are served; empty for nowhere.

    Raises:
        ConfigurationError: with everything that is wrong with the settings, or cannot be done by Envoy.
        UnavailableError: Envoy does not start, or ends by itself.
    """
    import uvloop

    with tempfile.TemporaryDirectory(prefix="iam-guard-") as name:
        uvloop.run(_run(path, Path(name), workers, on_ready))


async def _run(path: str | Path, folder: Path, workers: int | None, on_ready: Callable[[str, str], None]) -> None:
    from iam_guard.gateway.envoy.delivery import Delivery  # they bring the libraries of extras
    from iam_guard.gateway.envoy.engine import EnvoyEngine
    from iam_guard.gateway.envoy.process import EnvoyProcess, options

    watched = Watched([Path(path)])
    checked = _checked(load_settings(path))
    section = checked.section
    process = EnvoyProcess(folder, options(workers or section.workers, section.limits.linger_seconds))
    delivery, numbers = Delivery(folder, process), itertools.count(1)

    def version(checked: Checked) -> Version:
        return _version(checked, delivery, folder / f"guard-{next(numbers)}.sock", workers or 0)

    listening = listen(read_address(section.status), "/gateway/status") if section.status else None
    status = url_of(listening) if listening is not None else ""
    engine = EnvoyEngine(lambda: version(_checked(load_settings(path))), version(checked), process, listening,
                         watched)
    await engine.serve(lambda told: on_ready(told, status))


class Checked(NamedTuple):
    """Settings that an Envoy can follow, and the guard that they describe.

    Attributes:
        settings: All of them.
        section: The section ``gateway``.
        wiring: The guard.
        assertions: Makes signed statements; ``None`` for none.
    """

    settings: Settings
    section: GatewaySettings
    wiring: Wiring
    assertions: Assertions | None


def _checked(settings: Settings, *, guard_tells: bool = True) -> Checked:
    section, origin = gateway_section(settings), settings.origin
    faults: list[Fault] = []
    origin.attempt(faults, "", lambda: refuse_other_path(settings.values.edge))
    faults += [] if settings.values.signed_requests is None else _unseen(settings.values.signed_requests, origin)
    around = Surroundings(Address(path="unused"), guard_tells=guard_tells)
    origin.attempt(faults, _AT, lambda: envoy_config(section, around))
    found = origin.attempt(faults, "", lambda: checked_section(settings, section))
    if faults or found is None:
        raise ConfigurationError(faults)
    return Checked(settings, section, guard_settings(settings, section).build(), found.assertions)


def _unseen(rules: SignatureRules, origin: Origin) -> Iterable[Fault]:
    """What cannot be asked of bodies that are signed."""
    if rules.signed_chunks:
        yield origin.fault("/signed_requests/signed_chunks", "Envoy cannot take a body out of signed chunks",
                           "remove it, or use the engine 'own'")
    if rules.held_bytes > _MOST_BODY_BYTES:
        yield origin.fault("/signed_requests/held_bytes", "Envoy hands over no more of a body than "
                           f"{_MOST_BODY_BYTES} bytes", "write no more than that, or use the engine 'own'")


def _around(checked: Checked, guard: Address, *, workers: int = 0, version: str = "") -> Surroundings:
    values, wiring = checked.settings.values, checked.wiring
    secret = {name.lower() for name in (*_SECRET, *wiring.callers.vary)} - {"cookie"}
    own = (*values.caller_headers.names, *wiring.settings.edge.identity_headers)
    body_bytes = values.signed_requests.held_bytes if values.signed_requests is not None else 0
    return Surroundings(guard, own, tuple(sorted(secret)), body_bytes, workers=workers, guard_tells=bool(version),
                        decision=values.caller_headers.decision, vary=wiring.callers.vary, version=version)


def _version(checked: Checked, delivery: Delivery, socket: Path, workers: int) -> Version:
    """The guard at a socket of its own, and the Envoy that asks there."""
    from iam_guard.gateway.envoy.telling import Telling
    from iam_guard.gateway.envoy.version import Version
    from iam_guard.sidecar.answer import Asker
    from iam_guard.sidecar.ext_authz.checks import Checks
    from iam_guard.sidecar.ext_authz.server import GrpcServer

    settings, section, wiring, assertions = checked
    header = section.assertion.header if section.assertion else ""
    telling = Telling(assertions, header, ends=settings.values.streams.end)
    judge = wiring.judge()
    asker = Asker(judge, settings.values.caller_headers, wiring.edge, telling)
    door = GrpcServer(Checks(asker, lambda: wiring.refresher.is_ready), GrpcDoor(f"unix:{socket}"))
    config = envoy_config(section, _around(checked, Address(path=str(socket)), workers=workers, version=socket.stem))
    return Version(section, _serves_nobody, lambda: wiring.refresher.is_ready,
                   assertions.jwks if assertions else None, watched_files(settings, section),
                   lambda: Counter(judge.counts), metrics_maker(wiring), config=config,
                   guard=(wiring.authenticator, *wiring.parts, door), delivery=delivery)


async def _serves_nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """Requests come to Envoy, and never here."""
