"""What people did to the files, as a change of the directory; or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from iam_guard.directory.entities import (
    Account,
    AnyEntity,
    ControlPolicy,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    Organization,
    Relation,
)
from iam_guard.directory.port import Entry
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.model import ascii_lower
from iam_guard.policy.document import Mode
from iam_guard.store.accounts import PLATFORM
from iam_guard.store.folder import MAX_FILE_BYTES, FolderFile
from iam_guard.store.folder_directory.completion import completed
from iam_guard.store.folder_directory.frame_reading import FrameRead, assign_accounts, read_frame
from iam_guard.store.folder_directory.places import FRAME_FOLDERS, NOUNS, Frame
from iam_guard.store.folder_directory.reading import EntityReader
from iam_guard.store.folder_directory.state import Mark, State, frame_entities, keys_in
from iam_guard.store.layout import EMPTY_MARKER
from iam_guard.store.organization import FULL_RCP_ACCESS
from iam_guard.store.parts import Part, PartReader, Report, put_in_place

#: How many names are looked at for one that was probably meant.
_SUGGESTIONS = 1000
#: Control policies that need no file.
_BUILT_IN = frozenset({"scp/fullawsaccess", f"rcp/{ascii_lower(FULL_RCP_ACCESS)}"})


class Edits(NamedTuple):
    """What people did.

    Attributes:
        entries: To the entities.
        files: To the files: what each holds, ``None`` when it went away.
        frame: What places mean now.
    """

    entries: tuple[Entry, ...]
    files: dict[str, Mark | None]
    frame: Frame


def read_edits(state: State, folder: Path, digests: Mapping[str, str], at: str,
               new_id: Callable[[str], str]) -> Edits:
    """Find out what differs between a folder and what is known of it.

    Args:
        state: What is known.
        folder: The folder.
        digests: Of its files.
        at: The time, for what says none.
        new_id: Makes unique ids, for what says none.

    Raises:
        ConfigurationError: something is wrong with the files; with all of it.
        OSError: one cannot be read.
    """
    edited, removed = differences(state, digests)
    if not edited and not removed:
        return Edits((), {}, state.frame)
    _refuse_emptiness(folder, digests, state)
    return _Round(state, folder, digests, at, new_id).edits(edited, removed)


def differences(state: State, digests: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """Files that are not what is known of them, and files that are gone."""
    marks = state.files.marks
    edited = {path for path, digest in digests.items() if path not in marks or marks[path].digest != digest}
    return edited, marks.keys() - digests.keys()


def _refuse_emptiness(folder: Path, digests: Mapping[str, str], state: State) -> None:
    """A folder that lost everything is a volume that was not mounted, unless somebody says otherwise."""
    has_any = any("/" in path for path in digests)
    had_any = any("/" in path for path in state.files.marks)
    if had_any and not has_any and not (folder / EMPTY_MARKER).exists():
        raise ConfigurationError(Fault("the folder has become empty", f"add a file named '{EMPTY_MARKER}' if nobody "
                                       "is to be allowed anything", file=str(folder)))


class _Round:
    """One reading of what was edited, and of what that means for other files."""

    def __init__(self, state: State, folder: Path, digests: Mapping[str, str], at: str,
                 new_id: Callable[[str], str]) -> None:
        self._state, self._folder, self._digests, self._at, self._new_id = state, folder, digests, at, new_id

    def edits(self, edited: set[str], removed: set[str]) -> Edits:
        report = Report()
        frame = self._frame(edited | removed, report)
        if frame and (frame.frame, frame.mode) != (self._state.frame, self._state.mode):
            edited = set(self._digests)
        read = self._read(edited, removed, frame)
        more = self._referring(read, edited | removed)
        if more:
            read = self._read(edited | more, removed, frame)
        report.faults.extend(read.report.faults)
        self._check_controls(read, frame, report)
        self._check_accounts(read, frame, report)
        report.raise_faults()
        return self._difference(read, removed, frame)

    # --- reading ------------------------------------------------------------------------------------------

    def _frame(self, paths: set[str], report: Report) -> FrameRead | None:
        """The frame, when any of its files was edited."""
        if not any(_is_frame(path) for path in paths):
            return None
        parts = self._parts([path for path in self._digests if _is_frame(path)], report)
        return read_frame(parts.values(), report)

    def _parts(self, paths: Iterable[str], report: Report) -> dict[str, Part]:
        files = [FolderFile(PurePosixPath(path), str(self._folder / path), self._content(path, report))
                 for path in sorted(paths)]
        names = {file.name: str(file.path) for file in files}
        return {names[part.source.file]: part for part in put_in_place(files, report)}

    def _content(self, path: str, report: Report) -> bytes:
        content = (self._folder / path).read_bytes()
        if len(content) > MAX_FILE_BYTES:
            report.faults.append(Fault(f"the file is larger than {MAX_FILE_BYTES} bytes", "split it",
                                       file=str(self._folder / path)))
            return b""
        return content

    def _read(self, edited: set[str], removed: set[str], frame: FrameRead | None) -> _Read:
        report = Report()
        means = frame.frame if frame else self._state.frame
        parts = assign_accounts(self._parts(edited, report), means, report)
        gone = keys_in(self._state.files, edited | removed)
        accounts = frame.accounts if frame else self._accounts()
        reader = EntityReader(means, PartReader(report, frame.mode if frame else self._state.mode),
                              lambda key: None if key in gone else self._state.tables.get(key),
                              lambda key: self._state.files.paths.get(key, ""), self._names, accounts)
        entities = reader.read({path: part for path, part in parts.items() if part.place.kind not in FRAME_FOLDERS})
        framed = frozenset(path for path, part in parts.items() if part.place.kind in FRAME_FOLDERS)
        return _Read(report, entities, framed, gone)

    def _names(self, kind: Kind, account: str) -> list[str]:
        return [getattr(one, "name", "") for one in self._state.tables.page(kind, account, "/", "", _SUGGESTIONS)]

    def _accounts(self) -> frozenset[str]:
        return FrameRead(self._state.frame, Mode.STRICT, tuple(frame_entities(self._state.tables))).accounts

    def _referring(self, read: _Read, known: set[str]) -> set[str]:
        """Files that name something which is not what or where it was; they have to be read, too."""
        now = {entity.key: entity for entity in read.entities.values()}
        keys: set[Key] = set()
        for key in read.gone:
            before, after = self._state.tables.get(key), now.get(key)
            if isinstance(before, ManagedPolicy) and before.arn != getattr(after, "arn", ""):
                for relation in (Relation.POLICY, Relation.BOUNDARY):
                    keys.update(self._state.tables.linking(relation, before.arn, None))
            elif isinstance(before, Group) and before.name != getattr(after, "name", ""):
                keys.update(self._state.tables.linking(Relation.GROUP, f"{key.account}/{key.name}", None))
        paths = {self._state.files.paths[key] for key in keys if key in self._state.files.paths}
        return (paths - known) & self._digests.keys()

    def _check_controls(self, read: _Read, frame: FrameRead | None, report: Report) -> None:
        """Control policies that are attached have to be there."""
        nodes = frame.entities if frame else frame_entities(self._state.tables)
        there = {entity.key.name for entity in read.entities.values() if isinstance(entity, ControlPolicy)}
        for node in nodes:
            for relation, name in node.links():
                if relation is not Relation.CONTROL or name in there | _BUILT_IN:
                    continue
                key = Key(Kind.CONTROL_POLICY, "", name)
                if key in read.gone or self._state.tables.get(key) is None:
                    report.faults.append(Fault(f"there is no control policy '{name.partition('/')[2]}'",
                                               f"create '{name.replace('/', 's/', 1)}.yaml', or remove the name",
                                               file=self._tree))

    def _check_accounts(self, read: _Read, frame: FrameRead | None, report: Report) -> None:
        """With an organization, an account without a place in it would go without limits."""
        nodes = frame.entities if frame else frame_entities(self._state.tables)
        mode = frame.mode if frame else self._state.mode
        if mode is not Mode.STRICT or not any(isinstance(node, Organization) and node.root for node in nodes):
            return
        placed = {node.account for node in nodes if isinstance(node, Account) and node.parent}
        keys = {entity.key for entity in read.entities.values()}
        if frame:
            keys |= self._state.files.paths.keys() - read.gone
        for account in sorted({key.account for key in keys if key.kind in NOUNS} - placed - {PLATFORM}):
            report.faults.append(Fault(f"the account '{account}' has no place in the tree",
                                       "add it under 'accounts' of the root or of a unit", file=self._tree))

    @property
    def _tree(self) -> str:
        """The file with the organization."""
        return next((str(self._folder / path) for path in self._digests if path.startswith("organization.")), "")

    # --- what came of it ----------------------------------------------------------------------------------

    def _difference(self, read: _Read, removed: set[str], frame: FrameRead | None) -> Edits:
        tables = self._state.tables
        after: dict[Key, AnyEntity | None] = dict.fromkeys(sorted(read.gone))
        after |= {entity.key: entity for entity in read.entities.values()}
        if frame:
            after |= dict.fromkeys(one.key for one in frame_entities(tables))
            after |= {one.key: one for one in frame.entities}
        after = completed(after, tables, self._at, self._new_id)
        entries = tuple(Entry(key, tables.get(key), entity) for key, entity in after.items()
                        if tables.get(key) != entity)
        marks: dict[str, Mark | None] = dict.fromkeys(removed)
        marks |= {path: Mark(self._digests[path], entity.key) for path, entity in read.entities.items()}
        marks |= {path: Mark(self._digests[path]) for path in read.framed}
        return Edits(entries, marks, frame.frame if frame else self._state.frame)


class _Read(NamedTuple):
    """What files said.

    Attributes:
        report: What is wrong with them.
        entities: By path.
        framed: Those that are the frame's.
        gone: Keys of what they held before.
    """

    report: Report
    entities: dict[str, AnyEntity]
    framed: frozenset[str]
    gone: set[Key]


def _is_frame(path: str) -> bool:
    *folders, name = path.split("/")
    is_single = not folders or (len(folders) == 2 and folders[0] == "accounts")
    return is_single and name.rpartition(".")[0] in FRAME_FOLDERS


