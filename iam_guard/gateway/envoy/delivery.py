"""What a running Envoy is told anew, in files that it follows: new connections get it, others end with what was before.

Clusters are told first, and those of before stay as long as a connection uses them. So no request is on its way to a
cluster that is not there, or asks another guard than that of the settings which it began with.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec

from iam_guard.errors import UnavailableError
from iam_guard.gateway.envoy.process import EnvoyProcess
from iam_guard.gateway.envoy.shapes import Shape, typed
from iam_guard.gateway.envoy.writer import connections

_LOOK_AGAIN, _LOOK_FOR_OLD = 0.05, 0.5
#: Seconds that Envoy may take for new settings, first checks of servers included.
_TAKEN_SECONDS = 60.0
#: Seconds beyond those for which connections may linger.
_GRACE_SECONDS = 5.0

_CLUSTER, _LISTENER = "envoy.config.cluster.v3.Cluster", "envoy.config.listener.v3.Listener"
#: For each of the files: where Envoy counts what became of it, and what is not in use yet.
_COUNTED = {"clusters": ("cluster_manager.cds", "cluster_manager.warming_clusters"),
            "listeners": ("listener_manager.lds", "listener_manager.total_listeners_warming")}
#: How often in a row nobody has to be connected: a connection may just be on its way from one thread to another.
_SURELY = 3


class Delivery:
    """Tells an Envoy what to do.

    Args:
        folder: Of its own.
        process: Started with the first delivery.
    """

    def __init__(self, folder: Path, process: EnvoyProcess) -> None:
        self._folder = folder
        self._process = process
        self._in_use: list[Shape] = []
        self._turn = asyncio.Lock()

    async def deliver(self, config: Shape) -> None:
        """Let new connections be served by *config*.

        Args:
            config: As :func:`~iam_guard.gateway.envoy.writer.envoy_config` writes it.

        Raises:
            UnavailableError: Envoy refuses it, and does what it did before.
        """
        async with self._turn:
            if not self._in_use:
                await self._begin(config)
                return
            before = _clusters(self._in_use)
            try:
                await self._tell("clusters", _clusters([*self._in_use, config]))
                await self._tell("listeners", _listeners(config))
            except UnavailableError:
                self._write("clusters", before)
                raise
            self._in_use.append(config)

    async def withdraw(self, config: Shape, seconds: float) -> None:
        """Let go of *config*, which was replaced, when no connection uses it.

        Args:
            config: Was delivered.
            seconds: How long connections may linger.
        """
        with contextlib.suppress(TimeoutError):  # Envoy ends them by itself at that time
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                await self._unused(connections(config))
        async with self._turn:
            self._in_use.remove(config)
            if self._process.runs and self._in_use:
                with contextlib.suppress(UnavailableError):  # it would only know of clusters that nobody asks
                    await self._tell("clusters", _clusters(self._in_use))

    async def _unused(self, counted: str) -> None:
        """Wait until no connection is counted there."""
        in_a_row = 0
        while self._process.runs and in_a_row < _SURELY:
            found = await self._process.admin.numbers(counted)
            in_a_row = in_a_row + 1 if found == (0,) else 0
            await asyncio.sleep(_LOOK_FOR_OLD)

    async def _begin(self, config: Shape) -> None:
        self._write("clusters", _clusters([config]))
        self._write("listeners", _listeners(config))
        followed = {"cds_config": self._followed("clusters"), "lds_config": self._followed("listeners")}
        await self._process.start({**config, "static_resources": {}, "dynamic_resources": followed})
        for kind in _COUNTED:
            await self._taken(kind, (0, 0))
        self._in_use.append(config)

    async def _tell(self, kind: str, resources: list[Shape]) -> None:
        before = await self._outcome(kind)
        self._write(kind, resources)
        await self._taken(kind, before[:2])

    def _write(self, kind: str, resources: list[Shape]) -> None:
        """Envoy reads a file that was moved to this place."""
        aside = self._folder / f"{kind}.new"
        aside.write_bytes(msgspec.json.encode({"resources": resources}))
        aside.replace(self._folder / f"{kind}.json")

    def _followed(self, kind: str) -> Shape:
        return {"path_config_source": {"path": str(self._folder / f"{kind}.json")}, "resource_api_version": "V3"}

    async def _taken(self, kind: str, before: tuple[int, ...]) -> None:
        """Wait until what was written is in use."""
        try:
            async with asyncio.timeout(_TAKEN_SECONDS):
                while True:
                    done, refused, waiting = await self._outcome(kind)
                    if refused > before[1]:
                        raise UnavailableError(f"Envoy refuses its {kind}; its log says why")
                    if done > before[0] and not waiting:
                        return
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise UnavailableError(f"Envoy does not take up its {kind}") from None

    async def _outcome(self, kind: str) -> tuple[int, int, int]:
        """How often it was taken up and refused, and how much of it is not in use yet."""
        counted, waiting = _COUNTED[kind]
        if not self._process.runs:
            raise UnavailableError("Envoy has ended; its log says why")
        found = await self._process.admin.numbers(f"{counted}.update_success", f"{counted}.update_rejected",
                                                  f"{counted}.update_failure", waiting)
        if found is None:
            raise UnavailableError("Envoy does not answer")
        return found[0], found[1] + found[2], found[3]


def _clusters(configs: list[Shape]) -> list[Shape]:
    """Those of all versions, each once."""
    found = {cluster["name"]: cluster for config in configs for cluster in config["static_resources"]["clusters"]}
    return [typed(_CLUSTER, **cluster) for cluster in found.values()]


def _listeners(config: Shape) -> list[Shape]:
    return [typed(_LISTENER, **listener) for listener in config["static_resources"]["listeners"]]
