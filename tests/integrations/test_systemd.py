"""The units are what systemd takes for good, shut what they can shut, and start programs that exist."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
from cli_words import assert_is_taken
from integration_runs import INTEGRATIONS

UNITS = sorted((INTEGRATIONS / "systemd").glob("*.service"))
PROGRAM = "/opt/iam-guard/bin/iam-guard"
SETTINGS = "/etc/iam-guard/iam-guard.yaml"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")


@pytest.fixture(params=UNITS, ids=lambda path: path.stem)
def unit(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def settings_of(unit: Path) -> list[tuple[str, str]]:
    """Every assignment of the section for the service; systemd lets a name stand more than once."""
    section = unit.read_text("utf-8").partition("[Service]")[2].partition("\n[")[0]
    lines = [line.split("=", 1) for line in section.splitlines() if line and not line.startswith("#")]
    return [(name, value) for name, value in lines]


def values(unit: Path, wanted: str) -> list[str]:
    return [value for name, value in settings_of(unit) if name == wanted]


def test_there_is_a_unit_for_each_door() -> None:
    assert [path.stem for path in UNITS] == ["iam-guard-gateway", "iam-guard-sidecar"]


def test_the_file_is_well_formed(unit: Path) -> None:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment, method-assign]
    read.read(unit, "utf-8")
    assert read.sections() == ["Unit", "Service", "Install"]


@needs_systemd
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    """A word that it does not know is a warning with a good exit status, so it has to say nothing."""
    program = tmp_path / "iam-guard"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text("utf-8").replace(PROGRAM, str(program)), "utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, "")


@needs_systemd
def test_little_is_left_open(unit: Path) -> None:
    """systemd's own measure runs from 0 to 10; a unit without settings has 9.6, and below 2 is called OK."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", str(unit)],
                          check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


def test_it_is_nobody_and_gains_nothing(unit: Path) -> None:
    assert values(unit, "DynamicUser") == ["yes"]
    assert values(unit, "NoNewPrivileges") == ["yes"]
    capabilities = ["CAP_NET_BIND_SERVICE"] if "gateway" in unit.stem else [""]
    assert values(unit, "CapabilityBoundingSet") == values(unit, "AmbientCapabilities") == capabilities


def test_it_starts_programs_that_exist(unit: Path, tmp_path: Path) -> None:
    file = tmp_path / "iam-guard.yaml"
    file.touch()
    commands = [value.split() for name, value in settings_of(unit) if name.startswith("Exec")]
    ours = [words[1:] for words in commands if words[0] == PROGRAM]
    for words in ours:
        assert_is_taken([str(file) if word == SETTINGS else word for word in words])
    assert values(unit, "ExecStart") == [f"{PROGRAM} {unit.stem.removeprefix('iam-guard-')} --config {SETTINGS}"]
    assert values(unit, "ExecStartPre") == [f"{PROGRAM} check {SETTINGS}"]


def test_a_reload_is_checked_before_it_is_asked_for(unit: Path) -> None:
    assert values(unit, "ExecReload") == [f"{PROGRAM} check {SETTINGS}", "/bin/kill -HUP $MAINPID"]
