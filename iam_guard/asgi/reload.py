"""New settings for a program that is running: calls that have begun end with the old ones, others get the new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from iam_guard.asgi.lifespan import Part
from iam_guard.errors import IAMGuardError

_logger = logging.getLogger("iam_guard")


class Loaded(Protocol):
    """Something that was made of settings, and was not started."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What it was read from; a change of one of them is a reason to load again."""

    @property
    def linger_seconds(self) -> float:
        """How long calls may go on after others have replaced it."""

    def life(self) -> Part:
        """What starts and closes it."""


L = TypeVar("L", bound=Loaded)
T = TypeVar("T")


class Generation(Generic[L]):
    """What runs by one version of the settings, and whoever it serves.

    Args:
        loaded: What was made of them.
    """

    def __init__(self, loaded: L) -> None:
        self.loaded = loaded
        self._serving: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._life = loaded.life()

    async def start(self) -> None:
        """Start it, with everything around it.

        Raises:
            UnavailableError: it does not start.
        """
        await self._life.start()

    async def serve(self, call: Awaitable[T]) -> T:
        """Serve one call, in the task of its own that every server gives it."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a server runs each request in a task")
        self._serving.add(task)
        self._idle.clear()
        try:
            return await call
        finally:
            self._serving.discard(task)
            if not self._serving:
                self._idle.set()

    async def retire(self, seconds: float) -> None:
        """Close when everybody is served, and after some time in any case."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            _logger.warning("%d requests of replaced settings are ended", len(self._serving))
            for task in self._serving:
                task.cancel()
            await self._idle.wait()
        await self._life.close()


@dataclass(slots=True)
class ReloadStatus:
    """What became of the settings.

    Attributes:
        done: How often others were taken up.
        failed: How often they could not be.
        error: Why the last ones could not be; empty when they could.
    """

    done: int = 0
    failed: int = 0
    error: str = ""

    def taken(self) -> None:
        """Others are in use."""
        self.done += 1
        self.error = ""
        _logger.info("new settings are in use")

    def kept(self, why: str) -> None:
        """They are not."""
        self.failed += 1
        self.error = why
        _logger.error("the settings are not taken up, those from before stay in use: %s", why)


@dataclass(slots=True)
class Reloading(Generic[L]):
    """Always the newest good settings.

    Attributes:
        generation: What serves new calls.
        load: Makes another of the settings as they are now; it may block.
        on_change: Told of the new one before it serves; may refuse it with an error.
        status: What became of the settings.
    """

    generation: Generation[L]
    load: Callable[[], L]
    on_change: Callable[[L], None] = lambda loaded: None
    status: ReloadStatus = field(default_factory=ReloadStatus)
    _retiring: set[asyncio.Task[None]] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reload(self) -> bool:
        """Take up the settings as they are now; when anything is wrong with them, the old ones stay.

        Returns:
            Whether they were taken up.
        """
        async with self._turn:
            try:
                fresh = await self.prepared(self.load)
                await self.take(fresh)
            except Exception as problem:
                self.status.kept(told(problem))
                return False
            self.status.taken()
            return True

    async def prepared(self, load: Callable[[], L]) -> Generation[L]:
        """Another generation, started and serving nobody.

        Raises:
            IAMGuardError: something is wrong with the settings, or it does not start.
        """
        fresh = Generation(await asyncio.to_thread(load))
        await fresh.start()
        return fresh

    async def take(self, fresh: Generation[L]) -> None:
        """Let it serve new calls; the one from before closes when its calls have ended.

        Raises:
            Exception: it was refused, and is closed.
        """
        try:
            self.on_change(fresh.loaded)
        except BaseException:
            await fresh.retire(1)
            raise
        old, self.generation = self.generation, fresh
        task = asyncio.get_running_loop().create_task(old.retire(fresh.loaded.linger_seconds))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        """Close everything, those that linger included."""
        async with self._turn:
            await asyncio.gather(self.generation.retire(1), *self._retiring)


def told(problem: Exception) -> str:
    """Why settings were not taken up; what nobody thought of is in the log."""
    if isinstance(problem, IAMGuardError):
        return str(problem)
    _logger.error("the settings could not be loaded", exc_info=problem)
    return type(problem).__name__


class Watched:
    """Files that settings are read from, looked at again and again.

    Args:
        files: Those that are known before anything is read, so that no change is missed.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        known = tuple(files)
        self._seen = dict(zip(known, stamp(known), strict=True))

    def have_changed(self) -> bool:
        """Whether one is another than at the last look."""
        now = dict(zip(self._seen, stamp(self._seen), strict=True))
        changed, self._seen = now != self._seen, now
        return changed

    def follow(self, files: Iterable[Path]) -> None:
        """Look at these from now on; changes since the last look count for those that were looked at before."""
        known = tuple(files)
        self._seen = {file: self._seen.get(file, now) for file, now in zip(known, stamp(known), strict=True)}


def stamp(files: Iterable[Path]) -> tuple[tuple[int, int, int] | None, ...]:
    """What tells whether files are others than before."""
    def of(file: Path) -> tuple[int, int, int] | None:
        try:
            about = file.stat()
        except OSError:
            return None
        return about.st_ino, about.st_mtime_ns, about.st_size

    return tuple(of(file) for file in files)
