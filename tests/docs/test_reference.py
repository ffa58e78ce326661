"""The reference leaves nothing out: every command and option, every public name, every deviation."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import typer
from doc_blocks import ROOT, sections_of

import iam_guard
from iam_guard.asgi.cors import CORSSettings
from iam_guard.cli.main import app
from iam_guard.config import schema
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.response import DenialStyle, Problem
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.settings import PRESETS, IssuerSettings, MappingSettings
from iam_guard.policy.operators import COMPARISONS
from iam_guard.store import entities

REFERENCE = ROOT / "docs" / "reference"
GROUP = typer.main.get_command(app)
COMMANDS = dict(GROUP.commands)  # type: ignore[attr-defined]


def _text(page: str) -> str:
    return (REFERENCE / page).read_text("utf-8")


def _long_options(command: object) -> set[str]:
    names = {name for one in command.params for name in one.opts if name.startswith("--")}  # type: ignore[attr-defined]
    return names | {"--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_long_option_stands_in_its_section(name: str) -> None:
    sections = sections_of(REFERENCE / "cli.md")
    said = sections[name]
    missing = {one for one in _long_options(COMMANDS[name]) - {"--help"} if not re.search(rf"{one}\b", said)}
    assert missing == set()


def test_every_option_of_the_program_itself_stands_on_the_page() -> None:
    assert {one for one in _long_options(GROUP) if one not in _text("cli.md")} == set()


def test_every_exit_code_of_the_help_stands_on_the_page() -> None:
    codes = re.findall(r"(\d+) ", GROUP.epilog or "")
    assert codes
    assert all(f"| {code} |" in _text("cli.md") for code in codes)


@pytest.mark.parametrize("name", iam_guard.__all__)
def test_every_public_name_has_its_place(name: str) -> None:
    assert re.search(rf"^#+ .*`{name}`", _text("python.md"), re.MULTILINE), name


@pytest.mark.parametrize("kind", ["Verdict", "ReasonType"])
def test_every_verdict_and_reason_type_is_told(kind: str) -> None:
    assert {str(one) for one in getattr(iam_guard, kind) if f"`{one}`" not in _text("decisions.md")} == set()


def test_every_deviation_is_told_with_its_topic() -> None:
    told = sections_of(REFERENCE / "policies.md")["Where we deviate"]
    known = json.loads((ROOT / "tests" / "conformance" / "deviations.json").read_text("utf-8"))
    assert {one["topic"] for one in known if f"`{one['topic']}`" not in told} == set()
    assert set(re.findall(r"^\| `([a-z-]+)`", told, re.MULTILINE)) == {one["topic"] for one in known}


@pytest.mark.parametrize("page", sorted(REFERENCE.glob("*.md")), ids=lambda page: page.name)
def test_links_to_other_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def _missing(names: Iterable[str], page: str) -> set[str]:
    return {name for name in names if not re.search(rf"\b{re.escape(name)}\b", _text(page))}


@pytest.mark.parametrize("kind", [
    schema.SettingsFile, schema.PolicySettings, schema.RouteSettings, schema.NameSettings, schema.ContextSettings,
    schema.LogSettings, schema.StreamSettings, EdgeSettings, CORSSettings, DenialStyle, IssuerSettings, MappingSettings,
])
def test_every_setting_is_told(kind: type) -> None:
    names = inspect.signature(kind).parameters
    assert names
    assert _missing(names, "settings.md") == set()


def test_every_preset_is_told_with_what_it_requires() -> None:
    of_mapping = set(inspect.signature(ClaimMapping).parameters) | {"audience", "mapping"}
    for name, preset in PRESETS.items():
        row = re.search(rf"^\| `{name}` \|.*$", _text("settings.md"), re.MULTILINE)
        required = {one.name for one in inspect.signature(preset).parameters.values() if one.default is one.empty}
        assert row
        assert {one for one in required - of_mapping if f"`{one}`" not in row[0]} == set()


@pytest.mark.parametrize("kind", [entities.FolderSettings, entities.GroupFile, entities.UserFile, entities.RoleFile,
                                  entities.PolicyFile, entities.ResourceFile, entities.OrganizationFile,
                                  entities.UnitNode, entities.AccountFile])
def test_every_key_of_the_folder_is_told(kind: type) -> None:
    assert _missing(inspect.signature(kind).parameters, "folder.md") == set()


def test_every_operator_is_told() -> None:
    assert _missing(COMPARISONS, "policies.md") == set()


def test_every_problem_has_its_row_with_its_status() -> None:
    codes = {one.code: one.status for one in Problem}
    told = [(code, int(status)) for status, code in
            re.findall(r"^\|.*\| (\d{3}).*\| `([a-z-]+)` \|$", _text("decisions.md"), re.MULTILINE)]
    assert told
    assert all(codes.get(code, status) == status for code, status in told)
    assert {code for code in codes if f"`{code}`" not in _text("decisions.md")} == set()
