"""Runs the sidecar that a settings file describes: in one process, or in a parent and its workers."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from iam_guard.asgi.listening import Address
from iam_guard.asgi.reload import Watched
from iam_guard.asgi.sockets import Sockets
from iam_guard.asgi.workers import Workers
from iam_guard.config.settings import Settings, load_settings, read_text
from iam_guard.config.sidecar import Around, make_sidecar
from iam_guard.config.sidecar_plan import Plan, check_sidecar
from iam_guard.errors import ConfigurationError, IAMGuardError
from iam_guard.sidecar.alone import Alone
from iam_guard.sidecar.colleague import Colleague
from iam_guard.sidecar.control import Whole
from iam_guard.sidecar.hub import Hub, Outline
from iam_guard.sidecar.ledger import Ledger
from iam_guard.sidecar.loaded import Sidecar
from iam_guard.sidecar.settings import SidecarSettings

_logger = logging.getLogger("iam_guard")
_PAGE_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Listening:
    """A door that answers.

    Attributes:
        name: As the settings call it.
        address: Where it is.
        secure: Over TLS.
    """

    name: str
    address: Address
    secure: bool


Tell = Callable[[int, list[Listening]], None]


def log_to_stderr() -> None:
    """Log as a program of its own does."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def run_sidecar(path: Path, workers: int, tell: Tell) -> None:
    """Serve until SIGTERM or SIGINT; a change of the settings file, or SIGHUP, takes up new settings.

    Args:
        path: The settings file.
        workers: Processes; 0 for what the settings say.
        tell: Told of the number of processes, and of all doors, when calls are answered.

    Raises:
        ConfigurationError: with everything that is wrong with the settings; an address is taken or not ours.
        UnavailableError: something did not start, or a server ended by itself.
    """
    watched = Watched([path])
    text = read_text(path)
    settings = load_settings(path, text=text)
    count = workers or (settings.values.sidecar or SidecarSettings()).workers
    if count == 1:
        _run_alone(path, settings, watched, tell)
    else:
        make_sidecar(settings, Around(workers=count))  # proves them, before anybody is started
        _run_workers(path, text, settings, count, watched, tell)


def _run_alone(path: Path, settings: Settings, watched: Watched, tell: Tell) -> None:
    ledger, page_key = Ledger(), os.urandom(_PAGE_KEY_BYTES)

    def load(whole: Whole) -> Sidecar:
        return make_sidecar(load_settings(path), Around(whole, ledger, page_key, 1))

    async def serve() -> None:
        alone = Alone(load, watched)
        first = make_sidecar(settings, Around(alone, ledger, page_key, 1))
        await alone.serve(first, lambda bound: tell(1, _listening(settings, bound)))

    _run(serve())


def _run_workers(path: Path, text: str, settings: Settings, count: int, watched: Watched, tell: Tell) -> None:
    sockets, page_key = Sockets(), os.urandom(_PAGE_KEY_BYTES)
    grace = (settings.values.sidecar or SidecarSettings()).grace_seconds
    try:
        first = _outline(text, settings, sockets)
        hub = Hub(count, first, lambda before: _read(path, count, settings, sockets), sockets,
                  lambda: tell(count, _listening(settings, sockets.bound())), lambda place: workers.renew(place),
                  watched)
        workers = Workers(count, run_worker, lambda place: (str(path), count, page_key, *hub.arguments(place)), grace,
                          between=hub.pass_time, on_hangup=hub.hang_up, on_end=hub.close)
        workers.supervise()
    finally:
        sockets.keep(())


def run_worker(path: str, count: int, page_key: bytes, place: int, connection: Connection, text: str,
               sockets: dict[Address, socket.socket], parent: int) -> None:
    """Serve in this process as one of several.

    Args:
        path: The settings file.
        count: How many processes there are.
        page_key: Seals the page tokens of searches, which any of them may be asked to go on with.
        place: Its number among them.
        connection: To the parent.
        text: What the settings file said.
        sockets: What listens.
        parent: The process that started it; the connection tells when it has gone.
    """
    log_to_stderr()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the parent is told, and tells
    ledger = Ledger()

    def load(said: str, whole: Whole) -> Sidecar:
        return make_sidecar(load_settings(path, text=said), Around(whole, ledger, page_key, count))

    async def serve() -> None:
        await Colleague(place, connection, sockets, load).serve(text)

    try:
        _run(serve())
    except IAMGuardError as problem:
        _logger.error("a worker cannot serve: %s", problem)
        connection.send(("failed", str(problem)))
        sys.exit(1)


def _read(path: Path, count: int, first: Settings, sockets: Sockets) -> Outline:
    """The settings as they are now, with their sockets open.

    Raises:
        ConfigurationError: with everything that is wrong with them.
    """
    text = read_text(path)
    settings = load_settings(path, text=text)
    check_sidecar(settings.values, settings.origin, count)
    return _outline(text, settings, sockets)


def _outline(text: str, settings: Settings, sockets: Sockets) -> Outline:
    plan = _plan(settings)
    addresses = tuple(dict.fromkeys(door.address for door in plan.all()))
    for address in addresses:
        try:
            sockets.open([address])
        except OSError as problem:
            raise ConfigurationError(plan.taken(address, problem)) from None
    return Outline(text, addresses, plan.files())


def _plan(settings: Settings) -> Plan:
    return Plan(settings.values, settings.values.sidecar or SidecarSettings(), settings.origin)


def _listening(settings: Settings, bound: dict[Address, Address]) -> list[Listening]:
    return [Listening(door.name, bound[door.address], door.tls is not None) for door in _plan(settings).all()]


def _run(serving: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serving)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """The fastest event loop that is installed."""
    import uvicorn

    config = uvicorn.Config("nothing:served", log_config=None)
    found: type[asyncio.AbstractEventLoop] | None = config.get_loop_factory()  # type: ignore[assignment]
    return found
