"""Programs under test: started, waited for, and asked what they have spent.

The processor time of a door is that of all its processes together: the proxy, its workers, and whoever it asks.
The client and the application behind the door are not counted, since they are the same for all.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_KB = 1024


class StartError(Exception):
    """A program under test did not come up."""


@dataclass(frozen=True)
class Program:
    """A process with everything it has started.

    Attributes:
        name: For messages.
        pid: Of the process that was started.
    """

    name: str
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time so far, user and system."""
        return sum(_spent(pid) for pid in _family(self.pid)) / _TICKS

    def peak_bytes(self) -> int:
        """The most memory that was resident at once, summed over its processes."""
        return sum(_peak(pid) for pid in _family(self.pid))


@contextmanager
def program(name: str, command: Sequence[str], folder: Path, is_up: Callable[[], bool],
            environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Run a program until the block ends.

    Raises:
        StartError: it ended, or nothing answered in time; with what it said.
    """
    said = folder / f"{name.replace(' ', '-')}.log"
    with said.open("ab") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                                   env={**os.environ, **(environment or {})})
    try:
        _wait(name, process, is_up, said)
        yield Program(name, process.pid)
    finally:
        _end(process)


def _wait(name: str, process: subprocess.Popen[bytes], is_up: Callable[[], bool], said: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            raise StartError(f"{name} did not come up:\n{said.read_text('utf-8', 'replace')[-4000:]}")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # a session of its own: only what it has started
        process.wait(15)


def listens(port: int) -> Callable[[], bool]:
    """Whether something accepts connections on a port of this machine."""
    def asked() -> bool:
        with socket.socket() as trying:
            trying.settimeout(1)
            return trying.connect_ex(("127.0.0.1", port)) == 0
    return asked


def free_port() -> int:
    """A port that the kernel says is free."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _family(root: int) -> list[int]:
    """A process and all its descendants."""
    parents = {pid: int(fields[1]) for pid in _pids() if (fields := _fields(pid))}
    family = [root]
    for one in family:
        family += [pid for pid, parent in parents.items() if parent == one]
    return family


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


def _fields(pid: int) -> list[str]:
    """The fields of its ``stat`` line after the name, which may hold anything; none when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _spent(pid: int) -> int:
    fields = _fields(pid)
    return sum(map(int, fields[11:15])) if fields else 0


def _peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * _PAGE_KB for line in lines if line.startswith("VmHWM:"))
