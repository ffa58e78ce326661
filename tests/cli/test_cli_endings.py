"""How commands end: help, version, usage, messages, exit codes, colours; never a traceback."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from small_cases import ROOT, a_case

from iam_guard.cli import output
from iam_guard.errors import ConfigurationError, Fault, UnavailableError

COMMANDS = ("demo", "simulate", "explain", "check", "routes")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(run: Any, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"iam-guard {command}" in result.stdout.partition("Examples:")[2]


def test_help_lists_all_commands_and_exit_codes(run: Any) -> None:
    result = run("--help")
    assert all(command in result.stdout for command in COMMANDS)
    assert "Exit codes" in result.stdout


def test_the_version_is_that_of_the_package(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iam_guard.cli.main.version_of", {"iam-guard": "1.2.3"}.get)
    assert (run("--version").exit_code, run("--version").stdout) == (0, "iam-guard 1.2.3\n")


def test_a_source_that_is_not_installed_has_no_version(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("iam_guard.cli.main.version_of", missing)
    assert (run("--version").exit_code, "not installed" in run("--version").stdout) == (0, True)


@pytest.mark.parametrize("arguments", [("nonsense",), ("simulate", "--nonsense"), ("check", "--kind", "x", "."), ()])
def test_wrong_usage_is_exit_code_2(run: Any, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.fixture
def fails(run: Any, cases: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command in which something raises."""

    def call(problem: BaseException, *options: str) -> Any:
        def broken(stream: object) -> None:
            raise problem

        monkeypatch.setattr("iam_guard.cli.simulate.read_cases", broken)
        return run(*options, "simulate", "--cases", cases(a_case()))

    return call


def test_faults_are_told_one_a_line(fails: Any) -> None:
    result = fails(ConfigurationError([Fault("one thing", "mend it", "/a", 3, 4, "x.yaml"), Fault("another")]))
    assert result.stderr == "x.yaml:3:4: /a: one thing; mend it\nerror: another\n"
    assert (result.exit_code, result.stdout) == (1, "")


def test_other_errors_of_ours_are_one_message(fails: Any) -> None:
    result = fails(UnavailableError("nothing is loaded"))
    assert (result.exit_code, result.stderr) == (1, "error: nothing is loaded\n")


def test_errors_of_the_system_name_the_file(fails: Any) -> None:
    result = fails(PermissionError(13, "Permission denied", "cases.jsonl"))
    assert (result.exit_code, result.stderr) == (1, "error: 'cases.jsonl': permission denied\n")


def test_mistakes_of_ours_are_exit_code_70_and_a_traceback_only_when_wanted(fails: Any) -> None:
    result = fails(ZeroDivisionError("oh"))
    assert (result.exit_code, result.stderr) == (
        70, "error: unexpected ZeroDivisionError: oh; 'iam-guard --debug ...' shows where\n")
    result = fails(ZeroDivisionError("oh"), "--debug")
    assert result.exit_code == 70
    assert "Traceback" in result.stderr


def test_an_interrupt_is_exit_code_130(fails: Any) -> None:
    result = fails(KeyboardInterrupt())
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_what_would_obey_a_stranger_is_spelled_out(fails: Any) -> None:
    result = fails(UnavailableError("\x1b[2J\x07 \u202e \ud800 \x9b"))
    assert result.stderr == "error: \\x1b[2J\\x07 \\x202e \\xd800 \\x9b\n"


def test_markup_is_text(fails: Any) -> None:
    assert fails(UnavailableError("[red]no[/red] :smile:")).stderr == "error: [red]no[/red] :smile:\n"


@pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_terminals_and_can_be_refused(cases: Any, more: dict[str, str], coloured: bool) -> None:
    file = cases(a_case("yes"))
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    shown = _on_a_terminal(file, {**environment, "TERM": "xterm-256color", "COLUMNS": "100", **more})
    assert b"allowed" in shown
    assert (b"\x1b[32m" in shown) is coloured


def _on_a_terminal(file: Path, environment: dict[str, str]) -> bytes:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "iam_guard", "simulate", "--format", "table", "--cases", str(file)]
    subprocess.run(command, stdout=theirs, stderr=theirs, stdin=theirs, cwd=ROOT, env=environment, check=True)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as shown:
        return shown.read(65_536)


def test_text_of_any_kind_can_be_shown() -> None:
    assert output.visible("plain é ü\nline") == "plain é ü\nline"
