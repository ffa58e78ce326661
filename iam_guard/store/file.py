"""Policies in a folder of YAML and JSON files (laid out as :mod:`iam_guard.store.layout` says)."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from pathlib import Path

from watchfiles import awatch

from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.store.base import Snapshot
from iam_guard.store.directory import Home, home_of, is_empty, read_directory
from iam_guard.store.folder import FolderFile, read_folder, revision_of
from iam_guard.store.layout import EMPTY_MARKER

#: Milliseconds: a burst of edits is one change once it has paused this long, or lasted that long.
_PAUSE, _BURST = 50, 400


class FilePolicyStore:
    """Reads a folder: all of it, or nothing and every fault with file, line and mend.

    A folder without policies is taken for a mistake (a volume that was not mounted) unless a file named
    ``EMPTY`` stands in it. Nothing is ever executed or fetched, and no link out of the folder is followed.

    Args:
        folder: The folder.
        partition: Second field of every ARN; by default what ``folder.yaml`` says. It may not say otherwise.
        account: Id of the folder's own account; likewise.
    """

    def __init__(self, folder: str | os.PathLike[str], *, partition: str = "", account: str = "") -> None:
        self.folder = Path(folder)
        self._home = Home(partition, account)

    def home(self) -> tuple[str, str]:
        """Partition and account of the folder's ARNs, as far as it can be read now."""
        try:
            files = self._files(settled=False)
        except (UnavailableError, ConfigurationError):
            files = ()
        home = home_of(files, self._home)
        return home.partition, home.account

    def load(self) -> Snapshot:
        """Read the folder.

        Raises:
            ConfigurationError: with everything that is wrong in it.
            UnavailableError: there is no such folder, or it cannot be read.
        """
        files = self._files(settled=True)
        if EMPTY_MARKER in {str(file.path) for file in files}:
            self._refuse_contents(files)
        elif is_empty(files):
            raise ConfigurationError(Fault(
                "the folder holds no policies", f"add 'everyone/NAME.yaml' with a policy document, or a file named "
                f"'{EMPTY_MARKER}' if nobody is to be allowed anything", file=str(self.folder)))
        return read_directory(files, self._home)

    def revision(self) -> str:
        """SHA-256 over the paths and contents of all files.

        Raises:
            UnavailableError: the folder cannot be read, or has become empty.
            ConfigurationError: a file is none, too large, or a link out of the folder.
        """
        files = self._files(settled=False)
        if is_empty(files) and EMPTY_MARKER not in {str(file.path) for file in files}:
            raise UnavailableError(f"the folder '{self.folder}' has become empty")
        return revision_of(files)

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yields when the operating system reports a change; ends when the folder cannot be watched."""
        async for _ in awatch(self.folder, debounce=_BURST, step=_PAUSE, watch_filter=None):
            yield

    def _files(self, *, settled: bool) -> tuple[FolderFile, ...]:
        try:
            return read_folder(self.folder, settled=settled)
        except OSError as problem:
            place = problem.filename or self.folder
            raise UnavailableError(f"'{place}' cannot be read: {problem.strerror or problem}") from problem

    def _refuse_contents(self, files: tuple[FolderFile, ...]) -> None:
        if not is_empty(files):
            raise ConfigurationError(Fault("the folder is marked as empty and is not",
                                           f"remove '{EMPTY_MARKER}', or everything else", file=str(self.folder)))
