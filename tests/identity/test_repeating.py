"""Work that is repeated: a pause first, one task however often it is started, none after it was stopped."""

import asyncio
import threading

from iam_guard.identity.repeating import Repeating


class Steps:
    """Pauses that end when the test says so."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.done = 0
        self.thread: int | None = None
        self._gate, self._paused = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self._paused.release()
        await self._gate.acquire()

    def work(self) -> None:
        self.done += 1
        self.thread = threading.get_ident()

    async def pass_one(self) -> None:
        """Let the pause under way end, and wait for the next."""
        async with asyncio.timeout(5):
            await self._paused.acquire()
            self._gate.release()
            await self._paused.acquire()
        self._paused.release()


def test_each_round_pauses_and_then_works_in_another_thread() -> None:
    async def run() -> None:
        steps = Steps()
        repeating = Repeating(steps.work, 7, "test", sleep=steps.sleep)
        repeating.start()
        await asyncio.sleep(0)
        assert (steps.asked, steps.done) == ([7], 0)
        await steps.pass_one()
        await steps.pass_one()
        assert (steps.asked, steps.done) == ([7, 7, 7], 2)
        assert steps.thread != threading.get_ident()
        await repeating.stop()

    asyncio.run(run())


def test_a_second_start_makes_no_second_task() -> None:
    async def run() -> None:
        steps = Steps()
        repeating = Repeating(steps.work, 7, "only one", sleep=steps.sleep)
        repeating.start()
        repeating.start()
        await asyncio.sleep(0)
        assert [task.get_name() for task in asyncio.all_tasks()].count("only one") == 1
        await repeating.stop()

    asyncio.run(run())


def test_after_a_stop_nothing_runs_and_it_can_begin_again() -> None:
    async def run() -> None:
        steps = Steps()
        repeating = Repeating(steps.work, 7, "stopped", sleep=steps.sleep)
        await repeating.stop()
        repeating.start()
        assert repeating.runs
        await repeating.stop()
        assert not repeating.runs
        assert "stopped" not in [task.get_name() for task in asyncio.all_tasks()]
        repeating.start()
        await asyncio.sleep(0)
        await steps.pass_one()
        assert steps.done == 1
        await repeating.stop()

    asyncio.run(run())
