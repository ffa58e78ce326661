"""Several processes on one directory, and what is left when one of them is killed or its disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from store_places import HOME, LONG, Place, get, put, tenant, user
from writer_process import MANY

from iam_guard.directory.entities import Kind, User
from iam_guard.directory.port import DirectoryStore

Start = Callable[[str, str], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start another process: ``start(url, "write")``."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with ExitStack() as stack:

        def start_one(url: str, what: str) -> subprocess.Popen[str]:
            program = [sys.executable, str(Path(__file__).with_name("writer_process.py")), url, what]
            process = stack.enter_context(subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                           text=True, bufsize=1, env=environment))
            stack.callback(process.kill)
            return process

        yield start_one


def line(process: subprocess.Popen[str]) -> str:
    """The next thing that it says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], text: object) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")


def killed(process: subprocess.Popen[str]) -> list[str]:
    """What it still said before it was gone."""
    process.kill()
    assert process.stdout is not None
    return process.stdout.read().split()


def states(store: DirectoryStore) -> list[set[str]]:
    """What its entities say after each revision."""
    found: dict[str, str] = {}
    after = []
    for change in store.changes(0):
        found |= {entry.key.name: entry.after.tags["n"] for entry in change.entries if isinstance(entry.after, User)}
        after.append(set(found.values()))
    return after


@pytest.mark.parametrize("acknowledged", [1, 2, 5, 9])
def test_a_writer_that_is_killed_loses_nothing_it_acknowledged_and_leaves_nothing_half(
        shared: Place, start: Start, acknowledged: int) -> None:
    shared.open().close()
    process = start(shared.url, "write")
    said = [line(process) for _ in range(acknowledged)] + killed(process)
    assert said[:acknowledged] == [str(number + 1) for number in range(acknowledged)]
    store = shared.open()
    newest = store.revision()
    assert newest in (len(said), len(said) + 1)  # perhaps it was killed before it could say so
    assert states(store) == [{str(number + 1)} for number in range(newest)]
    with store.read() as reading:
        users = reading.page(Kind.USER, HOME)
    assert [one.tags["n"] for one in users if isinstance(one, User)] == [str(newest)] * MANY


def test_a_writer_that_is_killed_half_way_has_written_nothing_and_blocks_nobody(shared: Place, start: Start) -> None:
    before = shared.open(patience=LONG)
    put(before, user("ann"))
    process = start(shared.url, "half")
    assert line(process) == "half"
    assert get(before, Kind.USER, "n1") is None
    killed(process)
    process.wait(LONG)
    put(before, user("bob"))
    for store in (before, shared.open()):
        assert store.revision() == 2
        with store.read() as reading:
            assert [one.key.name for one in reading.page(Kind.USER, HOME)] == ["ann", "bob"]


def test_processes_that_open_a_new_directory_at_once_make_it_once(shared: Place, start: Start) -> None:
    processes = [start(shared.url, "open") for _ in range(4)]
    assert [line(process) for process in processes] == ["ready"] * 4
    for process in processes:
        tell(process, "")
    for number, process in enumerate(processes):
        tell(process, number)
    assert [process.wait(LONG) for process in processes] == [0] * 4
    store = shared.open()
    assert [change.revision for change in store.changes(0)] == [1, 2, 3, 4]
    with store.read() as reading:
        assert all(reading.get(tenant(number).key) == tenant(number) for number in range(4))


def test_what_another_process_writes_wakes_who_waits(shared: Place, start: Start) -> None:
    store = shared.open()
    assert not store.wait(0, 0.01)
    process = start(shared.url, "write")
    for revision in range(3):
        assert store.wait(revision, LONG)
    killed(process)


@pytest.mark.parametrize("shared", ["folder", "sqlite"], indirect=True)
def test_a_full_disk_fails_the_write_and_nothing_else(shared: Place, start: Start) -> None:
    process = start(shared.url, "fill")
    assert process.stdout is not None
    *acknowledged, full, state, recovered = process.stdout.read().splitlines()
    assert process.wait(LONG) == 0
    assert full.startswith("full: ")
    newest = len(acknowledged)
    assert newest >= 1
    assert acknowledged == [str(number + 1) for number in range(newest)]
    assert state == f"{newest} {newest * MANY}"
    assert recovered == str(newest + 1)
    store = shared.open()
    assert store.revision() == newest + 1
    with store.read() as reading:
        assert reading.count(Kind.USER, HOME) == newest * MANY
        assert reading.get(tenant(1).key) == tenant(1)
