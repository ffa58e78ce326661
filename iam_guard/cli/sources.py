"""The policies that a command is given: a folder, or files that hold for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from iam_guard.cli.question import Home
from iam_guard.engine.attachments import Attachments, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import DocumentError, Fault, PolicyDocumentError
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION
from iam_guard.policy.document import Mode, PolicyDocument, PolicyKind
from iam_guard.policy.parse import parse_policy
from iam_guard.policy.source import MAX_TEXT


@dataclass(frozen=True, slots=True)
class Source:
    """Policies, and where short names belong among them."""

    policies: PolicySet
    home: Home


def read_source(folder: Path | None, files: Sequence[Path], mode: Mode) -> Source:
    """Read a folder or some files.

    Raises:
        typer.BadParameter: neither or both were given.
        DocumentError: with everything that is wrong in them.
    """
    if (folder is None) is not bool(files):
        raise typer.BadParameter("give either --policies FOLDER or --policy FILE")
    if folder is None:
        everyone = _read_all(files, mode)
        return Source(PolicySet(Attachments(everyone=everyone)), Home(DEFAULT_PARTITION, DEFAULT_ACCOUNT))
    from iam_guard.store.file import FilePolicyStore  # it brings the file watcher along

    snapshot = FilePolicyStore(folder).load()
    return Source(PolicySet(snapshot.attachments, revision=snapshot.revision),
                  Home(snapshot.partition, snapshot.account))


def _read_all(files: Sequence[Path], mode: Mode) -> tuple[Policy, ...]:
    found: list[Policy] = []
    faults: list[Fault] = []
    for file in files:
        try:
            found.append(Policy(file.stem, read_policy_file(file, PolicyKind.IDENTITY, mode)))
        except DocumentError as problem:
            faults += problem.faults
    if faults:
        raise PolicyDocumentError(faults)
    return tuple(found)


def read_policy_file(file: Path, kind: PolicyKind, mode: Mode) -> PolicyDocument:
    """Read one policy.

    Raises:
        PolicyDocumentError: with every fault in it.
        OSError: it cannot be read.
    """
    return parse_policy(read_bounded(file), kind=kind, mode=mode, file=str(file))


def read_bounded(file: Path) -> bytes:
    """The bytes of a file that is not larger than any text that is looked at.

    Raises:
        PolicyDocumentError: it is larger.
    """
    with file.open("rb") as stream:
        content = stream.read(4 * MAX_TEXT + 1)
    if len(content) > 4 * MAX_TEXT:
        raise PolicyDocumentError(Fault(f"the file is larger than {4 * MAX_TEXT} bytes", "split it", file=str(file)))
    return content
