"""``iam-guard directory import``, ``export`` and ``copy``: directories in and out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from iam_guard.cli.caller import Store
from iam_guard.cli.output import Format, count_of, note, print_json, print_text
from iam_guard.cli.progress import counting
from iam_guard.directory.attaching import settings_of
from iam_guard.directory.difference import lines_of, shape_of
from iam_guard.directory.exchange.reading import Details, read_details
from iam_guard.directory.exchange.writing import left_out, write_details
from iam_guard.directory.port import DirectoryStore, Entry, Note
from iam_guard.directory.transfer import bring_in, copy
from iam_guard.store.urls import open_store

IMPORT = ("aws iam get-account-authorization-details > account.json",
          "iam-guard directory import account.json --format aws --store sqlite:///iam.db --dry-run",
          "iam-guard directory import ./folder --format folder --store postgresql://db/iam")
EXPORT = ("iam-guard directory export --format aws --store sqlite:///iam.db > account.json",
          "iam-guard directory export --format folder --to ./folder --store sqlite:///iam.db")
COPY = ("iam-guard directory copy sqlite:///iam.db postgresql://db/iam --dry-run",
        "iam-guard directory copy file:./folder sqlite:///iam.db")


class Form(StrEnum):
    """How a directory is written outside a store."""

    AWS = "aws"
    FOLDER = "folder"


FormOption = Annotated[Form, typer.Option("--format", help="aws: what GetAccountAuthorizationDetails answers; "
                                                           "folder: files to edit and review.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
Exact = Annotated[bool, typer.Option("--exact", help="Remove what is not there where this comes from.")]
Output = Annotated[Format, typer.Option("--output", help="How to print what changes.")]


def import_(
    file: Annotated[Path, typer.Argument(exists=True, help="The export, or the folder.", show_default=False)],
    store: Store,
    format: FormOption = Form.AWS,
    dry_run: DryRun = False,
    exact: Exact = False,
    output: Output = Format.TABLE,
) -> None:
    """Bring a directory into a store, all of it or nothing; ids and dates stay as they are."""
    if format is Form.FOLDER:
        _copy(f"file:{file}", store, exact, dry_run, output)
        return
    details = read_details(file.read_bytes(), file=str(file))
    _warn(details)
    with _opened(store) as target, counting("entities", len(details.entities) + 1) as tell:
        entries = bring_in(target, details, _note("Import"), exact=exact, dry_run=dry_run, progress=tell)
    _print(entries, dry_run, output)


def export(
    store: Store,
    format: FormOption = Form.AWS,
    account: Annotated[str, typer.Option(metavar="ID", help="Which account, in AWS's form; by default the "
                                                            "directory's own.", show_default=False)] = "",
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The folder to write.", show_default=False)] = None,
) -> None:
    """Write a directory: an account in AWS's form to standard output, or everything to a folder."""
    if format is Form.FOLDER:
        if to is None:
            raise typer.BadParameter("--format folder needs --to FOLDER")
        _copy(store, f"file:{to}", True, False, Format.TABLE)
        return
    with _opened(store) as source, source.read() as reading:
        account = account or settings_of(reading).default_account
        details, left = write_details(reading, account), left_out(reading, account)
    print_json(details)
    if left:
        note("AWS's form has no place for " + ", ".join(f"{kind} ({count})" for kind, count in sorted(left.items())))


def copy_(
    source: Annotated[str, typer.Argument(metavar="FROM", help="URL of the store to read.", show_default=False)],
    target: Annotated[str, typer.Argument(metavar="TO", help="URL of the store to write.", show_default=False)],
    dry_run: DryRun = False,
    exact: Exact = False,
    output: Annotated[Format, typer.Option("--format", help="How to print what changes.")] = Format.TABLE,
) -> None:
    """Copy all that a store holds now into another, all of it or nothing; its history stays behind."""
    _copy(source, target, exact, dry_run, output)


def _copy(source: str, target: str, exact: bool, dry_run: bool, output: Format) -> None:
    with _opened(source) as one, _opened(target) as other, counting("entities") as tell:
        entries = copy(one, other, _note("Copy"), exact=exact, dry_run=dry_run, progress=tell)
    _print(entries, dry_run, output)


@contextmanager
def _opened(url: str) -> Iterator[DirectoryStore]:
    opened = open_store(url)
    try:
        yield opened
    finally:
        opened.close()


def _note(operation: str) -> Note:
    return Note("", operation, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _warn(details: Details) -> None:
    if details.truncated:
        note("the export says that it is one page of several: whatever is on the others is missing")
    if details.missing:
        note("attached, but not in the export; whoever holds one is denied everything: " + ", ".join(details.missing))


def _print(entries: list[Entry], dry_run: bool, output: Format) -> None:
    if output is Format.JSON:
        print_json({"DryRun": dry_run, "Changes": [shape_of(one) for one in entries]})
        return
    print_text("\n".join(line for one in entries for line in lines_of(one)) or "nothing differs")
    note(f"{count_of(len(entries), 'entity', 'entities')} {'would change' if dry_run else 'changed'}")
