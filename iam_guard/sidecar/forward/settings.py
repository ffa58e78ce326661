"""Doors for forward authorization, as the settings file names them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.sidecar.forward.family import FORWARDED, LINE, ORIGINAL, ORIGINAL_URL, Family

Upgrades = Literal["never", "call", "header"]


class Preset(NamedTuple):
    """What is known of a proxy.

    Attributes:
        family: Which headers it writes itself, whatever its client sends.
        upgrades: How it tells that its client wants a WebSocket.
    """

    family: Family
    upgrades: Upgrades


PRESETS = {
    "nginx": Preset(ORIGINAL, "never"),
    "ingress-nginx": Preset(ORIGINAL_URL, "never"),
    "traefik": Preset(FORWARDED, "never"),
    "caddy": Preset(FORWARDED, "call"),
    "haproxy": Preset(FORWARDED, "never"),
    "apisix": Preset(FORWARDED, "never"),
    "oathkeeper": Preset(FORWARDED, "never"),
}


class ForwardDoor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of proxy that may ask here.

    Attributes:
        proxy: Which; it decides in which headers the client's request is looked for.
        path: Where it asks; by default ``/forward-auth/`` and the name of the proxy, for Oathkeeper's callers
            ``/decisions``.
        upgrades: How the proxy tells that its client wants a WebSocket: ``call`` when its call is an upgrade too,
            ``header`` when it always sets ``X-Original-Upgrade`` (``X-Forwarded-Upgrade`` where it writes the
            ``X-Forwarded-`` family) or removes the client's copy, ``never`` to deny WebSockets. By default what the
            proxy does on its own.
        request_line: The method and the target of the client are those of the call, behind ``path``; for callers of
            Oathkeeper that do not write ``X-Forwarded-Method`` and ``X-Forwarded-Uri``.
        preflights: What becomes of a CORS preflight that the section ``cors`` lets through, since an answer of the
            guard's own cannot reach the client past an open door: ``deny`` it, or let it ``pass`` to an application
            that answers preflights.
        certificates: The proxy writes the headers about client certificates itself, whatever its client sends; asks
            over TCP only.

    Raises:
        ConfigurationError: the path is none, or the settings contradict each other.
    """

    proxy: Literal["nginx", "ingress-nginx", "traefik", "caddy", "haproxy", "apisix", "oathkeeper"]
    path: str = ""
    upgrades: Upgrades | None = None
    request_line: bool = False
    preflights: Literal["deny", "pass"] = "deny"
    certificates: bool = False

    def __post_init__(self) -> None:
        """Check what contradicts itself."""
        path = self.at
        if not path.startswith("/") or path != path.strip() or any(char in path for char in "?#%\\ ") or "//" in path:
            raise ConfigurationError(Fault(f"'{path}' is not a path for a door", "write it like '/forward-auth/nginx'",
                                           "/path"))
        if path.endswith("/"):
            raise ConfigurationError(Fault(f"the path '{path}' of a door ends with a slash", "leave it out", "/path"))
        if self.request_line and self.proxy != "oathkeeper":
            raise ConfigurationError(Fault(f"'{self.proxy}' does not repeat the request line of its client",
                                           "remove 'request_line'", "/request_line"))

    @property
    def at(self) -> str:
        """The path of the door."""
        return self.path or ("/decisions" if self.is_tree else f"/forward-auth/{self.proxy}")

    @property
    def is_tree(self) -> bool:
        """Whether every path below the door's own belongs to it."""
        return self.proxy == "oathkeeper"

    @property
    def drops_bodies(self) -> bool:
        """Whether the proxy shows its client a page of its own."""
        return self.proxy in ("nginx", "ingress-nginx")

    @property
    def family(self) -> Family:
        """The headers to read."""
        return LINE if self.request_line else PRESETS[self.proxy].family

    @property
    def told_upgrades(self) -> Upgrades:
        """How WebSockets are told."""
        return self.upgrades or PRESETS[self.proxy].upgrades


def check_doors(doors: Iterable[ForwardDoor]) -> None:
    """Check that doors do not stand in each other's way.

    Raises:
        ConfigurationError: two have the same path, or one stands below another.
    """
    doors = tuple(doors)
    for place, door in enumerate(doors):
        for other in doors[:place]:
            if door.at == other.at or _below(door, other) or _below(other, door):
                raise ConfigurationError(Fault(
                    f"the doors '{other.proxy}' and '{door.proxy}' share the path '{door.at}'",
                    "give each a path of its own", f"/{place}/path"))


def _below(door: ForwardDoor, tree: ForwardDoor) -> bool:
    return tree.is_tree and door.at.startswith(tree.at + "/")
