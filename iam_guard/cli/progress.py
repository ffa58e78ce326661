"""A progress bar for work that takes long, on standard error and for people only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

#: Seconds of work before a bar is worth drawing.
PATIENCE = 1.0


def watched(items: Iterable[T], total: int, done: Callable[[T], int], *,
            clock: Callable[[], float] = time.monotonic) -> Iterator[T]:
    """Hand on *items*; when that takes long and somebody is looking, draw how far it is.

    Nothing is drawn when the results themselves go to the terminal: they show it well enough.

    Args:
        items: What is worked on.
        total: What *done* says of the last item; 0 when that is not known.
        done: How far an item is.
        clock: Tells seconds.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield from items
        return
    started, rest = clock(), iter(items)
    for item in rest:
        yield item
        if clock() - started > PATIENCE:
            yield from _drawn(rest, total, done)


def _drawn(items: Iterator[T], total: int, done: Callable[[T], int]) -> Iterator[T]:
    from rich.progress import Progress  # most runs end before this

    from iam_guard.cli.output import console

    with Progress(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("answering", total=total or None)
        for item in items:
            bar.update(task, completed=done(item))
            yield item
