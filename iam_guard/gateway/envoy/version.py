"""One version of the settings, as an Envoy and the guard that it asks serve it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from iam_guard.asgi.lifespan import Part
from iam_guard.gateway.envoy.delivery import Delivery
from iam_guard.gateway.envoy.shapes import Shape
from iam_guard.gateway.reload import Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Version(Loaded):
    """See :class:`~iam_guard.gateway.reload.Loaded`; its application serves nobody, since Envoy does.

    Attributes:
        config: Of Envoy.
        guard: What decides, in the order in which it starts.
        delivery: Tells Envoy.
    """

    config: Shape = field(repr=False)
    guard: Sequence[Part]
    delivery: Delivery

    def life(self) -> Part:
        """What starts the guard and has Envoy ask it, and what closes it when Envoy asks it no more."""
        return _Life(self)


class _Life:
    def __init__(self, version: Version) -> None:
        self._version = version
        self._running = AsyncExitStack()

    async def start(self) -> None:
        async with AsyncExitStack() as started:
            for part in self._version.guard:
                started.push_async_callback(part.close)
                await part.start()
            await self._version.delivery.deliver(self._version.config)
            self._running = started.pop_all()

    async def close(self) -> None:
        try:
            await self._version.delivery.withdraw(self._version.config, self._version.linger_seconds)
        finally:
            await self._running.aclose()
