"""Figures of the doors for people, and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.doors.load import Measured
from benchmarks.report import targets_table
from benchmarks.targets import Target


@dataclass(frozen=True)
class Found:
    """Everything that a run has found.

    Attributes:
        proxies: By door and whom it asks: 1 KB of an application's answer.
        decisions: By decision point: one question.
        bodies: By door and direction: 10 MB.
        growth: By door: bytes of memory that the large bodies took beyond what was in use before.
    """

    proxies: Mapping[str, Measured]
    decisions: Mapping[str, Measured]
    bodies: Mapping[str, Measured]
    growth: Mapping[str, int]


def print_tables(found: Found, judged: Sequence[Target], machine: Mapping[str, str]) -> None:
    """Print everything."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=130)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), style="dim")
    for title, figures in (("doors: 1 KB from an application, decision included", found.proxies),
                           ("decision points: one question", found.decisions)):
        if figures:
            console.print(_table(title, figures))
    if found.bodies:
        console.print(_bodies(found))
    console.print(targets_table(judged))


def _table(title: str, figures: Mapping[str, Measured]) -> Table:
    table = Table(title=title)
    table.add_column("door")
    for name in ("requests a second", "CPU a request, µs", "median, ms", "99 in 100, ms"):
        table.add_column(name, justify="right")
    for name, one in figures.items():
        table.add_row(name, f"{one.rate:,.0f}", f"{one.cpu_us:,.0f}", f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}")
    return table


def _bodies(found: Found) -> Table:
    table = Table(title="10 MB bodies")
    table.add_column("door")
    for name in ("MB a second", "CPU, ms a body", "memory grown, MB"):
        table.add_column(name, justify="right")
    for name, one in found.bodies.items():
        grown = found.growth.get(name)
        table.add_row(name, f"{one.rate * 10:,.0f}", f"{one.cpu_us / 1e3:,.1f}",
                      "" if grown is None else f"{grown / 1e6:,.1f}")
    return table


def write_chart(path: Path, found: Found, machine: Mapping[str, str]) -> None:
    """Write a PNG: what a request costs at each door, and what a decision costs at each decision point."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    drawing, panels = pyplot.subplots(1, 2, figsize=(14, 5), layout="constrained", width_ratios=(1.3, 1))
    for panel, title, figures in ((panels[0], "a request through the door, decision included", found.proxies),
                                  (panels[1], "a question to a decision point", found.decisions)):
        rows = sorted(figures.items(), key=lambda row: -row[1].cpu_us)
        bars = panel.barh([name for name, _ in rows], [one.cpu_us for _, one in rows],
                          color=["C3" if name.startswith("iam_guard") else "C0" for name, _ in rows])
        panel.bar_label(bars, labels=[f"{one.cpu_us:,.0f} ({one.rate:,.0f}/s)" for _, one in rows], padding=3,
                        fontsize=8)
        panel.set_xlim(0, max((one.cpu_us for _, one in rows), default=1) * 1.3)
        panel.set_title(title, fontsize=10)
        panel.tick_params(axis="y", labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    drawing.suptitle(f"Processor time, µs, and requests a second ({machine['interpreter']}, {machine['processor']}, "
                     f"{machine['cores']} cores for client, door and application, load average before the run "
                     f"{machine['load average']})", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=110)
    pyplot.close(drawing)
