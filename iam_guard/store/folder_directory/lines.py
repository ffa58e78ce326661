"""What is written down beside the files of a folder: one line for each write, and everything at one revision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from iam_guard.directory.entities import AnyEntity, Key, Kind
from iam_guard.directory.port import Change, Entry, Note
from iam_guard.store.folder_directory.places import Frame
from iam_guard.store.folder_directory.state import Files, Mark, State, frame_with
from iam_guard.store.tables import Held, Tables


class FileLine(msgspec.Struct, frozen=True, array_like=True):
    """What became of a file.

    Attributes:
        path: Relative to the folder.
        digest: Of its content; empty when it went away.
        key: Kind, account and name of its entity; empty for a file of the frame.
    """

    path: str
    digest: str
    key: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str, mark: Mark | None) -> FileLine:
        """Write a mark; ``None`` for a file that went away."""
        return cls(path, mark.digest, tuple(mark.key or ())) if mark else cls(path, "")

    @property
    def mark(self) -> Mark | None:
        """The mark as it was."""
        key = Key(Kind(self.key[0]), *self.key[1:]) if self.key else None
        return Mark(self.digest, key) if self.digest else None


class _Pair(msgspec.Struct, frozen=True, omit_defaults=True):
    before: AnyEntity | None = None
    after: AnyEntity | None = None


class ChangeLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One write.

    Attributes:
        revision: Its revision.
        who: ARN of the caller, or the folder.
        operation: ``CreateUser`` and the like.
        at: ISO 8601 in UTC.
        entries: What each entity was and is.
        files: What became of files.
        folders: Ids of further accounts by folder, where that changed.
        quotas: What ``folder.yaml`` says of quotas, likewise.
    """

    revision: int
    who: str
    operation: str
    at: str
    entries: tuple[_Pair, ...]
    files: tuple[FileLine, ...] = ()
    folders: dict[str, str] | None = None
    quotas: str | None = None

    @classmethod
    def of(cls, change: Change, files: Iterable[FileLine], frame: Frame | None) -> ChangeLine:
        """Write a change; *frame* is the new one when there is one."""
        return cls(change.revision, *change.note, tuple(_Pair(one.before, one.after) for one in change.entries),
                   tuple(files), frame.folders if frame else None, frame.quotas if frame else None)

    @property
    def change(self) -> Change:
        """The change as it was."""
        return Change(self.revision, Note(self.who, self.operation, self.at),
                      tuple(Entry((pair.after or pair.before).key, pair.before, pair.after)  # type: ignore[union-attr]
                            for pair in self.entries))


class _Header(msgspec.Struct, frozen=True):
    format: int
    revision: int
    folders: dict[str, str] = {}
    quotas: str = "none"


class _EntityLine(msgspec.Struct, frozen=True):
    revision: int
    entity: AnyEntity


_encode = msgspec.json.Encoder(order="deterministic").encode
_read_change = msgspec.json.Decoder(ChangeLine).decode
_read_entity = msgspec.json.Decoder(_EntityLine).decode
_read_file = msgspec.json.Decoder(FileLine).decode
#: Version of what is written here.
_FORMAT = 1


def write_change(line: ChangeLine) -> bytes:
    """A change as one line."""
    return _encode(line) + b"\n"


def read_change(line: bytes) -> ChangeLine:
    """Read such a line.

    Raises:
        ValueError: it is none.
    """
    return _read_change(line)


def write_state(state: State) -> Iterator[bytes]:
    """Everything at one revision, line by line."""
    yield _encode(_Header(_FORMAT, state.revision, state.frame.folders, state.frame.quotas)) + b"\n"
    for row in state.tables.keys:
        if held := state.tables.held.get(Key(*row)):
            yield _encode(_EntityLine(held.revision, held.entity)) + b"\n"
    for path, mark in state.files.marks.items():
        yield _encode(FileLine.of(path, mark)) + b"\n"


def read_state(lines: Iterable[bytes]) -> State:
    """Read such lines.

    Raises:
        ValueError: they are none, or another version wrote them.
    """
    rest = iter(lines)
    header = msgspec.json.decode(next(rest, b""), type=_Header)
    if header.format != _FORMAT:
        raise ValueError(f"format {header.format} is not known")
    held: dict[Key, Held | None] = {}
    files = Files()
    for line in rest:
        if line.startswith(b"["):
            file = _read_file(line)
            files.set(file.path, file.mark)
        else:
            one = _read_entity(line)
            held[one.entity.key] = Held(one.entity, one.revision)
    tables = Tables().changed(held)
    return State(header.revision, tables, frame_with(tables, header.folders, header.quotas), files)
