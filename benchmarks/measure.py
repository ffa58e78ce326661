"""Clocks: what a decision costs, cold and hot.

Decisions are timed in blocks, since reading the clock costs as much as a fast decision; a figure is the median
over blocks. Requests are built beforehand and each is asked once, save where the same one is wanted again. The
clock counts processor time of this thread: what else the machine does hardly shows. No engine waits or uses
other threads, so on an idle machine it is the time that passes.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import thread_time_ns
from typing import Any

from benchmarks.engines.port import Engine
from benchmarks.workloads import Question, Workload

#: Requests of a block. Slow engines are timed one by one. The bound is far from what fast ones take: a median of
#: blocks and one of single requests differ where few requests are dear, so chance must not choose between them.
BLOCK = 50
_SLOW_NS = 1_000_000
#: Seeds of the streams: one is asked before the clock runs, another while it runs, another to tell first decisions.
WARM, TIMED, FIRST = 0, 1, 2


class DisagreementError(Exception):
    """Two engines answer a question differently, so their times mean nothing."""


@dataclass(frozen=True)
class Timed:
    """What was measured of one engine on one workload.

    Attributes:
        cold: Median microseconds of requests not seen before.
        hot: Median microseconds of the same request again and again.
        load_ms: Milliseconds from the engine's own notation to ready.
        asked: How many different requests were timed.
    """

    cold: float
    hot: float
    load_ms: float
    asked: int


@dataclass(frozen=True)
class Limits:
    """How much work to put into one figure.

    Attributes:
        seconds: About how long to time one engine on one workload.
        requests: No more different requests than this.
        rounds: Engines take turns this often, so that a busy moment of the machine hits all alike.
    """

    seconds: float
    requests: int
    rounds: int = 3


def measure(engines: Sequence[Engine], workload: Workload, truth: Engine, limits: Limits,
            tell: Callable[[str], None] = lambda text: None) -> list[Timed]:
    """Load engines, check all their verdicts against *truth*, and time them in turns.

    Args:
        engines: Not loaded yet.
        workload: What they were made for.
        truth: A loaded engine that gives the right answers.
        limits: How much to do.
        tell: Takes a line about what is being done.

    Raises:
        DisagreementError: an engine's answer to a timed question is not that of *truth*.
    """
    runs = []
    for engine in engines:
        tell(f"{workload.name}: loading {engine.name}")
        runs.append(_Run(engine, workload, limits))
    gc.collect()
    gc.freeze()
    try:
        for turn in range(limits.rounds):
            for run in runs:
                tell(f"{workload.name}: timing {run.engine.name}, round {turn + 1} of {limits.rounds}")
                run.turn(turn)
    finally:
        gc.unfreeze()
    tell(f"{workload.name}: comparing the answers")
    asked = max((run.questions for run in runs), key=len, default=[])
    answers = [bool(truth.decide(truth.request(one))) for one in asked]
    for run in runs:
        check_verdicts(run.engine, run.questions, answers)
    return [run.timed() for run in runs]


class _Run:
    """One engine on one workload: loaded, acquainted with every caller and action, ready to be timed."""

    def __init__(self, engine: Engine, workload: Workload, limits: Limits) -> None:
        self.engine = engine
        self.load_ms = timed_load(engine)
        self.each = _settle(engine, workload.rehearsal(), workload.questions(WARM, 9))
        self.size = 1 if self.each > _SLOW_NS else BLOCK
        wanted = min(limits.requests, int(limits.seconds * 1e9 / self.each)) // limits.rounds
        self.part = max(4, wanted) if self.size == 1 else max(1, wanted // BLOCK) * BLOCK
        self.questions = workload.questions(TIMED, self.part * limits.rounds)
        self.cold: list[float] = []
        self.hot: list[float] = []

    def turn(self, number: int) -> None:
        """Time a part of the questions, each once, and some of them again and again."""
        questions = self.questions[number * self.part:][:self.part]
        requests = [self.engine.request(one) for one in questions]
        self.cold += block_times(self.engine.decide, requests, self.size)
        for question in questions[:3 if self.size == 1 else 10]:
            again = [self.engine.request(copy.deepcopy(question)) for _ in range(self.size * 3)]
            self.hot.append(min(block_times(self.engine.decide, again, self.size)))

    def timed(self) -> Timed:
        return Timed(median(self.cold) / 1e3, median(self.hot) / 1e3, self.load_ms, len(self.questions))


def timed_load(engine: Engine) -> float:
    """Milliseconds until ready."""
    gc.collect()
    start = thread_time_ns()
    engine.load()
    return (thread_time_ns() - start) / 1e6


def _settle(engine: Engine, questions: Sequence[Question], usual: Sequence[Question]) -> float:
    """Let an engine meet every caller and action once; returns nanoseconds of a usual decision, roughly.

    An engine that takes longer than two seconds over that prepares nothing, so it is spared the rest.
    """
    deadline = thread_time_ns() + 2_000_000_000
    for question in questions:
        engine.decide(engine.request(question))
        if thread_time_ns() > deadline:
            break
    return median(block_times(engine.decide, [engine.request(one) for one in usual], 1))


def block_times(decide: Callable[[Any], Any], requests: Sequence[Any], size: int) -> list[float]:
    """Nanoseconds a decision, one figure a block of *size* requests."""
    times = []
    for start in range(0, len(requests) - size + 1, size):
        block = requests[start:start + size]
        begun = thread_time_ns()
        for request in block:
            decide(request)
        times.append((thread_time_ns() - begun) / size)
    return times


def check_verdicts(engine: Engine, questions: Sequence[Question], answers: Sequence[bool]) -> None:
    """Compare an engine's answers with the right ones.

    Raises:
        DisagreementError: they differ.
    """
    for question, right in zip(questions, answers, strict=False):
        answer = bool(engine.decide(engine.request(question)))
        if answer is not right:
            raise DisagreementError(f"{engine.name} says {answer}, which is wrong, to {question}")
