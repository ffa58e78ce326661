"""A folder of texts, read whole: bounded, inside its own walls, and the same from first file to last."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from iam_guard.errors import ConfigurationError, Fault, UnavailableError

MAX_FILE_BYTES = 1_048_576
MAX_FILES = 20_000
MAX_TOTAL_BYTES = 134_217_728
MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class FolderFile:
    """One file of the folder.

    Attributes:
        path: Relative to the folder.
        name: What to call it in messages.
        content: Its bytes.
    """

    path: PurePosixPath
    name: str
    content: bytes


def read_folder(folder: Path, *, settled: bool = True) -> tuple[FolderFile, ...]:
    """Read every file that is not hidden, a backup or Markdown, in the order of the paths.

    Args:
        folder: The folder.
        settled: Read again until two readings agree, so that no half of an edit is taken for a whole.

    Raises:
        ConfigurationError: a file is too large, not a file, or a link that leads out of the folder.
        UnavailableError: the folder would not hold still.
        OSError: the folder cannot be read.
    """
    files = _read_once(folder)
    for _ in range(3 if settled else 0):
        again = _read_once(folder)
        if again == files:
            return files
        files = again
    if settled:
        raise UnavailableError(f"the folder '{folder}' changes while it is read")
    return files


def revision_of(files: Iterable[FolderFile]) -> str:
    """SHA-256 over paths and contents; each part is preceded by its length, so none can pose as another."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda one: str(one.path)):
        for part in (str(file.path).encode(), file.content):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _read_once(folder: Path) -> tuple[FolderFile, ...]:
    walk = FolderWalk(folder)
    contents = _Contents(walk)
    files = [FolderFile(PurePosixPath(path), place, content) for path, place in walk.places()
             if (content := contents.of(place)) is not None]
    walk.raise_faults()
    return tuple(sorted(files, key=lambda file: str(file.path)))


def _is_skipped(name: str) -> bool:
    """Hidden files (``.git``, the links of a Kubernetes volume), editors' backups, and prose."""
    return name.startswith((".", "#")) or name.endswith(("~", ".md"))


class FolderWalk:
    """One walk through a folder, inside its own walls.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.walls = os.path.join(os.path.realpath(folder), "")
        self.faults: list[Fault] = []
        self._above: list[str] = []

    def places(self) -> Iterator[tuple[str, str]]:
        """Every file that is not skipped: its path within the folder, and the place to open.

        Raises:
            OSError: the folder cannot be read.
        """
        return self._folder(self.folder, "")

    def fault(self, place: str, message: str, mend: str) -> None:
        """Keep a fault until the walk is over."""
        self.faults.append(Fault(message, mend, file=place))

    def raise_faults(self) -> None:
        """Raise when there are any.

        Raises:
            ConfigurationError: with all of them.
        """
        if self.faults:
            raise ConfigurationError(self.faults)

    def _folder(self, place: str, path: str) -> Iterator[tuple[str, str]]:
        real = os.path.realpath(place)
        if real in self._above or len(self._above) > MAX_DEPTH:
            self.fault(place, "folders are nested too deeply, or a link leads up", "remove it")
            return
        self._above.append(real)
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if not _is_skipped(entry.name):
                    yield from self._entry(entry, path + entry.name)
        self._above.pop()

    def _entry(self, entry: os.DirEntry[str], path: str) -> Iterator[tuple[str, str]]:
        if entry.is_symlink() and not self._is_inside(entry.path):
            return
        if entry.is_dir():
            yield from self._folder(entry.path, f"{path}/")
        elif not entry.is_file():  # asked before it is opened: opening a pipe would wait for a writer
            self.fault(entry.path, "neither a file nor a folder", "remove it")
        else:
            yield path, entry.path

    def _is_inside(self, link: str) -> bool:
        real = os.path.realpath(link)
        if not real.startswith(self.walls):
            self.fault(link, "the link leads out of the folder", "put the file itself here")
            return False
        if not os.path.exists(real):
            self.fault(link, "the link leads nowhere, or the file went away", "put the file itself here")
            return False
        return True


class _Contents:
    """Reads the files of a walk; keeps the sums."""

    def __init__(self, walk: FolderWalk) -> None:
        self._walk = walk
        self._count = self._total = 0

    def of(self, place: str) -> bytes | None:
        with open(place, "rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        self._count += 1
        self._total += len(content)
        if len(content) > MAX_FILE_BYTES:
            self._walk.fault(place, f"the file is larger than {MAX_FILE_BYTES} bytes", "split it")
            return None
        if self._count > MAX_FILES or self._total > MAX_TOTAL_BYTES:
            raise ConfigurationError(Fault(
                f"the folder holds more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes",
                "is it the right folder?", file=self._walk.walls))
        return content
