"""What decisions have to achieve, and whether they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.measure import Timed
from benchmarks.upkeep import Upkeep

#: Figures by engine and workload.
Figures = Mapping[str, Mapping[str, Timed]]


@dataclass(frozen=True)
class Target:
    """One line of the verdict.

    Attributes:
        what: The figure.
        value: What was measured.
        bound: What it must not pass.
        unit: Of both.
        at_least: Whether more is better.
    """

    what: str
    value: float
    bound: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def targets(figures: Figures, upkeep: Upkeep | None) -> list[Target]:
    """Every target that can be judged from what was measured."""
    return [*_decisions(figures), *(_upkeep(upkeep) if upkeep else ())]


def _decisions(figures: Figures) -> Iterator[Target]:
    ours = figures.get("ours", {})
    for name, bound in _COLD.items():
        for workload in ours:
            if workload.partition(" ")[0] == name and not workload.endswith("busy"):
                yield Target(f"{workload} cold", ours[workload].cold, bound, "µs")
                yield from _ratios(figures, workload, name)
    sizes = [workload for workload in ours if workload.startswith("W2 ") and not workload.endswith("busy")]
    if len(sizes) > 1:
        yield Target(f"{sizes[-1]} over {sizes[0]}, cold", ours[sizes[-1]].cold / ours[sizes[0]].cold, 1.5, "x")
    for workload, timed in ours.items():
        if workload in _HOT:
            yield Target(f"{workload} hot", timed.hot, 1, "µs")


def _ratios(figures: Figures, workload: str, name: str) -> Iterator[Target]:
    for (of, engine), bound in _TIMES_FASTER.items():
        peer = figures.get(engine, {}).get(workload)
        if of == name and peer:
            yield Target(f"{workload} cold, {_PEERS[engine]} over ours", peer.cold / figures["ours"][workload].cold,
                         bound, "x", at_least=True)


def _upkeep(upkeep: Upkeep) -> Iterator[Target]:
    yield Target("first decision of a (plan, action), 99th percentile, W1 and W2", upkeep.first_p99_us, 300, "µs")
    yield Target("first decision of the caller with 1,000 statements", upkeep.first_worst_ms, 20, "ms")
    if upkeep.stored < 100_000:
        return
    yield Target("load and index 100,000 statements", upkeep.load_ms, 3_000, "ms")
    yield Target("memory of a statement", upkeep.bytes_per_statement, 1_024, "bytes")
    yield Target("one policy changed among 100,000 statements, visible after", upkeep.change_ms, 10, "ms")


_COLD = {"W1": 4.0, "W2": 3.0, "W3": 15.0, "W3b": 60.0}
_HOT = ("W1", "W2 100k", "W2 10k")
_PEERS = {"cedar": "cedarpy at its best", "loop": "plain loop"}
_TIMES_FASTER = {("W1", "cedar"): 40, ("W1", "loop"): 8, ("W2", "cedar"): 25, ("W3", "cedar"): 200}
