"""A sidecar, made of settings and not started: what answers where, and what has to run beside it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iam_guard.asgi.lifespan import Part
from iam_guard.asgi.listening import Address
from iam_guard.asgi.sockets import Sockets
from iam_guard.asgi.types import ASGIApp
from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.sidecar.doors import Door
from iam_guard.sidecar.health import Readiness
from iam_guard.sidecar.ledger import Ledger
from iam_guard.sidecar.settings import SidecarSettings
from iam_guard.store.refresh import PolicyRefresher

if TYPE_CHECKING:
    from iam_guard.sidecar.ext_authz.checks import Checks
    from iam_guard.sidecar.ext_authz.settings import GrpcDoor


@dataclass(frozen=True, slots=True)
class GrpcAnswers:
    """What answers gRPC.

    Attributes:
        checks: Answers calls.
        door: Where it listens, and who may ask.
    """

    checks: Checks
    door: GrpcDoor


@dataclass(frozen=True, slots=True)
class Listener:
    """What answers at one address.

    Attributes:
        answers: An ASGI application, or what answers gRPC.
        tls: What makes its connections; ``None`` where they are plain.
    """

    answers: ASGIApp | GrpcAnswers
    tls: ssl.SSLContext | None = None

    @property
    def answers_at_once(self) -> bool:
        """Whether some calls are answered without waiting."""
        return getattr(self.answers, "at_once", None) is not None

    @property
    def kind(self) -> tuple[bool, ...]:
        """What cannot change while a server listens: another one takes the socket over."""
        return isinstance(self.answers, GrpcAnswers), self.tls is not None, self.answers_at_once


@dataclass(frozen=True, slots=True, eq=False)
class Sidecar:
    """Doors, ready to be served.

    Attributes:
        told: The settings of all of them.
        listeners: What answers where.
        doors: All of them, the control plane included.
        parts: Started before and closed after.
        refresher: Keeps the policies fresh.
        readiness: Says what is missing.
        counts: What the doors count, by name.
        key_sources: The sources of keys, by issuer.
        files: What it was read from, the policies left out.
        taken: The fault of what says to listen where that cannot be.
        fault: A fault of the setting at a JSON pointer, with its place: the pointer, what is wrong, and the mend.
        ledger: Keeps what was counted.
    """

    told: SidecarSettings
    listeners: Mapping[Address, Listener]
    doors: tuple[Door, ...]
    parts: tuple[Part, ...]
    refresher: PolicyRefresher
    readiness: Readiness
    counts: Mapping[str, Mapping[str, int]]
    key_sources: Mapping[str, Any]
    files: tuple[Path, ...]
    taken: Callable[[Address, OSError], Fault]
    fault: Callable[[str, str, str], Fault]
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def linger_seconds(self) -> float:
        """How long calls may go on after others have replaced it."""
        return self.told.grace_seconds

    def life(self) -> Part:
        """What starts and closes it."""
        return _Life(self)

    def refuse_after(self, before: Sidecar) -> None:
        """Refuse to follow another one that serves.

        Raises:
            ConfigurationError: it differs in what needs a new process.
            UnavailableError: it has no policies, and the other has.
        """
        if self.told.workers != before.told.workers:
            raise ConfigurationError(self.fault("/sidecar/workers", "'workers' cannot change while the sidecar runs",
                                                "start it anew"))
        if before.refresher.is_ready and not self.refresher.is_ready:
            raise UnavailableError(f"no policies can be loaded: {self.refresher.last_error}")


class _Life:
    """Starts and closes the parts of a sidecar."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._running = AsyncExitStack()

    async def start(self) -> None:
        async with AsyncExitStack() as started:
            self._sidecar.ledger.begin(self._sidecar)
            started.callback(self._sidecar.ledger.end, self._sidecar)
            for part in self._sidecar.parts:
                started.push_async_callback(part.close)
                await part.start()
            self._running = started.pop_all()

    async def close(self) -> None:
        await self._running.aclose()


def opened(sockets: Sockets, sidecar: Sidecar) -> None:
    """Open what it listens at and is not open yet.

    Raises:
        ConfigurationError: naming an address that is taken or not ours.
    """
    for address in sidecar.listeners:
        try:
            sockets.open([address])
        except OSError as problem:
            raise ConfigurationError(sidecar.taken(address, problem)) from None
