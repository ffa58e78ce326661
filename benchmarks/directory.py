"""A directory of many principals: ``python -m benchmarks.directory``.

Every principal is a user with three statements of its own, in a SQLite file. What is measured is what a guard does
with that: read it, keep it, obey a change, decide. Reading and memory may grow with the directory; the rest may not.
"""

from __future__ import annotations

import gc
import json
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.evaluate import Format, machine, progress
from benchmarks.measure import BLOCK, block_times
from benchmarks.report import targets_table
from benchmarks.targets import Target
from iam_guard.directory.entities import Account, Settings, User
from iam_guard.directory.port import DirectoryStore, Note
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.store.following import DirectoryPolicyStore
from iam_guard.store.refresh import PolicyRefresher
from iam_guard.store.urls import open_store

SIZES = (1_000, 10_000, 100_000)
#: How much the figures that have to stay flat may differ between the smallest and the largest directory.
FLAT = 1.5

_ACCOUNT = "000000000000"
_NOTE = Note(f"arn:app:iam::{_ACCOUNT}:user/bench", "Import", "2026-01-01T00:00:00Z")
_BATCH = 10_000
#: Callers that are asked about, and changes that are made; as many whatever the size.
_ASKED, _CHANGES = 500, 100
_ROUNDS = 40


@dataclass(frozen=True)
class DirectoryFigures:
    """What a directory of one size costs.

    Attributes:
        principals: How many users there are, with three statements each.
        load_ms: From an open file to the first decision.
        loaded_mb: Memory then, without SQLite's.
        asked_mb: Memory once 500 callers were asked about.
        change_ms: From a change that is committed until a decision obeys it, in the same process.
        first_us: The first decision of a caller: its policies are read and compiled.
        again_us: The first decision after a change of a caller whom it does not touch.
        decision_us: A decision about a caller and an action that were asked about before.
    """

    principals: int
    load_ms: float
    loaded_mb: float
    asked_mb: float
    change_ms: float
    first_us: float
    again_us: float
    decision_us: float


def main(
    quick: Annotated[bool, typer.Option(help="Up to 10,000 principals.")] = False,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,
) -> None:
    """Time what a guard does with directories of several sizes."""
    with progress() as tell:
        found = measure(SIZES[:2] if quick else SIZES, tell)
    judged = targets(found)
    if format is Format.JSON:
        print(json.dumps({"machine": machine(), "directory": [asdict(one) for one in found],
                          "targets": [asdict(one) | {"met": one.met} for one in judged]}, indent=2))
        return
    out = Console(width=None if Console().is_terminal else 120)
    out.print(", ".join(f"{name} {value}" for name, value in machine().items()), style="dim")
    out.print(_table(found))
    out.print(targets_table(judged))


def targets(found: list[DirectoryFigures]) -> list[Target]:
    """What has to stay flat."""
    small, large = found[0], found[-1]
    sizes = f"{large.principals:,} principals over {small.principals:,}"
    return [Target(f"a change obeyed, {sizes}", large.change_ms / small.change_ms, FLAT, "x"),
            Target(f"a decision, {sizes}", large.decision_us / small.decision_us, FLAT, "x")]


def _table(found: list[DirectoryFigures]) -> Table:
    table = Table(title="a directory in SQLite, three statements a principal")
    for name in ("principals", "load, ms", "memory, MB", "500 asked, MB", "change obeyed, ms", "first decision, µs",
                 "after a change, µs", "decision, µs"):
        table.add_column(name, justify="right")
    for one in found:
        table.add_row(f"{one.principals:,}", f"{one.load_ms:,.0f}", f"{one.loaded_mb:,.1f}", f"{one.asked_mb:,.1f}",
                      f"{one.change_ms:.2f}", f"{one.first_us:,.0f}", f"{one.again_us:.1f}", f"{one.decision_us:.2f}")
    return table


# --- measuring ------------------------------------------------------------------------------------------


def measure(sizes: Sequence[int], tell: Callable[[str], None] = lambda text: None) -> list[DirectoryFigures]:
    """Everything about directories of some sizes, which take turns, so that a busy moment hits all alike."""
    with ExitStack() as stack:
        several = []
        for size in sizes:
            tell(f"writing {size:,} principals")
            several.append(stack.enter_context(_directory(size)))
        tell("loading")
        loads = [median(times) for times in zip(*([_load_ms(one) for one in several] for _ in range(3)), strict=True)]
        tell("deciding")
        for one in several:
            one.meet_callers()
        gc.collect()
        gc.freeze()
        for _ in range(_ROUNDS):
            for one in several:
                one.decide()
        gc.unfreeze()
        tell("changing")
        for number in range(_CHANGES):
            for one in several:
                one.change(number)
        tell("counting memory")
        return [one.figures(load_ms, *_memory(one)) for one, load_ms in zip(several, loads, strict=True)]


