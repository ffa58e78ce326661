"""A change of the directory as changes of files: only of those that say something else now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from iam_guard.directory.entities import AnyEntity, Key, Kind, ManagedPolicy, Relation
from iam_guard.directory.port import Entry
from iam_guard.model import ascii_lower
from iam_guard.store.folder_directory.disk import digest_of
from iam_guard.store.folder_directory.frame_writing import FrameEntities, frame_of, frame_values
from iam_guard.store.folder_directory.places import (
    FRAME_KINDS,
    Frame,
    odd_place,
    path_of,
    place_for,
    said_of,
    suffix_of,
)
from iam_guard.store.folder_directory.state import Mark, State, frame_entities, stem_of
from iam_guard.store.folder_directory.writing import file_text, file_value
from iam_guard.store.layout import SUFFIXES, Place, place_of
from iam_guard.store.tables import Tables

#: Kinds that no file shows.
_HIDDEN_KINDS = frozenset({Kind.ACCESS_KEY})


class Plan(NamedTuple):
    """What a write does to files.

    Attributes:
        contents: What each file is to hold, ``None`` for one that goes away.
        marks: What is then known of each.
        frame: What places mean then.
    """

    contents: dict[str, bytes | None]
    marks: dict[str, Mark | None]
    frame: Frame


def plan(state: State, entries: Iterable[Entry], after: Tables) -> Plan:
    """Work it out.

    Args:
        state: What is known.
        entries: What changes.
        after: All entities then.
    """
    entries = tuple(entries)
    planner = _Planner(state, after)
    if any(entry.key.kind in FRAME_KINDS for entry in entries):
        planner.plan_frame()
    planner.plan_entities(_affected(entries, state, after, everything=planner.frame != state.frame))
    return Plan(planner.contents, planner.marks, planner.frame)


def _affected(entries: tuple[Entry, ...], state: State, after: Tables, *, everything: bool) -> list[Key]:
    """Entities whose files may have to say something else."""
    keys = dict.fromkeys(entry.key for entry in entries)
    if everything:
        keys |= dict.fromkeys(state.files.paths)
    for entry in entries:
        if isinstance(entry.before, ManagedPolicy) and _named(entry.before) != _named(entry.after):
            for relation in (Relation.POLICY, Relation.BOUNDARY):
                keys |= dict.fromkeys(after.linking(relation, entry.before.arn, None))
    return [key for key in keys if key.kind not in FRAME_KINDS | _HIDDEN_KINDS]


def _named(entity: AnyEntity | None) -> tuple[str, str]:
    return (entity.arn, entity.name) if isinstance(entity, ManagedPolicy) else ("", "")


class _Planner:
    def __init__(self, state: State, after: Tables) -> None:
        self._state, self._files, self._after = state, state.files, after
        self.frame = state.frame
        self.contents: dict[str, bytes | None] = {}
        self.marks: dict[str, Mark | None] = {}
        self._taken: dict[str, Key] = {}

    # --- the frame ----------------------------------------------------------------------------------------

    def plan_frame(self) -> None:
        """Files of the frame."""
        before = FrameEntities.among(frame_entities(self._state.tables))
        after = FrameEntities.among(frame_entities(self._after))
        self.frame = frame_of(after, self._state.frame)
        old = frame_values(before, self._state.frame)
        new = frame_values(after, self.frame)
        there = self._files.frame()
        for stem, value in new.items():
            if stem not in there or old.get(stem) != value:
                path = there.get(stem, f"{stem}{SUFFIXES[0]}")
                self._set(path, file_text(value, suffix_of(path)), None)
        for stem in there.keys() - new.keys():
            self._set(there[stem], None, None)

    def _set(self, path: str, content: bytes | None, key: Key | None) -> None:
        mark = Mark(digest_of(content), key) if content is not None else None
        if mark != self._files.marks.get(path):
            self.contents[path], self.marks[path] = content, mark

    # --- entities -----------------------------------------------------------------------------------------

    def plan_entities(self, keys: list[Key]) -> None:
        """Files of single entities: those that go away first, so that their names are free."""
        places = {key: (self._place(key, entity), entity) for key in keys if (entity := self._after.get(key))}
        for key in keys:
            path = self._files.paths.get(key)
            if path and (key not in places or places[key][0] != path):
                self._set(path, None, None)
        for key, (path, entity) in places.items():
            self._plan_entity(key, path, entity)

    def _place(self, key: Key, entity: AnyEntity) -> str:
        now = self._files.paths.get(key)
        there = place_of(PurePosixPath(now)) if now else None
        wanted = place_for(entity, there, self.frame)
        suffix = suffix_of(now) if now else SUFFIXES[0]
        for place in (wanted, odd_place(entity)):
            path = path_of(place, suffix)
            if self._is_free(path, key):
                break
        self._taken[stem_of(path)] = key
        return path

    def _is_free(self, path: str, key: Key) -> bool:
        stem = stem_of(path)
        holder = self._files.stems.get(stem)
        mark = self._files.marks.get(holder) if holder else None
        is_old = mark is None or mark.key == key or (mark.key is not None and self._after.get(mark.key) is None)
        return is_old and self._taken.get(stem, key) == key

    def _plan_entity(self, key: Key, path: str, entity: AnyEntity) -> None:
        value = self._value(entity, path, self.frame, self._after)
        before = self._state.tables.get(key)
        is_same = self._files.paths.get(key) == path and before is not None and self._value(
            before, path, self._state.frame, self._state.tables) == value
        if not is_same:
            self._set(path, file_text(value, suffix_of(path)), key)

    def _value(self, entity: AnyEntity, path: str, frame: Frame, tables: Tables) -> Any:
        place: Place = place_of(PurePosixPath(path))

        def naming(account: str, arn: str) -> str:
            name = arn.rpartition("/")[2]
            found = tables.get(Key(Kind.POLICY, account, ascii_lower(name)))
            is_named = isinstance(found, ManagedPolicy) and (found.arn, found.name) == (arn, name)
            return name if name and is_named and ":" not in name else arn

        return file_value(entity, said_of(entity, place, frame), naming)


def expected(contents: Iterable[str], state: State) -> Iterator[tuple[str, str]]:
    """What files are taken to hold before they are changed."""
    for path in contents:
        mark = state.files.marks.get(path)
        yield path, mark.digest if mark else ""
