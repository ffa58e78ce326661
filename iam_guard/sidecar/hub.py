"""What the parent of worker processes does between their starts: asks all of them, and gives all of them new settings.

New settings are taken up by every worker or by none: each one first makes and starts what they say, and only when all
of them have, calls get the new. Sockets are opened here, once, and handed over.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing import Pipe, reduction
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from iam_guard.asgi.listening import Address
from iam_guard.asgi.reload import ReloadStatus, Watched, told
from iam_guard.asgi.sockets import Sockets
from iam_guard.errors import UnavailableError
from iam_guard.sidecar.alone import LOOK_SECONDS

#: How long a question may take, and how long new settings may take to start.
ASK_SECONDS, PREPARE_SECONDS = 3.0, 60.0
#: Signals that are heard together.
_MANY = 64


@dataclass(frozen=True, slots=True)
class Outline:
    """Settings, as far as the parent needs to know them.

    Attributes:
        text: The settings file.
        addresses: Where something listens.
        files: What they are made of; a change of one of them is a reason to read them again.
    """

    text: str
    addresses: tuple[Address, ...]
    files: tuple[Path, ...]


@dataclass(slots=True)
class _Round:
    """A question that was put to several workers.

    Attributes:
        waiting: Those that have not answered.
        until: When it is over.
        done: Told of what they said, by worker, and of how many said nothing.
    """

    waiting: set[int]
    until: float
    done: Callable[[dict[int, Any], int], None]
    got: dict[int, Any] = field(default_factory=dict)


class Hub:
    """Connects workers.

    Args:
        count: How many there are.
        first: What they serve at first.
        read: The settings as they are now, compared with what is served, and with their sockets open.
        sockets: What listens.
        on_ready: Called when all of them serve for the first time.
        renew: Lets one worker stop, and another take its place.
        watched: What is looked at for changes.
    """

    def __init__(self, count: int, first: Outline, read: Callable[[Outline], Outline], sockets: Sockets,
                 on_ready: Callable[[], None], renew: Callable[[int], None], watched: Watched) -> None:
        self._count, self._outline, self._read, self._sockets = count, first, read, sockets
        self._on_ready, self._renew = on_ready, renew
        self._connections: dict[int, Connection] = {}
        self._handed: list[Connection] = []
        self._ready: set[int] = set()
        self._has_started = self._wanted = self._taking = False
        self._rounds: dict[int, _Round] = {}
        self._number = 0
        self._status = ReloadStatus()
        self._watched = watched
        self._watched.follow(first.files)
        self._looked = time.monotonic()
        self._alarm, ringing = socket.socketpair()
        for one in (self._alarm, ringing):
            one.setblocking(False)
        self._ringing = ringing
        signal.set_wakeup_fd(ringing.fileno())  # a signal ends the waiting

    def arguments(self, place: int) -> tuple[Any, ...]:
        """What a worker that starts is given."""
        self._lost(place)
        here, there = Pipe()
        self._connections[place] = here
        self._handed.append(there)
        return place, there, self._outline.text, dict(self._sockets.all)

    def hang_up(self) -> None:
        """Take up the settings as they are now."""
        self._wanted = True

    def pass_time(self, seconds: float) -> None:
        """Do what there is to do, for so long, or until there is a signal.

        Raises:
            UnavailableError: a worker did not start when all did for the first time.
        """
        while self._handed:  # the worker has it by now
            self._handed.pop().close()
        until, rang = time.monotonic() + seconds, False
        while not rang and (left := until - time.monotonic()) > 0:
            rang = self._hear(left)
            self._end_rounds()
            if self._has_started and not self._taking and self._is_reload_wanted():
                self._begin_reload()

    def close(self) -> None:
        """Let go of everything."""
        self._sockets.keep(())
        signal.set_wakeup_fd(-1)
        self._alarm.close()
        self._ringing.close()

    def _hear(self, seconds: float) -> bool:
        """Wait for messages, so long; whether a signal came."""
        places = {connection: place for place, connection in self._connections.items()}
        found = wait([*places, self._alarm], seconds)
        for place in [places[one] for one in found if isinstance(one, Connection)]:
            try:
                self._heard(place, self._connections[place].recv())
            except (EOFError, OSError):
                self._lost(place)
        return self._alarm in found and bool(self._alarm.recv(_MANY))

    def _heard(self, place: int, message: tuple[Any, ...]) -> None:
        match message:
            case ("ready",):
                self._ready.add(place)
                if not self._has_started and len(self._ready) == self._count:
                    self._has_started = True
                    self._on_ready()
            case ("failed", why):
                if not self._has_started:
                    raise UnavailableError(f"a worker did not start: {why}")
            case ("told", number, value):
                if number in self._rounds and place in self._rounds[number].waiting:
                    self._rounds[number].waiting.discard(place)
                    self._rounds[number].got[place] = value
            case ("gather", number, what):
                self._ask(what, ASK_SECONDS, lambda got, silent: self._send(
                    place, ("answer", number, tuple(got[one] for one in sorted(got)), self._status, silent)))

    def _lost(self, place: int) -> None:
        """A worker has gone."""
        connection = self._connections.pop(place, None)
        if connection is None:
            return
        connection.close()
        self._ready.discard(place)
        for one in self._rounds.values():
            one.waiting.discard(place)
        if not self._has_started:
            raise UnavailableError("a worker ended before all had started; the log says why")

    def _send(self, place: int, message: tuple[Any, ...], sockets: Iterable[Any] = ()) -> None:
        connection = self._connections.get(place)
        if connection is None:
            return
        try:
            connection.send(message)
            for listening in sockets:
                reduction.send_handle(connection, listening.fileno(), None)
        except OSError:
            self._lost(place)

    def _ask(self, what: str, seconds: float, done: Callable[[dict[int, Any], int], None], *more: Any,
             sockets: Iterable[Any] = ()) -> None:
        """Put a question to everybody who serves."""
        self._number += 1
        self._rounds[self._number] = _Round(set(self._ready), time.monotonic() + seconds, done)
        for place in list(self._ready):
            self._send(place, (what, self._number, *more), sockets)

    def _end_rounds(self) -> None:
        now = time.monotonic()
        for number, one in list(self._rounds.items()):
            if not one.waiting or now > one.until:
                del self._rounds[number]
                one.done(one.got, len(one.waiting))

    def _is_reload_wanted(self) -> bool:
        now = time.monotonic()
        if not self._wanted and now - self._looked < LOOK_SECONDS:
            return False
        self._looked = now
        wanted, self._wanted = self._watched.have_changed() or self._wanted, False
        return wanted

    def _begin_reload(self) -> None:
        before = set(self._sockets.all)
        try:
            outline = self._read(self._outline)
        except Exception as problem:
            self._refused(told(problem))
            return
        self._taking = True
        fresh = {address: one for address, one in self._sockets.all.items() if address not in before}
        self._ask("prepare", PREPARE_SECONDS, lambda got, silent: self._prepared(outline, got, silent), outline.text,
                  list(fresh), sockets=fresh.values())

    def _prepared(self, outline: Outline, got: dict[int, str], silent: int) -> None:
        """Every worker has started what the settings say, or has told why it cannot."""
        refused = [why for why in got.values() if why] or (["a worker does not answer"] if silent or not got else [])
        if refused:
            self._ask("drop", ASK_SECONDS, lambda *_: None)
            self._refused(refused[0])
            return
        self._outline = outline
        self._watched.follow(outline.files)
        self._ask("take", ASK_SECONDS, self._taken)
        self._status.taken()

    def _taken(self, got: dict[int, bool], silent: int) -> None:
        """Whoever has not taken them up, as it was just starting, is replaced by one that begins with them."""
        self._taking = False
        self._sockets.keep(self._outline.addresses)
        for place in list(self._connections):
            if not got.get(place):
                self._renew(place)

    def _refused(self, why: str) -> None:
        self._taking = False
        self._sockets.keep(self._outline.addresses)
        self._status.kept(why)
        self._ask("check", ASK_SECONDS, lambda *_: None)  # whatever is wrong with the settings, policies are read
