"""Which files there are in a folder and what stands for their contents, without reading all of them every time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from iam_guard.errors import UnavailableError
from iam_guard.store.folder import FolderWalk
from iam_guard.store.folder_directory.disk import digest_of
from iam_guard.store.layout import EMPTY_MARKER

#: Nanoseconds: a file that was changed so shortly before it was read may be changed again without looking different.
_BLUR = 2_000_000_000
_TRIES = 4


class _Seen(NamedTuple):
    looks: tuple[int, ...]
    digest: str
    is_certain: bool


def git_is_at_work(folder: Path) -> bool:
    """Whether git is about to change files: what it removes may be there again in a moment."""
    above = (place for place in (folder, *folder.resolve().parents) if (place / ".git").exists())
    place = next(above, None)
    return place is not None and (place / ".git" / "index.lock").exists()


class UnsettledError(UnavailableError):
    """A folder would not hold still while it was read."""


class Scan:
    """Looks at a folder again and again.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, _Seen] = {}

    def digests(self, known: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """The digest of every file, by path; looked at until two looks agree, or it is what is known.

        Raises:
            OSError: the folder cannot be read.
            ConfigurationError: it holds what is no file, or leads out of itself.
            UnsettledError: it would not hold still.
        """
        before = self._once()
        if known(before):
            return before
        for _ in range(_TRIES):
            now = self._once()
            if now == before:
                return now
            before = now
        raise UnsettledError(f"the folder '{self._folder}' changes while it is read")

    def _once(self) -> dict[str, str]:
        walk = FolderWalk(self._folder)
        seen: dict[str, _Seen] = {}
        for path, place in walk.places():
            if path != EMPTY_MARKER:
                seen[path] = self._look(path, place)
        walk.raise_faults()
        self._seen = seen
        return {path: one.digest for path, one in seen.items()}

    def _look(self, path: str, place: str) -> _Seen:
        now = time.time_ns()
        stat = os.stat(place)
        looks = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        known = self._seen.get(path)
        if known and known.is_certain and known.looks == looks:
            return known
        with open(place, "rb") as stream:
            digest = digest_of(stream.read())
        return _Seen(looks, digest, max(stat.st_mtime_ns, stat.st_ctime_ns) + _BLUR < now)
