"""The pages about the directory leave nothing out: operations, errors, quotas, options of stores, commands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from doc_blocks import ROOT, sections_of
from msgspec.structs import fields

from iam_guard.answers.examiner import Certainty
from iam_guard.cli.directory import app
from iam_guard.directory.exchange.remarks import INCOMPLETE, UNKNOWN, UNRESOLVED
from iam_guard.directory.operation import Operation
from iam_guard.directory.operations import OPERATIONS
from iam_guard.directory.operations.passwords import UpdateAccountPasswordPolicy
from iam_guard.directory.quotas import Quotas
from iam_guard.errors import DirectoryError
from iam_guard.store.folder_directory import FolderDirectoryStore
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.sql.postgresql import PostgreSQLDirectoryStore
from iam_guard.store.sql.sqlite import SQLiteDirectoryStore
from iam_guard.store.urls import _OPENERS

REFERENCE = ROOT / "docs" / "reference"
DIRECTORY, STORES = sections_of(REFERENCE / "directory.md"), sections_of(REFERENCE / "stores.md")
CLI = sections_of(REFERENCE / "cli.md")
OWN = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def rows_of(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def words_of(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_operation_is_named_in_its_table_and_no_other() -> None:
    told = re.findall(r"(?<!\()`([A-Z]\w+)`(?! ?:)", re.sub(r" \([^)]*\)", "", _table("The operations")))
    assert sorted(told) == sorted(OPERATIONS)


def test_parameters_that_the_table_gives_are_those_of_the_operation() -> None:
    found = re.findall(r"`([A-Z]\w+)` \(([^)]*)\)", _table("The operations"))
    assert found
    for name, given in found:
        known = {one.encode_name for one in fields(OPERATIONS[name])}
        assert {word for word in words_of(given) if word[0].isupper()} <= known, name


def _table(heading: str) -> str:
    return "\n".join(line for line in DIRECTORY[heading].splitlines() if line.startswith("|"))


@pytest.mark.parametrize("error", DirectoryError.__subclasses__(), ids=lambda error: error.__name__)
def test_every_error_has_its_row(error: type[DirectoryError]) -> None:
    assert f"| `{error.code}` | {error.status} | `{error.__name__}` |" in DIRECTORY["Errors"]


def test_every_quota_is_told_with_its_default() -> None:
    told = {name: int(value) for names, values, *_ in rows_of(DIRECTORY["Quotas"])
            for name, value in zip(words_of(names), values.split(", "), strict=True)}
    assert told == {one.name: one.default for one in fields(Quotas)}


def test_what_a_password_policy_asks_is_told() -> None:
    assert {one.encode_name for one in fields(UpdateAccountPasswordPolicy)} <= set(words_of(DIRECTORY["Passwords"]))


@pytest.mark.parametrize("store", [SQLiteDirectoryStore, PostgreSQLDirectoryStore, FolderDirectoryStore,
                                   MemoryDirectoryStore], ids=lambda store: store.__name__)
def test_every_option_of_a_store_is_told(store: type) -> None:
    told = {name: (whose, default) for names, whose, default, _ in rows_of(STORES["Options"])
            for name in words_of(names)}
    for one in inspect.signature(store).parameters.values():
        whose, default = told[one.name]
        assert store.__name__ in whose or whose.startswith("all"), one.name
        if isinstance(one.default, int | float):
            assert f"{one.default:,}" in default, one.name


def test_every_kind_of_url_is_told() -> None:
    assert {scheme for scheme in _OPENERS if not re.search(rf"`{scheme}:", STORES["Stores"])} == set()


@pytest.mark.parametrize("certainty", Certainty)
def test_every_certainty_is_told(certainty: Certainty) -> None:
    assert f"**`{certainty}`**" in sections_of(REFERENCE / "answers.md")["Allowed, denied, depends"]


@pytest.mark.parametrize("name", OWN)
def test_every_command_has_a_section_with_its_options(name: str) -> None:
    options = {one for parameter in OWN[name].params for one in (*parameter.opts, *parameter.secondary_opts)
               if one.startswith("--")} - {"--help"}
    assert {one for one in options if not re.search(rf"{one}\b", CLI[name])} == set()


@pytest.mark.parametrize("operation", ["ListUsers", "CreateUser"])
def test_what_all_operations_take_stands_in_the_section(operation: str) -> None:
    own = {one.encode_name for one in fields(OPERATIONS[operation])} - {"MaxItems", "Marker"}
    command = typer.main.get_command(app).get_command(None, _command(OPERATIONS[operation]))  # type: ignore[attr-defined]
    options = {one.opts[0] for one in command.params} - {f"--{_dashed(name)}" for name in own} - {"--help"}
    assert {"--store", "--as", "--format"} <= options
    assert {one for one in options if not re.search(rf"`{one}\b", CLI["directory"])} == set()


def _command(operation: type[Operation]) -> str:
    return _dashed(operation.__name__)


def _dashed(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


@pytest.mark.parametrize("page", sorted(REFERENCE.glob("*.md")), ids=lambda page: page.name)
def test_anchors_lead_to_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text("utf-8")):
        there = page.parent / target if target else page
        assert anchor in {heading.lower().replace(" ", "-") for heading in sections_of(there)}, f"{target}#{anchor}"


@pytest.mark.parametrize("code", [UNRESOLVED, UNKNOWN, INCOMPLETE])
def test_every_remark_on_an_import_is_told(code: str) -> None:
    assert f"| `{code}` |" in CLI["import"]
