"""What policies cost besides decisions: loading them, keeping them, meeting a caller, changing one of them."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import dataclass, replace
from statistics import median, quantiles
from time import thread_time_ns

from benchmarks.engines.ours import Ours
from benchmarks.measure import FIRST, block_times, timed_load
from benchmarks.workloads import Workload, many_tenants, one_service, worst_case
from iam_guard.engine.attachments import Policy
from iam_guard.policy.parse import parse_policy


@dataclass(frozen=True)
class Upkeep:
    """Figures of iam_guard alone.

    Attributes:
        stored: How many statements the first three and the last two figures are about.
        load_ms: JSON texts to the first answer.
        bytes_per_statement: What a statement keeps occupied, its text included, before anybody asks.
        bytes_asked: The same after every busy caller asked about every action.
        first_us: Median of the first decision of a set of policies and an action (W1 and W2 1k together).
        first_p99_us: The 99th percentile of it.
        first_worst_ms: The first decision of the caller with 1,000 applicable statements.
        change_ms: One policy of all these changed, until a decision obeys it.
        unchanged_us: The next decision of callers whose policies did not change.
    """

    stored: int
    load_ms: float
    bytes_per_statement: float
    bytes_asked: float
    first_us: float
    first_p99_us: float
    first_worst_ms: float
    change_ms: float
    unchanged_us: float


def measure_upkeep(stored: int) -> Upkeep:
    """Measure everything, on W2 with *stored* statements where size matters."""
    workload = many_tenants(stored, busy=100)
    engine = Ours(workload)
    load_ms = timed_load(engine)
    change_ms, unchanged_us = _change(engine, workload)
    del engine
    first, p99 = _first()
    return Upkeep(stored, load_ms, *_memory(workload), first, p99, _first_of_worst(), change_ms, unchanged_us)


def _first() -> tuple[float, float]:
    times: list[float] = []
    for workload in (one_service(), many_tenants(1_000, busy=100)):
        for _ in range(3):
            engine = Ours(workload)
            engine.load()
            times += block_times(engine.decide, [engine.request(one) for one in workload.first_meetings()], 1)
    return median(times) / 1e3, quantiles(times, n=100)[98] / 1e3


def _first_of_worst() -> float:
    """Milliseconds that the caller with 1,000 applicable statements waits once; the median of five sets."""
    workload = worst_case()
    times = []
    for _ in range(5):
        engine = Ours(workload)
        engine.load()
        times += block_times(engine.decide, [engine.request(one) for one in workload.questions(FIRST, 1)], 1)
    return median(times) / 1e6


def _memory(workload: Workload) -> tuple[float, float]:
    """Bytes a statement, before and after the busy callers asked. A slow pass; no time is taken in it."""
    gc.collect()
    tracemalloc.start()
    engine = Ours(workload)
    engine.load()
    engine.texts.clear()
    before = _traced()
    for question in workload.rehearsal():
        engine.decide(engine.request(question))
    after = _traced()
    tracemalloc.stop()
    return before / workload.stored, after / workload.stored


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _change(engine: Ours, workload: Workload) -> tuple[float, float]:
    """Deny everything in one group of a busy caller, and see how soon that is obeyed."""
    for question in workload.rehearsal():
        engine.decide(engine.request(question))
    touched = next(one for one in workload.stream(FIRST) if engine.decide(engine.request(one)))
    request = engine.request(touched)
    others = [engine.request(one) for one in workload.first_meetings() if one.caller is not touched.caller]
    old = engine.policies.attachments
    group = next(arn for arn in old.groups if f":{touched.caller.account}:" in arn)
    gc.collect()
    start = thread_time_ns()
    document = parse_policy(_DENY_ALL)
    changed = engine.policies.successor(replace(old, groups={**old.groups, group: (Policy("changed", document),)}),
                                        revision="2")
    decision = changed.evaluate(request)
    change_ms = (thread_time_ns() - start) / 1e6
    if decision.allowed or decision.policy_id != "changed":
        raise AssertionError("the changed policy is not obeyed")
    return change_ms, median(block_times(changed.evaluate, others, 1)) / 1e3


_DENY_ALL = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'
