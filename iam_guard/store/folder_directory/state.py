"""What is known of a folder: its entities, and which file each of them is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from iam_guard.directory.entities import AnyEntity, Key, Kind, Settings
from iam_guard.policy.document import Mode
from iam_guard.store.folder_directory.places import FRAME_KINDS, Frame
from iam_guard.store.layout import SUFFIXES
from iam_guard.store.tables import Tables


class Mark(NamedTuple):
    """A file that holds an entity, or part of the frame.

    Attributes:
        digest: SHA-256 of its content.
        key: Which entity; ``None`` for a file of the frame.
    """

    digest: str
    key: Key | None = None


def stem_of(path: str) -> str:
    """What two files may not share: the path without suffix, whatever the case."""
    return path[: -len(next(suffix for suffix in SUFFIXES if path.endswith(suffix)))].lower()


@dataclass(slots=True)
class Files:
    """The files that hold entities.

    Attributes:
        marks: What each holds, by path.
        paths: Where each entity is.
        stems: Paths by what no two files may share.
    """

    marks: dict[str, Mark] = field(default_factory=dict)
    paths: dict[Key, str] = field(default_factory=dict)
    stems: dict[str, str] = field(default_factory=dict)

    def set(self, path: str, mark: Mark | None) -> None:
        """Note what a file holds; ``None`` when it is gone."""
        before = self.marks.pop(path, None)
        if before and before.key and self.paths.get(before.key) == path:
            del self.paths[before.key]
        if self.stems.get(stem_of(path)) == path:
            del self.stems[stem_of(path)]
        if mark:
            self.marks[path] = mark
            self.stems[stem_of(path)] = path
            if mark.key:
                self.paths[mark.key] = path

    def frame(self) -> dict[str, str]:
        """The files of the frame, by path without suffix."""
        return {path.rpartition(".")[0]: path for path, mark in self.marks.items() if mark.key is None}


@dataclass(frozen=True, slots=True)
class State:
    """Everything at one revision; replaced as a whole, and only the files are brought along.

    Attributes:
        revision: Which.
        tables: The entities.
        frame: What places mean.
        files: Which file holds what; those who write alone may look at it.
    """

    revision: int = 0
    tables: Tables = field(default_factory=Tables)
    frame: Frame = field(default_factory=Frame)
    files: Files = field(default_factory=Files)

    @property
    def mode(self) -> Mode:
        """How strictly documents are read."""
        settings = self.tables.get(Key(Kind.SETTINGS, "", ""))
        return Mode.IMPORT if isinstance(settings, Settings) and settings.imported else Mode.STRICT


def frame_entities(tables: Tables) -> list[AnyEntity]:
    """Settings, accounts, organization and units."""
    return [entity for kind in sorted(FRAME_KINDS) for row in tables.keys.starting((kind,))
            if (entity := tables.get(Key(*row))) is not None]


def frame_with(tables: Tables, folders: Mapping[str, str], quotas: str) -> Frame:
    """A frame whose partition and account are what the settings say."""
    settings = tables.get(Key(Kind.SETTINGS, "", ""))
    if not isinstance(settings, Settings):
        return Frame(folders=dict(folders), quotas=quotas)
    return Frame(settings.partition, settings.default_account, dict(folders), quotas)


def keys_in(files: Files, paths: Iterable[str]) -> set[Key]:
    """The entities in files."""
    return {mark.key for path in paths if (mark := files.marks.get(path)) and mark.key}