class _Directory:
    """A directory and the guard that follows it."""

    def __init__(self, principals: int, url: str, writer: DirectoryStore, refresher: PolicyRefresher) -> None:
        self.principals, self.url = principals, url
        self._writer, self._refresher = writer, refresher
        #: From everywhere in the directory, as many whatever the size.
        self.callers = [number * principals // _ASKED for number in range(_ASKED)]
        self._document = 0
        self._first: list[float] = []
        self._further: list[float] = []
        self._changes: list[float] = []
        self._others: list[float] = []

    def meet_callers(self) -> None:
        """Ask about every caller for the first time."""
        policies = self._refresher.load()
        self._first = block_times(policies.evaluate, self._questions(), 1)

    def decide(self) -> None:
        """Ask about every caller again, and about another document."""
        policies, questions = self._refresher.current, self._questions()
        self._further += block_times(policies.evaluate, questions, BLOCK)
        if not all(policies.evaluate(one) for one in questions):
            raise AssertionError("a user may not read an own document")

    def change(self, number: int) -> None:
        """Take a right from a caller, and ask about that caller and about others whom this does not touch."""
        mine, others = self.callers[number], self.callers[_CHANGES + number:][:_CHANGES]
        with self._writer.write(_NOTE) as tx:
            tx.put(user(mine, denied="docs:*"))
        start = perf_counter_ns()
        self._refresher.check()
        denied = self._refresher.current.evaluate(question(mine, 0))
        self._changes.append((perf_counter_ns() - start) / 1e6)
        if denied:
            raise AssertionError("a change is not obeyed")
        self._others += block_times(self._refresher.current.evaluate, [question(one, 0) for one in others], 1)

    def figures(self, load_ms: float, loaded_mb: float, asked_mb: float) -> DirectoryFigures:
        """What was measured."""
        return DirectoryFigures(self.principals, load_ms, loaded_mb, asked_mb, median(self._changes),
                                median(self._first) / 1e3, median(self._others) / 1e3, median(self._further) / 1e3)

    def _questions(self) -> list[AuthorizationRequest]:
        self._document += 1
        return [question(number, self._document) for number in self.callers]


@contextmanager
def _directory(principals: int) -> Iterator[_Directory]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'iam.db'}"
        with _opened(url) as store, _following(url) as refresher:
            fill(store, principals)
            yield _Directory(principals, url, store, refresher)


def question(number: int, document: int) -> AuthorizationRequest:
    """Whether a user may read one of the user's own documents."""
    name = f"user-{number}"
    return AuthorizationRequest(Principal.user(name, account=_ACCOUNT), "docs:GetDocument",
                                f"arn:app:docs::{_ACCOUNT}:document/{name}/{document}", {})


def _load_ms(one: _Directory) -> float:
    gc.collect()
    with _following(one.url) as refresher:
        start = perf_counter_ns()
        allowed = refresher.load().evaluate(question(one.principals - 1, 0))
        spent = (perf_counter_ns() - start) / 1e6
    if not allowed:
        raise AssertionError("the last user may not read an own document")
    return spent


def _memory(one: _Directory) -> tuple[float, float]:
    """Megabytes before and after callers are asked about; a pass of its own, in which no time is taken."""
    gc.collect()
    tracemalloc.start()
    with _following(one.url) as refresher:
        policies = refresher.load()
        loaded = _traced()
        for number in one.callers:
            policies.evaluate(question(number, 0))
        asked = _traced()
    tracemalloc.stop()
    return loaded, asked


def _traced() -> float:
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / 1e6


@contextmanager
def _opened(url: str) -> Iterator[DirectoryStore]:
    store = open_store(url)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _following(url: str) -> Iterator[PolicyRefresher]:
    store = DirectoryPolicyStore(lambda: open_store(url))
    try:
        yield PolicyRefresher(store)
    finally:
        store.disconnect()


# --- what is stored -------------------------------------------------------------------------------------


def fill(store: DirectoryStore, principals: int) -> None:
    """Write users ``user-0`` and so on."""
    with store.write(_NOTE) as tx:
        tx.put(Settings())
        tx.put(Account(account=_ACCOUNT, name="benchmark"))
    for start in range(0, principals, _BATCH):
        with store.write(_NOTE) as tx:
            for number in range(start, min(start + _BATCH, principals)):
                tx.put(user(number))


def user(number: int, *, denied: str = "docs:Purge*") -> User:
    """A user with three statements, none of them another user's."""
    name = f"user-{number}"
    own = f"arn:app:docs::{_ACCOUNT}:document/{name}"
    document = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["docs:Get*", "docs:List*"], "Resource": f"{own}/*"},
        {"Effect": "Allow", "Action": "docs:PutDocument", "Resource": f"{own}/drafts/*",
         "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Effect": "Deny", "Action": denied, "Resource": "*"}]}
    return User(account=_ACCOUNT, name=name, arn=f"arn:app:iam::{_ACCOUNT}:user/{name}", id=f"AIDA{number:017}",
                inline={"own": json.dumps(document)}, created="2026-01-01T00:00:00Z")


def _question(number: int, document: int) -> AuthorizationRequest:
    name = f"user-{number}"
    return AuthorizationRequest(Principal.user(name, account=_ACCOUNT), "docs:GetDocument",
                                f"arn:app:docs::{_ACCOUNT}:document/{name}/{document}", {})


def _callers(principals: int) -> list[int]:
    """Those who are asked about, from everywhere in the directory."""
    return [number * principals // _ASKED for number in range(_ASKED)]


if __name__ == "__main__":
    typer.run(main)
