"""Prints the figures as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.engines import ABSENT, ENGINES
from benchmarks.engines.port import unsupported
from benchmarks.measure import Timed
from benchmarks.targets import Figures, Target
from benchmarks.upkeep import Upkeep
from benchmarks.workloads import Workload


def print_tables(figures: Figures, workloads: Sequence[Workload], upkeep: Upkeep | None, judged: Sequence[Target],
                 machine: Mapping[str, str]) -> None:
    """Print everything for people."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), style="dim")
    for workload in workloads:
        console.print(f"[bold]{workload.name}[/]  {workload.about}", highlight=False)
    console.print(_decisions(figures, workloads))
    for note in _notes(figures, workloads):
        console.print(note, style="dim", highlight=False)
    if upkeep:
        console.print(_upkeep(upkeep))
    console.print(targets_table(judged))


def _decisions(figures: Figures, workloads: Sequence[Workload]) -> Table:
    table = Table(title="a decision, cold, median µs (times as long as iam_guard's)")
    table.add_column("engine")
    for workload in workloads:
        table.add_column(workload.name, justify="right")
    table.add_column("hot, first workload", justify="right")
    table.add_column("load, largest, ms", justify="right")
    for key, row in figures.items():
        cells = [_cell(row.get(one.name), figures.get("ours", {}).get(one.name) if key != "ours" else None)
                 for one in workloads]
        first, largest = row.get(workloads[0].name), row.get(max(workloads, key=lambda one: one.stored).name)
        table.add_row(ENGINES[key].name, *cells, _number(first.hot) if first else "-",
                      f"{largest.load_ms:,.0f}" if largest else "-", style="bold" if key == "ours" else None)
    return table


def _cell(timed: Timed | None, ours: Timed | None) -> str:
    if timed is None:
        return "-"
    return _number(timed.cold) + (f" ({timed.cold / ours.cold:,.0f}x)" if ours else "")


def _number(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _notes(figures: Figures, workloads: Sequence[Workload]) -> list[str]:
    """Why a cell is empty."""
    reasons: dict[str, list[str]] = {}
    for key in figures:
        for workload in workloads:
            if why := unsupported(ENGINES[key], workload):
                reasons.setdefault(f"{ENGINES[key].name}: {why}", []).append(workload.name)
    absent = [f"not installed (extra 'bench'): {', '.join(ABSENT)}"] if ABSENT else []
    return [f"{why} ({', '.join(names)})" for why, names in reasons.items()] + absent


def _upkeep(upkeep: Upkeep) -> Table:
    table = Table(title=f"iam_guard besides decisions, {upkeep.stored:,} statements", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("load and index, ms", f"{upkeep.load_ms:,.0f}")
    table.add_row("bytes a statement, loaded", f"{upkeep.bytes_per_statement:,.0f}")
    table.add_row("bytes a statement, after all busy callers asked", f"{upkeep.bytes_asked:,.0f}")
    table.add_row("first decision of a (plan, action), median µs", f"{upkeep.first_us:,.0f}")
    table.add_row("first decision of a (plan, action), 99th percentile µs", f"{upkeep.first_p99_us:,.0f}")
    table.add_row("first decision of the caller with 1,000 statements, ms", f"{upkeep.first_worst_ms:,.1f}")
    table.add_row("one policy changed: visible after ms", f"{upkeep.change_ms:,.1f}")
    table.add_row("one policy changed: next decision of the others, median µs", f"{upkeep.unchanged_us:,.1f}")
    return table


def targets_table(judged: Sequence[Target]) -> Table:
    """Every target, and whether it is met."""
    table = Table(title="targets")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    for one in judged:
        bound = f"{'≥' if one.at_least else '≤'} {one.bound:,g} {one.unit}"
        table.add_row(one.what, f"{_number(one.value)} {one.unit}", bound,
                      "[green]met[/]" if one.met else "[red]missed[/]")
    return table
