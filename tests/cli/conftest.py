"""The command line, called in this process and as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_cases import ROOT
from typer.testing import CliRunner

from iam_guard.cli.main import app


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call a command in this process; the result has exit_code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def call(*arguments: str | Path, input: str | bytes | None = None) -> Any:
        return CliRunner().invoke(app, [str(one) for one in arguments], input=input)

    return call


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[bytes]]:
    """Start the command as a process."""

    def call(*arguments: str | Path, **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "iam_guard", *map(str, arguments)], cwd=ROOT,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    return call


@pytest.fixture
def cases(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of cases; texts are lines as they are."""

    def write(*lines: Any) -> Path:
        file = tmp_path / "cases.jsonl"
        texts = [line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
                 for line in lines]
        file.write_bytes(b"\n".join(texts) + b"\n")
        return file

    return write
