"""The client: h2load, which spends little itself, speaks HTTP/1.1 and HTTP/2, and writes down each answer."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.doors.processes import Program

_DONE = re.compile(r"finished in ([\d.]+)(us|ms|s)")
_DATA = re.compile(r"\((\d+)\) data")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
#: Requests of the run that tells how many fill the time wanted, after one that warms caches and connections.
_PILOT = 400
_PATIENCE = 300


class LoadError(Exception):
    """Not every answer was the expected one, so the time means nothing."""


@dataclass(frozen=True)
class Work:
    """What to ask, over and over.

    Attributes:
        url: Of the door.
        headers: Of each request.
        body: Sent with POST when there is one.
        connections: How many clients ask at once.
        streams: Requests on their way in each connection; more than one is for HTTP/2 only.
        http2: Speak HTTP/2 without TLS, as gRPC does.
        then: Asked after *url*, one by one, by each connection; and from the start again.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    connections: int = 16
    streams: int = 1
    http2: bool = False
    then: Sequence[str] = ()


@dataclass(frozen=True)
class Measured:
    """Figures of one door.

    Attributes:
        rate: Requests a second.
        cpu_us: Processor time of the door for a request, in microseconds.
        p50_ms: Half of the answers were there in this time.
        p99_ms: 99 in 100 were.
        data: Bytes of content in an answer.
    """

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    data: float


def measure(work: Work, programs: Sequence[Program], seconds: float, *, least: int = _PILOT) -> Measured:
    """Ask for about so long, and tell what it took.

    Args:
        work: What to ask.
        programs: Whose processor time counts.
        seconds: About how long.
        least: Ask at least so many times.

    Raises:
        LoadError: an answer was not 200.
    """
    pilot = _run(work, max(least, work.connections * work.streams))
    number = max(least, int(pilot.rate * seconds))
    before = sum(one.cpu_seconds() for one in programs)
    found = _run(work, number)
    spent = sum(one.cpu_seconds() for one in programs) - before
    return Measured(found.rate, spent / number * 1e6, found.p50_ms, found.p99_ms, found.data)


def in_the_middle(rounds: Sequence[Measured]) -> Measured:
    """The median of each figure."""
    return Measured(*(median(getattr(one, name) for one in rounds)
                      for name in ("rate", "cpu_us", "p50_ms", "p99_ms", "data")))


def _run(work: Work, number: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="doors-") as place:
        log = Path(place) / "answers"
        try:
            done = subprocess.run(_command(work, number, Path(place), log), check=False, text=True, timeout=_PATIENCE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired as late:
            raise LoadError(f"{work.url}: no end after {_PATIENCE} seconds") from late
        if done.returncode != 0 or not log.exists():
            raise LoadError(f"{work.url}: {done.stdout[-2000:]}")
        return _read(work, number, done.stdout, log.read_text("ascii"))


def _command(work: Work, number: int, place: Path, log: Path) -> list[str]:
    words = [_client(), "-t", "1", "-n", str(number), "-c", str(work.connections), "-m", str(work.streams),
             "--log-file", str(log), *(["-p", "h2c"] if work.http2 else ["--h1"])]
    if work.body:
        (place / "body").write_bytes(work.body)
        words += ["-d", str(place / "body")]
    for name, value in work.headers.items():
        words += ["-H", f"{name}: {value}"]
    (place / "urls").write_text("\n".join((work.url, *work.then)) + "\n", "ascii")
    return [*words, "-i", str(place / "urls")]


def _client() -> str:
    found = shutil.which("h2load")
    if found is None:
        raise LoadError("h2load is missing: apt-get install nghttp2-client")
    return found


def _read(work: Work, number: int, said: str, log: str) -> Measured:
    answers = [line.split("\t") for line in log.splitlines()]
    wrong = {status for _, status, _ in answers if status != "200"}
    took, data = _DONE.search(said), _DATA.search(said)
    if wrong or len(answers) != number or took is None or data is None:
        raise LoadError(f"{work.url}: {len(answers)} of {number} answers, wrong ones {sorted(wrong)}\n{said[-2000:]}")
    times = sorted(int(spent) for *_, spent in answers)
    return Measured(number / (float(took[1]) * _UNITS[took[2]]), 0.0, times[number // 2] / 1e3,
                    times[min(number - 1, number * 99 // 100)] / 1e3, int(data[1]) / number)
