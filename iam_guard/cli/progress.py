"""A progress bar for work that takes long, on standard error and for people only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

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


@contextmanager
def counting(things: str, total: int = 0, *,
             clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[int], None]]:
    """Give a function to call with how much is done; draws once that takes long and somebody is looking.

    Args:
        things: What is counted, such as ``principals``.
        total: How many there are; 0 when that is not known.
        clock: Tells seconds.
    """
    with ExitStack() as stack:
        started, bar = clock(), None

        def tell(done: int) -> None:
            nonlocal bar
            if bar is None and sys.stderr.isatty() and clock() - started > PATIENCE:
                bar = stack.enter_context(_bar())
                bar.add_task(things, total=total or None)
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done)

        yield tell


def _bar() -> Progress:
    from rich.progress import MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar  # most runs end before this

    from iam_guard.cli.output import console

    return Bar(SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn(),
               console=console(stderr=True), transient=True)
