"""The Dockerfile, step by step. Nightly its commands are run, in folders that stand for those of the image."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_words import assert_is_taken
from integration_runs import INTEGRATIONS, ROOT

FOLDER = INTEGRATIONS / "docker"
TEXT = (FOLDER / "Dockerfile").read_text("utf-8")
STEPS = [tuple(line.split(maxsplit=1)) for line in re.sub(r"\\\n", "", TEXT).splitlines()
         if line and not line.startswith("#")]
LAST = STEPS[max(place for place, step in enumerate(STEPS) if step[0] == "FROM"):]


def given(word: str, steps: list[tuple[str, ...]]) -> list[str]:
    return [step[1] for step in steps if step[0] == word]


def test_it_is_not_root() -> None:
    (user,) = given("USER", LAST)
    assert re.fullmatch(r"([1-9]\d*):([1-9]\d*)", user)
    assert [step[0] for step in LAST].index("USER") > [step[0] for step in LAST].index("COPY")


def test_what_is_run_is_pinned_to_a_version_and_built_elsewhere() -> None:
    images = [image.split()[0] for image in given("FROM", STEPS)]
    assert len(images) == 2
    assert all(re.fullmatch(r"python:3\.\d+-slim", image) for image in images)
    assert given("RUN", LAST) == []
    assert given("COPY", LAST) == ["--from=build /opt/iam-guard /opt/iam-guard"]


def test_it_gets_signals_itself() -> None:
    """A shell in between would keep the signal that asks for an orderly end."""
    (entry,) = given("ENTRYPOINT", LAST)
    assert json.loads(entry) == ["/opt/iam-guard/bin/iam-guard"]
    assert given("STOPSIGNAL", LAST) == ["SIGTERM"]


def test_what_it_does_by_itself_exists(tmp_path: Path) -> None:
    file = tmp_path / "iam-guard.yaml"
    file.touch()
    (command,) = given("CMD", LAST)
    words = json.loads(command)
    assert words == ["sidecar", "--config", "/etc/iam-guard/iam-guard.yaml"]
    assert_is_taken([str(file) if word.startswith("/etc/") else word for word in words])


def test_extras_that_it_installs_exist() -> None:
    (install,) = (command for command in given("RUN", STEPS) if "install" in command)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    (wanted,) = re.findall(r"/src\[([^]]+)\]", install)
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in wanted.split(","))


@pytest.mark.parametrize("path", [".git/config", "jwks.json", "integrations/nginx/nginx.conf", "tests/tokens.py",
                                  ".env", "iam/users/ann.yaml", "iam_guard/cli/__pycache__/main.pyc"])
def test_what_does_not_belong_into_an_image_stays_out(path: str) -> None:
    assert not is_sent(path)


@pytest.mark.parametrize("path", ["pyproject.toml", "README.md", "LICENSE", "iam_guard/py.typed",
                                  "iam_guard/cli/main.py"])
def test_what_the_package_is_built_from_is_sent(path: str) -> None:
    assert (ROOT / path).is_file()
    assert is_sent(path)


def is_sent(path: str) -> bool:
    """What Docker does with an ignore file: the last line that fits a path or a folder above it decides."""
    kept = True
    for line in (FOLDER / "Dockerfile.dockerignore").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removeprefix("/")
        parts = path.split("/")
        above = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        if any(fnmatch.fnmatchcase(one, pattern) or fnmatch.fnmatchcase(one, pattern.removeprefix("**/"))
               for one in above):
            kept = line.startswith("!")
    return kept


@pytest.mark.nightly
def test_its_steps_make_a_program_that_runs(tmp_path: Path) -> None:
    """What the build sends, the commands of the build, and then the program without its sources beside it."""
    image, source = tmp_path / "opt" / "iam-guard", tmp_path / "src"
    for name in ("iam_guard", "pyproject.toml", "README.md", "LICENSE"):
        assert is_sent(name)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / name, source / name)
    for command in given("RUN", STEPS):
        here = command.replace("/opt/iam-guard", str(image)).replace("/src[", f"{source}[")
        words = shlex.split(here)
        words[0] = sys.executable if words[0] == "python" else words[0]
        subprocess.run(words, check=True, timeout=900)
    shutil.rmtree(source)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = subprocess.run([str(image / "bin" / "iam-guard"), "--help"], cwd=tmp_path, env=clean, check=True, text=True,
                          stdout=subprocess.PIPE)
    assert {"gateway", "sidecar", "check"} <= set(re.findall(r"[a-z]+", said.stdout))
