"""Worker processes: what happens to them before they are there."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from iam_guard.asgi.signals import heeding_signals
from iam_guard.asgi.workers import Workers

PATIENCE = 30.0


def hung_up_at_once(folder: str, parent: int) -> None:
    """A worker that its parent's hangup reaches before it heeds signals."""
    os.kill(os.getpid(), signal.SIGHUP)
    asyncio.run(_heed(Path(folder)))


async def _heed(folder: Path) -> None:
    stop, reload = asyncio.Event(), asyncio.Event()
    with heeding_signals(stop, reload):
        async with asyncio.timeout(PATIENCE):
            await reload.wait()
            (folder / str(os.getpid())).write_text("heard")
            await stop.wait()


def test_a_hangup_that_comes_too_early_is_heeded_later(tmp_path: Path) -> None:
    rounds = 0

    def until_heard(seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        signal.sigtimedwait([], seconds)
        if len(list(tmp_path.iterdir())) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        assert rounds * seconds < PATIENCE

    Workers(2, hung_up_at_once, (str(tmp_path),), 5, between=until_heard).supervise()
    assert [one.read_text() for one in tmp_path.iterdir()] == ["heard", "heard"]
    assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
