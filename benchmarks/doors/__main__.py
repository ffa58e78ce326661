"""Time the doors: ``python -m benchmarks.doors``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.doors.decided import decisions
from benchmarks.doors.guarded import sidecar
from benchmarks.doors.load import Measured
from benchmarks.doors.proxied import proxied
from benchmarks.doors.report import Found, print_tables, write_chart
from benchmarks.doors.world import make_world
from benchmarks.evaluate import Format, machine, progress
from benchmarks.targets import door_targets

CHART = Path(__file__).resolve().parents[2] / "docs" / "doors.png"


def main(
    quick: Annotated[bool, typer.Option(help="One short round: for direction, not for publishing.")] = False,
    only: Annotated[str, typer.Option(help="'proxies' or 'decisions'.")] = "",
    chart: Annotated[Path | None, typer.Option(help="Where to draw; by default nowhere when '--quick'.")] = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,
) -> None:
    """Time the gateway and the sidecar beside proxies and decision points that do the same job."""
    seconds, rounds = (1.0, 1) if quick else (5.0, 3)
    about = machine()  # before the run, which is a load itself
    with progress() as tell, tempfile.TemporaryDirectory(prefix="doors-") as place:
        found = _found(Path(place), only, seconds, rounds, tell)
    judged = door_targets(found.proxies, found.decisions, found.bodies, found.growth)
    if format is Format.JSON:
        print(json.dumps({"machine": about, **asdict(found),
                          "targets": [asdict(one) | {"met": one.met} for one in judged]}, indent=2))
    else:
        print_tables(found, judged, about)
    if chart or not (quick or only):
        write_chart(chart or CHART, found, about)


def _found(folder: Path, only: str, seconds: float, rounds: int, tell: Callable[[str], None]) -> Found:
    world = make_world(folder)
    proxies: dict[str, Measured] = {}
    bodies: dict[str, Measured] = {}
    growth: dict[str, int] = {}
    decided: dict[str, Measured] = {}
    with sidecar(world) as guard:
        if only in ("", "decisions"):
            decided = decisions(world, guard, seconds, rounds, tell)
        if only in ("", "proxies"):
            proxies, bodies, growth = proxied(world, guard, seconds, rounds, tell)
    return Found(proxies, decided, bodies, growth)


if __name__ == "__main__":
    typer.run(main)
