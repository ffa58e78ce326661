"""The gateway as a program of its own, with either engine, in the world of the threat catalogue."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway_origin import wait_for
from threat_world import ENVIRONMENT, SECONDS, exchange, statuses, write_world

ROOT = Path(__file__).resolve().parents[3]
SAID = re.compile(r"the gateway listens at \S*?:(\d+)$", re.MULTILINE)
STATUS = re.compile(r"its status is at \S*?:(\d+)$", re.MULTILINE)
PROGRAM = ("-m", "iam_guard")


class Process:
    """A gateway that answers."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, said: Path) -> None:
        self.process, self.folder, self.said = process, folder, said
        self.port = self.status_port = 0

    @property
    def text(self) -> str:
        return self.said.read_text()

    @property
    def written(self) -> str:
        """Everything that was written down anywhere."""
        log = self.folder / "decisions.jsonl"
        return self.text + (log.read_text() if log.exists() else "")

    @property
    def decisions(self) -> list[dict[str, Any]]:
        log = self.folder / "decisions.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def wait(self) -> None:
        wait_for(lambda: self.process.poll() is not None or SAID.search(self.text), "the gateway listens")
        assert self.process.poll() is None, self.text
        self.port = int(SAID.findall(self.text)[0])
        self.status_port = int((STATUS.findall(self.text) or ["0"])[0])

    def answers(self) -> bool:
        """Whether it serves; what it says does not matter."""
        try:
            asked = b"GET /health HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
            return bool(statuses(exchange(self.port, asked)))
        except OSError:
            return False


@contextmanager
def gateway(folder: Path, url: str, *words: str, section: dict[str, Any] | None = None, listen: int = 0,
            program: tuple[str, ...] = PROGRAM, **sections: Any) -> Iterator[Process]:
    """Run it until the block ends; it has to end well.

    Args:
        folder: Where its files are written.
        url: Of the application.
        words: More words of the command.
        section: More of the section ``gateway``.
        listen: The port; 0 for any, which Envoy cannot tell.
        program: What Python runs.
        sections: Other sections.
    """
    told = {"listen": f"127.0.0.1:{listen}", "upstreams": {"app": {"servers": [url]}}, **(section or {})}
    if not listen:
        told = {"status": "127.0.0.1:0", **told}
    path = write_world(folder, gateway=told, **sections)
    with running(folder, path, ["gateway", "--config", str(path), *words], program) as process:
        yield process


@contextmanager
def running(folder: Path, path: Path, words: list[str], program: tuple[str, ...]) -> Iterator[Process]:
    """Run a command of a gateway, from when it answers."""
    said = folder / "said.txt"
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, **ENVIRONMENT, "NO_COLOR": "1", "COLUMNS": "200", "TMPDIR": str(folder / "tmp"),
                   "THREAT_FOLDER": str(folder), "PYTHONPATH": str(ROOT)}
    with said.open("wb") as stream:
        process = subprocess.Popen([sys.executable, *program, *words], cwd=ROOT, env=environment, stdout=stream,
                                   stderr=stream, stdin=subprocess.DEVNULL)
    found = Process(process, folder, said)
    try:
        found.wait()
        wait_for(found.answers, "the gateway answers")
        yield found
        assert process.poll() is None, found.text
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(2 * SECONDS)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, found.text
