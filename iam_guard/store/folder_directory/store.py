"""FolderDirectoryStore: a directory whose entities are files that people edit, review and keep in git.

The files are what people see and change. Beside them, hidden in ``.iam-guard``, a log has a line for every
write; it is where revisions, histories, hashes of passwords and access keys are, and what the files are held
against: whatever differs was edited by hand and becomes a write of its own, once it is right as a whole.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from iam_guard.directory.directory import new_unique_id
from iam_guard.directory.port import Change, Note
from iam_guard.errors import ConcurrentModificationError, ConfigurationError, Fault, HistoryGoneError, UnavailableError
from iam_guard.store.folder_directory.disk import Disk
from iam_guard.store.folder_directory.disk import replace as replace_file
from iam_guard.store.folder_directory.hand_edits import differences, read_edits
from iam_guard.store.folder_directory.history import History
from iam_guard.store.folder_directory.lines import ChangeLine, FileLine, read_state, write_change, write_state
from iam_guard.store.folder_directory.places import Frame
from iam_guard.store.folder_directory.planning import Plan, expected, plan
from iam_guard.store.folder_directory.scan import Scan, UnsettledError, git_is_at_work
from iam_guard.store.folder_directory.state import State, frame_with
from iam_guard.store.memory_directory import MemoryReading, MemoryWriting, with_change

#: How many writes are remembered unless somebody says otherwise.
KEPT_CHANGES = 100_000
#: What hand edits are recorded as.
HAND_EDIT = "EditFolder"
#: Looking at the files may take one part in this many of the time.
_LEISURE = 20
#: Seconds: where a look takes longer, not every write waits for one.
_QUICK = 0.25
#: Bytes of log after which everything is written down anew, at least.
_LONG_LOG = 4_000_000
_ALL = 1 << 62

_log = logging.getLogger("iam_guard.store")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class FolderDirectoryStore:
    """A directory in a folder, laid out as :mod:`iam_guard.store.layout` says.

    Processes of one machine share it. Reading looks at the log every time and at the files every so often,
    writing at both; :meth:`look` looks at once.

    Args:
        folder: The folder; made when there is none.
        patience: Seconds to wait for one's turn to write.
        poll: Seconds between looks while waiting for a revision.
        kept_changes: How many writes :meth:`changes` remembers.
        clock: Tells the time of hand edits.
        new_id: Makes unique ids for what people write without one.

    Raises:
        UnavailableError: the folder cannot be read or written to.
        ConfigurationError: nothing is known of it yet, and something in it is wrong.
    """

    def __init__(self, folder: str | Path, *, patience: float = 5.0, poll: float = 0.05,
                 kept_changes: int = KEPT_CHANGES, clock: Callable[[], str] = _now,
                 new_id: Callable[[str], str] = new_unique_id) -> None:
        self._folder = Path(folder)
        self._patience, self._poll, self._kept = patience, poll, kept_changes
        self._clock, self._new_id = clock, new_id
        self._turn = threading.Lock()
        self._known = threading.RLock()
        self._news = threading.Condition()
        self._state = State()
        self._faults: tuple[Fault, ...] = ()
        self._closed = False
        self._next_look = self._look_takes = 0.0
        self._disk = Disk(self._folder)
        self._scan = Scan(self._folder)
        self._history = History(self._disk.log)
        self._pictured = 0
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, folder: str | Path) -> FolderDirectoryStore:
        """Open a folder.

        Raises:
            UnavailableError: it cannot be read or written to.
            ConfigurationError: nothing is known of it yet, and something in it is wrong.
        """
        return cls(folder)

    @property
    def url(self) -> str:
        """Where."""
        return f"file:{self._folder}"

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with hand edits that have not been taken over."""
        return self._faults

    # --- the port -----------------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[MemoryReading]:
        """One consistent view."""
        state = self._current()
        yield MemoryReading(state.revision, state.tables)

    @contextmanager
    def write(self, note: Note) -> Iterator[MemoryWriting]:
        """A write; it takes over what people edited first.

        Raises:
            UnavailableError: the folder cannot be read or written to; nothing has been changed.
            ConcurrentModificationError: others wrote for too long, or a file that is to be written has been
                edited by hand and not been taken over.
        """
        with self._my_turn():
            self._take_over(at_leisure=self._look_takes > _QUICK or git_is_at_work(self._folder))
            tx = MemoryWriting(self._state.revision, self._state.tables)
            yield tx
            if entries := tx.entries():
                self._commit(Change(tx.revision + 1, note, entries), None)

    def revision(self) -> int:
        """The newest revision."""
        return self._current().revision

    def changes(self, since: int, *, limit: int = 1000) -> list[Change]:
        """Writes after revision *since*, oldest first."""
        newest = self._current().revision
        with self._known, self._disk.translated():
            if since < newest and since + 1 < max(self._history.first, newest - self._kept + 1):
                raise HistoryGoneError(f"what changed after revision {since} is no longer known")
            return [line.change for line in self._history.lines(since, limit)]

    def wait(self, since: int, timeout: float) -> bool:
        """Block until there is a revision after *since*."""
        until = monotonic() + timeout
        while (newest := self.revision()) <= since and not self._closed:
            left = until - monotonic()
            if left <= 0:
                break
            with self._news:
                self._news.wait_for(lambda: self._state.revision > since or self._closed, min(left, self._poll))
        return newest > since

    def close(self) -> None:
        """Let go of the lock's file; those who wait are woken."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        with self._turn:
            self._disk.close()

    def look(self) -> tuple[Fault, ...]:
        """Take over what people edited, now.

        Returns:
            What is wrong with it; then nothing is taken over.

        Raises:
            UnavailableError, ConcurrentModificationError: as for a write.
        """
        with self._my_turn():
            self._take_over()
        return self._faults

    # --- what is known ------------------------------------------------------------------------------------

    def _open(self) -> None:
        with self._my_turn():
            self._take_over()
        if self._faults and self._state.revision == 0:
            raise ConfigurationError(self._faults)

    def _current(self) -> State:
        """What is known, after a look at the log and, when it is time, at the files."""
        if self._closed:
            raise UnavailableError(f"'{self.url}' is closed")
        if monotonic() >= self._next_look and self._turn.acquire(blocking=False):
            try:
                self._look_in_passing()
            finally:
                self._turn.release()
        self._catch_up()
        return self._state

    def _look_in_passing(self) -> None:
        with self._disk.translated():
            if not self._disk.try_lock():
                return  # whoever has the lock looks
        try:
            self._take_over(at_leisure=True)
        except UnsettledError:
            pass  # somebody is at it: it will be seen when it is done
        finally:
            self._disk.unlock()

    def _catch_up(self) -> None:
        """Take in what other processes wrote."""
        with self._known, self._disk.translated():
            if not self._history.has_news():
                return
            self._history.follow()
            if self._state.revision + 1 < self._history.first or not self._state.revision:
                self._start_over()
            for line in self._history.lines(self._state.revision, _ALL):
                self._take_in(line)

    def _start_over(self) -> None:
        """Begin with everything as it was written down last."""
        try:
            with open(self._disk.picture, "rb") as stream:
                self._state = read_state(stream)
                self._pictured = self._history.end if self._state.revision == self._history.last else 0
        except FileNotFoundError:
            self._state = State()
        except ValueError as problem:
            raise UnavailableError(f"'{self._disk.picture}' cannot be read: {problem}") from problem
        if self._state.revision + 1 < self._history.first:
            raise UnavailableError(f"'{self._disk.log}' begins after '{self._disk.picture}' ends")

    def _take_in(self, line: ChangeLine) -> None:
        """Bring what is known up to date with one write."""
        state = self._state
        tables = with_change(state.tables, line.change)
        for file in line.files:
            state.files.set(file.path, file.mark)
        folders = state.frame.folders if line.folders is None else line.folders
        frame = frame_with(tables, folders, state.frame.quotas if line.quotas is None else line.quotas)
        self._state = replace(state, revision=line.revision, tables=tables, frame=frame)
        with self._news:
            self._news.notify_all()

    # --- turns --------------------------------------------------------------------------------------------

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        """Threads queue first, then processes."""
        if not self._turn.acquire(timeout=self._patience):
            raise ConcurrentModificationError(f"'{self.url}' is being written to by others")
        try:
            if self._closed:
                raise UnavailableError(f"'{self.url}' is closed")
            with self._disk.translated():
                self._disk.lock(self._patience)
            try:
                yield
            finally:
                self._disk.unlock()
        finally:
            self._turn.release()

    def _take_over(self, *, at_leisure: bool = False) -> None:
        """With the lock: finish what a killed process left, take in the log, then what people edited.

        Args:
            at_leisure: Look at what people edited only when it is time for it, and git is not at it.
        """
        with self._disk.translated():
            try:
                self._disk.recover()
            except ValueError as problem:
                raise UnavailableError(f"the journal of '{self.url}' cannot be read: {problem}") from problem
        self._catch_up()
        began = monotonic()
        if at_leisure and (began < self._next_look or git_is_at_work(self._folder)):
            return
        with self._disk.translated():
            self._take_over_edits()
        self._look_takes = monotonic() - began
        self._next_look = monotonic() + _LEISURE * self._look_takes

    def _take_over_edits(self) -> None:
        try:
            digests = self._scan.digests(lambda found: differences(self._state, found) == (set(), set()))
            edits = read_edits(self._state, self._folder, digests, self._clock(), self._new_id)
        except ConfigurationError as refused:
            if refused.faults != self._faults:
                _log.error("hand edits in '%s' are not taken over:\n%s", self._folder, refused)
            self._faults = refused.faults
            return
        self._faults = ()
        if edits.entries:
            note = Note(self.url, HAND_EDIT, self._clock())
            self._commit(Change(self._state.revision + 1, note, edits.entries),
                         Plan({}, edits.files, edits.frame))
        else:
            for path, mark in edits.files.items():
                self._state.files.set(path, mark)

    # --- writing ------------------------------------------------------------------------------------------

    def _commit(self, change: Change, planned: Plan | None) -> None:
        """Write a change down, and its files unless they are what it was read from."""
        state = self._state
        if planned is None:
            planned = plan(state, change.entries, with_change(state.tables, change))
        self._check_untouched(planned)
        frame: Frame | None = planned.frame if planned.frame != state.frame else None
        line = ChangeLine.of(change, [FileLine.of(path, mark) for path, mark in planned.marks.items()], frame)
        contents = [(path, old, planned.contents[path]) for path, old in expected(planned.contents, state)]
        with self._disk.translated():
            self._disk.commit(write_change(line), contents)
        self._catch_up()
        try:
            self._tidy()
        except OSError as problem:  # the write has happened all the same
            _log.warning("'%s' cannot be written: %s", self._disk.picture, problem)

    def _check_untouched(self, planned: Plan) -> None:
        with self._disk.translated():
            for path, digest in expected(planned.contents, self._state):
                if self._disk.digest(path) != digest:
                    self._next_look = 0.0
                    why = next((f": {fault}" for fault in self._faults if fault.file.endswith(path)), "")
                    raise ConcurrentModificationError(f"'{path}' has been edited by hand{why}")

    def _tidy(self) -> None:
        """Write everything down anew when the log has grown long, so that opening stays quick."""
        picture = self._disk.picture
        size = picture.stat().st_size if picture.exists() else 0
        if self._history.end - self._pictured < max(_LONG_LOG, size):
            return
        with self._known:
            replace_file(picture, write_state(self._state))
            if self._history.last - self._history.first > 2 * self._kept:
                replace_file(self._disk.log, self._history.tail(self._kept))
                self._history.follow()
            self._pictured = self._history.end
