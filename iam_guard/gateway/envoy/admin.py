"""What a running Envoy tells of itself, and can be told, over its administration interface.

It is spoken to on a Unix socket in a folder that only this user can open: whoever reaches the administration of an
Envoy can end it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec

_SECONDS = 5
_UNIX = "unix:"


class Admin:
    """Speaks to an Envoy.

    Args:
        path: Its socket.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    async def is_ready(self) -> bool:
        """Whether it serves."""
        return (await self._ask("GET", "/ready")).strip() == "LIVE"

    async def numbers(self, *names: str) -> tuple[int, ...] | None:
        """Some of its counters and gauges, 0 for one that there is not; ``None`` when it does not answer.

        Args:
            names: In full.
        """
        known = await self._counted("|".join(map(re.escape, names)))
        return None if known is None else tuple(known.get(name, 0) for name in names)

    async def total(self, pattern: str) -> int | None:
        """Several of them together; ``None`` when it does not answer.

        Args:
            pattern: A regular expression for their names.
        """
        known = await self._counted(pattern)
        return None if known is None else sum(known.values())

    async def _counted(self, pattern: str) -> dict[str, int] | None:
        told = await self._ask("GET", f"/stats?{urlencode({'filter': f'^({pattern})$', 'format': 'json'})}")
        try:
            stats: list[Any] = msgspec.json.decode(told)["stats"]
            return {one["name"]: int(one["value"]) for one in stats if "name" in one}
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            return None

    async def address(self) -> str:
        """Where it listens, ``HOST:PORT`` or ``unix:PATH``; empty when it does not tell."""
        told = await self._ask("GET", "/listeners?format=json")
        try:
            place = msgspec.json.decode(told)["listener_statuses"][0]["local_address"]
            if "pipe" in place:
                return f"{_UNIX}{place['pipe']['path']}"
            host, port = place["socket_address"]["address"], place["socket_address"]["port_value"]
        except (msgspec.DecodeError, LookupError, TypeError):
            return ""
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def end_connections(self) -> None:
        """Let each connection end with its next answer, and take new ones as before."""
        await self._ask("POST", "/healthcheck/fail")

    async def stop_listening(self) -> None:
        """Take no new connections; requests that run go on."""
        await self._ask("POST", "/drain_listeners?skip_exit")

    async def _ask(self, method: str, path: str) -> str:
        """What it answers; nothing when it cannot be reached."""
        try:
            transport = httpx.AsyncHTTPTransport(uds=str(self.path), verify=False)
            async with httpx.AsyncClient(transport=transport) as client:
                return (await client.request(method, f"http://envoy{path}", timeout=_SECONDS)).text
        except httpx.HTTPError:
            return ""
