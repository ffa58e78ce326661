"""Doors: which application answers at which listener, and on which of its paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iam_guard.asgi.listening import Address
from iam_guard.asgi.tls import TLSSettings
from iam_guard.asgi.types import ASGIApp, Receive, Scope, Send
from iam_guard.errors import ConfigurationError, Fault

AtOnce = Callable[..., Any]
#: Status, headers and body.
Prompt = tuple[int, Iterable[tuple[bytes, bytes]], bytes]
Promptly = Callable[[Mapping[str, Any]], Prompt | None]


@dataclass(frozen=True, slots=True)
class Door:
    """One application and where it is reached.

    Attributes:
        name: As the settings call it, for messages.
        app: Answers; an ASGI application without a lifespan. ``None`` for a door that listens by itself.
        address: Where it listens.
        paths: What it answers there; empty for everything.
        trees: Paths below which everything is its own.
        tls: TLS where it listens; those who share an address share this.
    """

    name: str
    app: ASGIApp | None
    address: Address
    paths: frozenset[str] = frozenset()
    trees: tuple[str, ...] = ()
    tls: TLSSettings | None = None

    @property
    def is_alone(self) -> bool:
        """Whether it answers every path of its listener."""
        return not self.paths and not self.trees


class Switchboard:
    """Passes calls to the door whose path they have. Another path is nobody's, and never an answer of 200.

    Args:
        doors: Those of one listener.

    Attributes:
        at_once: Of the door that answers at once what it let in before, where there is one; see ``at_once.py``.

    Raises:
        ConfigurationError: two doors want the same path.
    """

    def __init__(self, doors: Iterable[Door]) -> None:
        self.at_once: AtOnce | None = None
        self._exact: dict[str, ASGIApp] = {}
        self._trees: list[tuple[str, ASGIApp]] = []
        names: dict[str, str] = {}
        for door in doors:
            for path in (*door.paths, *door.trees):
                if path in names:
                    raise ConfigurationError(Fault(f"the doors '{names[path]}' and '{door.name}' both answer '{path}'",
                                                   "give one of them another path or a listener of its own"))
                names[path] = door.name
            app = door.app or nothing_here
            self.at_once = self.at_once or getattr(app, "at_once", None)
            self._exact |= dict.fromkeys(door.paths, app)
            self._trees += [(tree, app) for tree in door.trees]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one call on."""
        await self._app(scope["path"])(scope, receive, send)

    def promptly(self, scope: Mapping[str, Any]) -> Prompt | None:
        """What the door says without waiting, where it can; see ``prompt.py``."""
        answer: Promptly | None = getattr(self._app(scope["path"]), "promptly", None)
        return None if answer is None else answer(scope)

    def _app(self, path: str) -> ASGIApp:
        if (app := self._exact.get(path)) is not None:
            return app
        for tree, below in self._trees:
            if path == tree or path.startswith(tree + "/"):
                return below
        return nothing_here


def apps_by_address(doors: Iterable[Door]) -> dict[Address, ASGIApp]:
    """What is to be served where.

    Args:
        doors: All of them.

    Raises:
        ConfigurationError: two cannot share a listener.
    """
    sharing: dict[Address, list[Door]] = {}
    for door in doors:
        sharing.setdefault(door.address, []).append(door)
    _refuse_overlaps(sharing)
    _refuse_mixtures(sharing)
    apps = {address: _one_app(address, found) for address, found in sharing.items()}
    return {address: app for address, app in apps.items() if app is not None}


def _refuse_overlaps(sharing: dict[Address, list[Door]]) -> None:
    addresses = list(sharing)
    for place, one in enumerate(addresses):
        for other in addresses[:place]:
            if one.overlaps(other):
                raise ConfigurationError(Fault(
                    f"the doors '{sharing[other][0].name}' and '{sharing[one][0].name}' listen at '{other}' and "
                    f"'{one}', which is one port", "give each a port of its own"))


def _refuse_mixtures(sharing: dict[Address, list[Door]]) -> None:
    for address, (first, *others) in sharing.items():
        for other in others:
            if other.tls != first.tls:
                raise ConfigurationError(Fault(
                    f"the doors '{first.name}' and '{other.name}' share '{address}' and not their 'tls'",
                    "write the same for both, or give one of them a listener of its own"))


def _one_app(address: Address, doors: list[Door]) -> ASGIApp | None:
    alone = next((door for door in doors if door.is_alone), None)
    if alone is None:
        return Switchboard(doors)
    if len(doors) > 1:
        other = next(door for door in doors if door is not alone)
        raise ConfigurationError(Fault(f"the door '{alone.name}' answers every path at '{address}', where "
                                       f"'{other.name}' is too", f"give '{alone.name}' a listener of its own"))
    return alone.app


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer where there is no door."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    headers: list[tuple[Any, Any]] = [(b"content-length", b"0"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
