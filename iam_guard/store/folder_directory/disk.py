"""What a folder's directory does to the disk: locks, texts that are there whole or not at all, the way back.

A write takes these steps, and may be killed after any of them:

1. new texts are written beside the folder's files, in ``staged/``;
2. ``journal`` says which of them belongs where, and how long ``changes.jsonl`` is;
3. a line is appended to ``changes.jsonl``: **from here on the write has happened**;
4. the staged texts are moved to their places;
5. the journal is removed.

Whoever holds the lock and finds a journal goes on from step 4 when the line is there whole, and otherwise takes
back steps 3 to 1. Everything is forced to the disk before the next step relies on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import msgspec

from iam_guard.errors import ConcurrentModificationError, UnavailableError

#: The folder for what is not for people; hidden, so that nobody reads it as policies.
HIDDEN = ".iam-guard"
#: More files than this are forced to the disk all at once.
_MANY_FILES = 32
_PAUSE = 0.01


def digest_of(content: bytes) -> str:
    """What stands for a content."""
    return hashlib.sha256(content).hexdigest()


class Move(msgspec.Struct, frozen=True, array_like=True):
    """One file that a write changes.

    Attributes:
        path: Relative to the folder.
        old: Digest of what is there; empty for nothing.
        staged: Number of the new text; -1 to remove the file.
    """

    path: str
    old: str
    staged: int = -1


class _Journal(msgspec.Struct, frozen=True):
    log: int
    moves: tuple[Move, ...]


_read_journal = msgspec.json.Decoder(_Journal).decode


class Disk:
    """The files of one folder.

    Args:
        folder: The folder; made when there is none.

    Raises:
        UnavailableError: it cannot be made or opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hidden = folder / HIDDEN
        self.log = self.hidden / "changes.jsonl"
        self.picture = self.hidden / "state.jsonl"
        self._journal, self._staged = self.hidden / "journal", self.hidden / "staged"
        with self.translated():
            self._prepare()
            self._lock = os.open(self.hidden / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.hidden.mkdir(mode=0o700, exist_ok=True)
        ignore = self.hidden / ".gitignore"  # what is here belongs to this machine and has hashes of passwords
        if not ignore.exists():
            ignore.write_text("*\n")
        os.close(os.open(self.log, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def close(self) -> None:
        """Let go of the lock's file."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Say what the operating system has against something in words of the port."""
        try:
            yield
        except OSError as problem:
            place = problem.filename or self.folder
            raise UnavailableError(f"'{place}': {(problem.strerror or str(problem)).lower()}") from problem

    # --- the lock -----------------------------------------------------------------------------------------

    def try_lock(self) -> bool:
        """Take the lock unless another process has it."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def lock(self, patience: float) -> None:
        """Take the lock.

        Raises:
            ConcurrentModificationError: others had it for too long.
        """
        until = monotonic() + patience
        while not self.try_lock():
            if monotonic() >= until:
                raise ConcurrentModificationError(f"'{self.folder}' is being written to by others")
            sleep(_PAUSE)

    def unlock(self) -> None:
        """Give the lock back."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    # --- a write ------------------------------------------------------------------------------------------

    def commit(self, line: bytes, contents: Iterable[tuple[str, str, bytes | None]]) -> None:
        """Append a line to the log and change files with it: all of it or nothing.

        Args:
            line: The line, line end included.
            contents: Path, digest of what is there, and new content, ``None`` for none.

        Raises:
            OSError: nothing was changed.
        """
        end = self.log.stat().st_size
        try:
            moves = self._stage(contents)
            self._write_journal(_Journal(end, tuple(moves)))
            self._append(line)
        except OSError:
            self._take_back(end)
            raise
        with suppress(OSError):  # it has happened; the next one with the lock finishes it
            self._finish(moves)

    def _stage(self, contents: Iterable[tuple[str, str, bytes | None]]) -> list[Move]:
        self._staged.mkdir(mode=0o700, exist_ok=True)
        moves, staged = [], []
        for number, (path, old, content) in enumerate(contents):
            moves.append(Move(path, old, -1 if content is None else number))
            if content is not None:
                place = self._staged / str(number)
                place.write_bytes(content)
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                staged.append(place)
        force(staged)
        return moves

    def _write_journal(self, journal: _Journal) -> None:
        replace(self._journal, msgspec.json.encode(journal))

    def _append(self, line: bytes) -> None:
        with open(self.log, "ab", buffering=0) as log:
            left = memoryview(line)
            while left:
                left = left[log.write(left) :]
            os.fsync(log.fileno())

    def _take_back(self, end: int) -> None:
        if self.log.stat().st_size > end:
            with open(self.log, "r+b") as log:
                log.truncate(end)
                os.fsync(log.fileno())
        self._clear()

    def _clear(self) -> None:
        self._journal.unlink(missing_ok=True)
        force_folder(self.hidden)
        shutil.rmtree(self._staged, ignore_errors=True)

    def _finish(self, moves: Iterable[Move]) -> None:
        changed = []
        for move in sorted(moves, key=lambda move: move.staged < 0):  # emptied folders go last
            place = self.folder / move.path
            if self.digest(move.path) != move.old:
                continue  # moved before it was killed, or edited by hand since: the next look will tell
            if move.staged < 0:
                place.unlink(missing_ok=True)
                self._remove_empty(place.parent)
            else:
                os.replace(self._staged / str(move.staged), place)
            changed.append(place)
        force_folders({place.parent for place in changed})
        self._clear()

    def _remove_empty(self, place: Path) -> None:
        while place != self.folder:
            try:
                place.rmdir()
            except OSError:
                return
            place = place.parent

    def recover(self) -> None:
        """Finish or take back what a killed writer left; the lock is held.

        Raises:
            OSError: the disk would not.
            ValueError: the journal is none.
        """
        for half in self.hidden.glob("*.new"):
            half.unlink(missing_ok=True)
        try:
            journal = _read_journal(self._journal.read_bytes())
        except FileNotFoundError:
            shutil.rmtree(self._staged, ignore_errors=True)
            return
        with open(self.log, "rb") as log:
            log.seek(journal.log)
            happened = log.read().endswith(b"\n")
        if happened:
            self._finish(journal.moves)
        else:
            self._take_back(journal.log)

    def digest(self, path: str) -> str:
        """Of a file; empty when there is none."""
        try:
            return digest_of((self.folder / path).read_bytes())
        except FileNotFoundError:
            return ""


def replace(place: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file so that it is the old one or the new one, whole."""
    new = place.with_name(place.name + ".new")
    try:
        with open(new, "wb") as stream:
            stream.writelines([content] if isinstance(content, bytes) else content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(new, place)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    force_folder(place.parent)


def force(places: list[Path]) -> None:
    """Have the contents of files on the disk before going on."""
    if len(places) > _MANY_FILES:
        os.sync()
        return
    for place in places:
        force_folder(place)


def force_folders(places: set[Path]) -> None:
    """Have the names in folders on the disk before going on."""
    force([place for place in places if place.exists()])


def force_folder(place: Path) -> None:
    """Have one file or folder on the disk before going on."""
    handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
