"""What the benchmark asks of an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from benchmarks.workloads import Question, Workload


class Engine(Protocol):
    """One way to decide.

    Attributes:
        name: How tables call it.
    """

    name: str

    def __init__(self, workload: Workload) -> None:
        """Write the workload's statements in the engine's own language. Not timed."""

    @property
    def decide(self) -> Callable[[Any], Any]:
        """Answers a prepared request; truthy when allowed. This is what is timed, and nothing else."""

    def load(self) -> None:
        """Read those statements and make ready to decide. Timed."""

    def request(self, question: Question) -> Any:
        """Write one question as callers of the engine would hand it over. Not timed."""


def unsupported(engine: type[Engine], workload: Workload) -> str:
    """Why an engine is not run on a workload; empty when it is."""
    why: Callable[[Workload], str] | None = getattr(engine, "unsupported", None)
    return why(workload) if why else ""
