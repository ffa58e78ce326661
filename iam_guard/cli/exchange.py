"""``iam-guard directory import``, ``export`` and ``copy``: directories in and out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from iam_guard.cli.caller import Store
from iam_guard.cli.output import Format, count_of, note, print_json, print_text
from iam_guard.cli.progress import counting
from iam_guard.directory.attaching import settings_of
from iam_guard.directory.difference import lines_of, shape_of
from iam_guard.directory.entities import ManagedPolicy
from iam_guard.directory.exchange.beside import RCPS, RESOURCES, SCPS, Beside, read_beside, texts_of_files
from iam_guard.directory.exchange.reading import read_details
from iam_guard.directory.exchange.remarks import Remark
from iam_guard.directory.exchange.supplied import read_policies
from iam_guard.directory.exchange.writing import Documents, left_out, write_beside, write_details
from iam_guard.directory.port import DirectoryStore, Entry, Note
from iam_guard.directory.transfer import bring_in, copy, remarks_in
from iam_guard.errors import DocumentError, Fault
from iam_guard.store.urls import open_store

IMPORT = ("aws iam get-account-authorization-details > account.json",
          "iam-guard directory import account.json --format aws --store sqlite:///iam.db --dry-run",
          "iam-guard directory import page1.json page2.json --policies aws-policies.json --store sqlite:///iam.db",
          "iam-guard directory import ./folder --format folder --store postgresql://db/iam")
EXPORT = ("iam-guard directory export --format aws --store sqlite:///iam.db > account.json",
          "iam-guard directory export --format aws --output ./aws --store sqlite:///iam.db",
          "iam-guard directory export --format folder --output ./folder --store sqlite:///iam.db")
COPY = ("iam-guard directory copy sqlite:///iam.db postgresql://db/iam --dry-run",
        "iam-guard directory copy file:./folder sqlite:///iam.db")
#: What an export is called in a folder, beside its side files.
_ACCOUNT_FILE = "account.json"


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
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True, show_default=False, help=(
        "The export, each of its pages, or the folder."))],
    store: Store,
    format: FormOption = Form.AWS,
    account: Annotated[list[str], typer.Option(metavar="ID", show_default=False, help=(
        "An account that the export speaks of; repeat it where that is not one alone, its own first."))] = [],  # noqa: B006
    policies: Annotated[list[Path], typer.Option(metavar="FILE", exists=True, dir_okay=False, show_default=False, help=(
        "Documents by ARN, for policies that are attached and not in the export."))] = [],  # noqa: B006
    alone: Annotated[bool, typer.Option("--alone", help=(
        f"Leave {SCPS}, {RCPS} and {RESOURCES} beside the export unread."))] = False,
    dry_run: DryRun = False,
    exact: Exact = False,
    output: Output = Format.TABLE,
) -> None:
    """Bring a directory into a store, all of it or nothing; ids and dates stay as they are."""
    if format is Form.FOLDER:
        _import_folder(files, bool(account or policies), store, exact, dry_run, output)
        return
    details = read_details(*map(_text, files), accounts=account, supplied=_supplied(policies), file=str(files[0]))
    beside = Beside() if alone else _beside(files[0].parent)
    with _opened(store) as target, counting("entities", len(details.entities) + len(beside.resources)) as tell:
        remarks = remarks_in(target, details)
        entries = bring_in(target, details, _note("Import"), exact=exact, dry_run=dry_run, beside=beside,
                           progress=tell)
    for remark in remarks:
        note(f"{remark.code}: {remark.where}: {remark.text}")
    _print(entries, dry_run, output, remarks)


def _import_folder(files: list[Path], is_aws: bool, store: str, exact: bool, dry_run: bool, output: Format) -> None:
    if len(files) > 1 or is_aws:
        raise typer.BadParameter("--format folder takes one folder, and neither --account nor --policies")
    if not files[0].is_dir():  # opening it would make one
        raise typer.BadParameter(f"'{files[0]}' is not a folder")
    _copy(f"file:{quote(str(files[0]))}", store, exact, dry_run, output)


def _text(file: Path) -> bytes:
    if file.is_dir():
        raise typer.BadParameter(f"'{file}' is a folder; --format aws reads files")
    return file.read_bytes()


def _supplied(files: list[Path]) -> dict[str, ManagedPolicy]:
    return {arn: policy for file in files
            for arn, policy in read_policies(file.read_bytes(), file=str(file)).items()}


def _beside(folder: Path) -> Beside:
    found = [folder / name for name in (SCPS, RCPS, RESOURCES) if (folder / name).is_file()]
    for file in found:
        note(f"with '{file}'")
    return read_beside({file.name: file.read_bytes() for file in found})


def export(
    store: Store,
    format: FormOption = Form.AWS,
    account: Annotated[str, typer.Option(metavar="ID", help="Which account, in AWS's form; by default the "
                                                            "directory's own.", show_default=False)] = "",
    documents: Annotated[Documents, typer.Option(help="How AWS's form writes documents: objects as its command line "
                                                      "prints them, text, encoded as its API does.")
                         ] = Documents.OBJECTS,
    output: Annotated[Path | None, typer.Option("--output", "--to", metavar="DIR", file_okay=False,
                                                show_default=False, help=(
        f"The folder to write; in AWS's form {_ACCOUNT_FILE} and, where they say anything, {SCPS}, {RCPS} and "
        f"{RESOURCES}. Without one AWS's form goes to standard output."))] = None,
) -> None:
    """Write a directory: an account in AWS's form, or everything as a folder to edit and review."""
    if format is Form.FOLDER:
        if output is None:
            raise typer.BadParameter("--format folder needs --output DIR")
        _copy(store, f"file:{quote(str(output))}", True, False, Format.TABLE)
        return
    with _opened(store) as source, source.read() as reading:
        account = account or settings_of(reading).default_account
        details = write_details(reading, account, documents=documents)
        beside, left = write_beside(reading, account), left_out(reading, account, beside=output is not None)
    if output is None:
        print_json(details)
    else:
        _write(output, {_ACCOUNT_FILE: json.dumps(details, indent=2) + "\n", **texts_of_files(beside)})
    if left:
        note("not written: " + ", ".join(f"{kind} ({count})" for kind, count in sorted(left.items())))


def _write(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (SCPS, RCPS, RESOURCES):
        if name not in texts:  # one from before would be taken for this account's
            (folder / name).unlink(missing_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="ascii")


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
        _check_filled(one)
        entries = copy(one, other, _note("Copy"), exact=exact, dry_run=dry_run, progress=tell)
    _print(entries, dry_run, output)


def _check_filled(source: DirectoryStore) -> None:
    """A mistyped place is a new one, and an exact copy of nothing would remove everything."""
    with source.read() as reading:
        if next(iter(reading.scan()), None) is None:
            raise DocumentError(Fault("there is nothing in it", "check where to copy from", file=source.url))


@contextmanager
def _opened(url: str) -> Iterator[DirectoryStore]:
    opened = open_store(url)
    try:
        yield opened
    finally:
        opened.close()


def _note(operation: str) -> Note:
    return Note("", operation, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _print(entries: list[Entry], dry_run: bool, output: Format, remarks: Iterable[Remark] = ()) -> None:
    if output is Format.JSON:
        print_json({"DryRun": dry_run, "Changes": [shape_of(one) for one in entries],
                    "Remarks": [{"Code": one.code, "Where": one.where, "Text": one.text} for one in remarks]})
        return
    print_text("\n".join(line for one in entries for line in lines_of(one)) or "nothing differs")
    note(f"{count_of(len(entries), 'entity', 'entities')} {'would change' if dry_run else 'changed'}")
