"""Draws the figures. Needs the extra ``bench``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes

from benchmarks.engines import ENGINES
from benchmarks.targets import Figures

mpl.use("Agg")

from matplotlib import pyplot


def write_chart(path: Path, figures: Figures, machine: Mapping[str, str]) -> None:
    """Write a PNG with a panel for W1, W2 by size, and W3: microseconds of a cold decision, on a log scale."""
    drawing, panels = pyplot.subplots(1, 3, figsize=(14, 4.8), layout="constrained", width_ratios=(1, 1.25, 1))
    _bars(panels[0], figures, "W1", "W1: one service, 20 roles of 50 statements")
    _lines(panels[1], figures)
    _bars(panels[2], figures, "W3", "W3: 1,000 applicable statements")
    about = f"{machine['interpreter']}, {machine['processor']}, {machine['cores']} cores"
    drawing.suptitle(f"A decision on a request not seen before, median µs ({about})", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=110)
    pyplot.close(drawing)


def _color(key: str) -> str:
    return "C3" if key == "ours" else f"C{[0, 1, 2, 4, 5, 6, 7, 8, 9][list(ENGINES).index(key) % 9]}"


def _bars(panel: Axes, figures: Figures, workload: str, title: str) -> None:
    rows = sorted(((row[workload].cold, key) for key, row in figures.items() if workload in row), reverse=True)
    bars = panel.barh([ENGINES[key].name for _, key in rows], [cold for cold, _ in rows],
                      color=[_color(key) for _, key in rows])
    panel.bar_label(bars, labels=[f"{cold:,.1f}" if cold < 100 else f"{cold:,.0f}" for cold, _ in rows], padding=3)
    panel.set_xscale("log")
    panel.set_xlim(0.5, max((cold for cold, _ in rows), default=1) * 8)
    panel.set_title(title, fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)


def _lines(panel: Axes, figures: Figures) -> None:
    for key, row in figures.items():
        points = [(_size(name), timed.cold) for name, timed in row.items()
                  if name.startswith("W2 ") and not name.endswith("busy")]
        if points:
            panel.plot(*zip(*points, strict=True), marker="o", color=_color(key), label=ENGINES[key].name,
                       linewidth=3 if key == "ours" else 1.3)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_title("W2: many tenants, by statements stored", fontsize=10)
    panel.legend(fontsize=7, loc="upper left")
    panel.spines[["top", "right"]].set_visible(False)


def _size(name: str) -> int:
    text = name.removeprefix("W2 ")
    return int(text.removesuffix("k")) * (1000 if text.endswith("k") else 1)
