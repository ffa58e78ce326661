"""Decisions, side by side: ``python -m benchmarks.evaluate``.

Every engine answers the same questions; when one answers differently nothing is printed but that.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.engines import ABSENT, ENGINES
from benchmarks.engines.loop import Loop
from benchmarks.engines.port import Engine, unsupported
from benchmarks.measure import Limits, Timed, block_times, measure
from benchmarks.report import print_tables
from benchmarks.targets import Target, targets
from benchmarks.upkeep import Upkeep, measure_upkeep
from benchmarks.workloads import Workload, all_workloads

QUICK = Limits(seconds=0.3, requests=900)
CHART = Path("docs/benchmarks.png")
FULL = Limits(seconds=0.8, requests=6_000)


class Format(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


def main(
    quick: Annotated[bool, typer.Option(help="Less of everything, and W2 up to 10,000 statements.")] = False,
    only: Annotated[str, typer.Option(help=f"Engines, by comma: {', '.join((*ENGINES, *ABSENT))}.")] = "",
    workloads: Annotated[str, typer.Option(help="Workloads, by comma: W1, W2, W3, W3b.")] = "",
    upkeep: Annotated[bool, typer.Option(help="Measure loading, memory, first decisions and change too.")] = True,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,
    chart: Annotated[Path | None, typer.Option(help=f"Write a chart (PNG) here. A whole run writes {CHART}.")] = None,
) -> None:
    """Time decisions of iam_guard and of other engines on the same workloads."""
    wanted = only.split(",") if only else list(ENGINES)
    for key in wanted:
        if key not in ENGINES:
            why = "is not installed; it is in the extra 'bench'" if key in ABSENT else "is not known"
            raise typer.BadParameter(f"the engine '{key}' {why}", param_hint="--only")
    chosen = [one for one in all_workloads(largest=10_000 if quick else 100_000)
              if not workloads or one.name.partition(" ")[0] in workloads.split(",")]
    limits = QUICK if quick else FULL
    with progress() as tell:
        figures = run({key: ENGINES[key] for key in wanted}, chosen, limits, tell)
        tell("loading, memory, first decisions, change")
        kept = measure_upkeep(10_000 if quick else 100_000) if upkeep and "ours" in wanted else None
    judged = targets(figures, kept)
    if format is Format.JSON:
        print(json.dumps(_as_json(figures, kept, judged), indent=2))
    else:
        print_tables(figures, chosen, kept, judged, machine())
    if chart is None and not (quick or only or workloads):
        chart = CHART
    if chart and find_spec("matplotlib"):
        from benchmarks.chart import write_chart

        write_chart(chart, figures, machine())
    elif chart:
        Console(stderr=True).print(f"no chart: matplotlib is not installed; it is in the extra 'bench' ({chart})")


def run(kinds: dict[str, type[Engine]], workloads: list[Workload], limits: Limits,
        tell: Callable[[str], None]) -> dict[str, dict[str, Timed]]:
    """Figures by engine and workload."""
    figures: dict[str, dict[str, Timed]] = {key: {} for key in kinds}
    for workload in workloads:
        truth = Loop(workload)
        truth.load()
        keys = [key for key, kind in kinds.items() if not unsupported(kind, workload)]
        timed = measure([kinds[key](workload) for key in keys], workload, truth, limits, tell)
        for key, one in zip(keys, timed, strict=True):
            figures[key][workload.name] = one
    return figures


def machine() -> dict[str, str]:
    """What the figures depend on."""
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor()) if Path("/proc/cpuinfo").exists() else ""
    return {"interpreter": f"{platform.python_implementation()} {platform.python_version()}",
            "processor": model or platform.machine(), "cores": str(os.cpu_count()),
            "load average": f"{os.getloadavg()[0]:.1f}", "yardstick": f"{yardstick() / 1e3:.1f} µs"}


def yardstick() -> float:
    """Nanoseconds of a fixed piece of Python, to tell a slow machine from a slow engine."""
    table = {f"key-{number}": number for number in range(100)}

    def work(start: str) -> int:
        return sum(number for key, number in table.items() if key.startswith(start))

    return median(block_times(work, ["key-7"] * 2_000, 20))


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line on standard error that says what goes on."""
    console = Console(stderr=True)
    with console.status("starting") as status:
        yield status.update if console.is_terminal else partial(print, file=sys.stderr, flush=True)


def _as_json(figures: dict[str, dict[str, Timed]], kept: Upkeep | None, judged: list[Target]) -> dict[str, object]:
    return {
        "machine": machine(),
        "decisions": {key: {name: asdict(timed) for name, timed in row.items()} for key, row in figures.items()},
        "upkeep": asdict(kept) if kept else None,
        "targets": [asdict(one) | {"met": one.met} for one in judged],
    }


if __name__ == "__main__":
    typer.run(main)
