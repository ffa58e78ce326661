"""What happened to a directory, how that is forgotten, and how its secrets are hidden anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Protocol, runtime_checkable

import msgspec
import typer

from iam_guard.cli.caller import Store
from iam_guard.cli.output import Format, count_of, note, print_json_line, print_table, print_text
from iam_guard.directory.hiding import HiddenSecrets, KeyRing
from iam_guard.directory.history import record_of
from iam_guard.directory.port import Change, DirectoryStore, Entry, Note
from iam_guard.directory.rotation import rotate
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.store.urls import open_store

HISTORY = ("iam-guard directory history --store sqlite:///iam.db",
           "iam-guard directory history --since 41 --follow --format json --store postgresql://db/iam")

FORGET = ("iam-guard directory history --format json --store sqlite:///iam.db > history.jsonl && "
          "iam-guard directory forget-history --before 5000 --store sqlite:///iam.db",)

ROTATE = ("IAM_GUARD_SECRET_KEY_FILE=keys.txt iam-guard directory rotate-secret-keys --store sqlite:///iam.db",)

_BATCH = 1_000
_WAIT_SECONDS = 60.0


@runtime_checkable
class Forgetful(Protocol):
    """A store that can forget its history."""

    def forget(self, before: int) -> None:
        """Forget what writes before a revision did."""


def history(
    store: Store,
    since: Annotated[int, typer.Option(min=0, help="Only what came after this revision.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what happens from now on.")] = False,
    format: Annotated[Format, typer.Option(help="How to print; json prints a line a change, with what was before and "
                                                "after.")] = Format.TABLE,
) -> None:
    """Every change: who made it, when, by which operation, and what it changed."""
    opened = open_store(store)
    try:
        if format is Format.JSON or follow:
            for change in _changes(opened, since, follow):
                if format is Format.JSON:
                    print_json_line(msgspec.to_builtins(record_of(change)))
                else:
                    print_text("  ".join(_row(change)))
        else:
            print_table(("revision", "when", "who", "operation", "changed"), map(_row, _changes(opened, since, False)))
    finally:
        opened.close()


def _changes(store: DirectoryStore, since: int, follow: bool) -> Iterator[Change]:
    while True:
        found = store.changes(since, limit=_BATCH)
        yield from found
        if found:
            since = found[-1].revision
        elif not follow:
            return
        else:
            store.wait(since, _WAIT_SECONDS)


def _row(change: Change) -> tuple[str, ...]:
    return (str(change.revision), change.note.at, change.note.who, change.note.operation,
            ", ".join(map(_named, change.entries)))


def _named(entry: Entry) -> str:
    sign = "+" if entry.before is None else "-" if entry.after is None else "~"
    return f"{sign}{entry.key.kind} {entry.key.name}"


def rotate_secret_keys(
    store: Store,
    batch: Annotated[int, typer.Option(min=1, help="How many to rewrite in one write.")] = 500,
) -> None:
    """Hide every secret access key again, with the newest of the keys in the environment.

    Put a new key in front of IAM_GUARD_SECRET_KEY or of the file that
    IAM_GUARD_SECRET_KEY_FILE names, restart what uses the directory, run
    this, then take the old key away. It may be stopped and begun again.
    """
    secrets = HiddenSecrets(KeyRing.from_environment())
    opened = open_store(store)
    try:
        who = Note("", "RotateSecretKeys", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        count = rotate(opened, secrets, who, batch=batch)
    finally:
        opened.close()
    note(f"{count_of(count, 'secret access key was', 'secret access keys were')} hidden again")


def forget_history(
    store: Store,
    before: Annotated[int, typer.Option(min=1, help="The oldest revision to remember.")],
) -> None:
    """Forget what changes before a revision did, to make room in a database; who exists now stays as it is."""
    opened = open_store(store)
    try:
        if not isinstance(opened, Forgetful):
            raise ConfigurationError(Fault("only a database keeps a history that can be made shorter",
                                           "name a store like sqlite:///iam.db or postgresql://host/database"))
        newest = opened.revision()
        if before > newest:
            raise ConfigurationError(Fault(f"the newest revision is {newest}",
                                           f"keep at least that one: --before {newest}"))
        opened.forget(before)
    finally:
        opened.close()
    note(f"what happened before revision {before} is forgotten")
