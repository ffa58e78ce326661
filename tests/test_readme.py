"""The README: the two commands that machines look for, and links that lead somewhere. Its blocks run with the docs."""

from __future__ import annotations

import re
import tomllib

import pytest
from doc_blocks import ROOT, Block, blocks_of

README = ROOT / "README.md"
BLOCKS = list(blocks_of(README))
TEXT = README.read_text("utf-8")


def _marked(mark: str) -> Block:
    (found,) = [block for block in BLOCKS if block.mark == mark]
    return found


def test_one_command_runs_it_and_one_tests_it() -> None:
    assert _marked("run").text == "pip install -q . && iam-guard demo\n"
    assert _marked("test").text == 'pip install -q -e ".[dev]" && python -m pytest\n'
    assert {block.mark for block in BLOCKS} == {"", "run", "test"}


def test_the_commands_come_before_any_other_block() -> None:
    assert [block.mark for block in BLOCKS[:2]] == ["run", "test"]


def test_the_commands_are_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert "iam-guard" in project["scripts"]
    assert "dev" in project["optional-dependencies"]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)", TEXT))))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("topic", ["Protect an application", "When the answer is no", "Explain a denial",
                                   "Decorate a route", "Keep a directory", "Speed", "Where to go next"])
def test_the_first_ten_minutes_are_all_there(topic: str) -> None:
    assert f"\n## {topic}\n" in TEXT
