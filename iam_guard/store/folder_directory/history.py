"""``changes.jsonl``: which line is where, and what other processes added to it."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from pathlib import Path

from iam_guard.errors import UnavailableError
from iam_guard.store.folder_directory.lines import ChangeLine, read_change

_CHUNK = 1 << 20


class History:
    """The log of one folder, as far as it was read.

    Args:
        log: Its file.

    Attributes:
        first: Revision of its first line; of the next one, when it has none.
        end: How many bytes were read.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._starts = array("Q")
        self._identity = 0
        self.first = 1
        self.end = 0

    @property
    def last(self) -> int:
        """Revision of the last line; one less than ``first`` when there is none."""
        return self.first + len(self._starts) - 1

    def has_news(self) -> bool:
        """Whether somebody wrote since it was read; costs one call of the operating system.

        Raises:
            OSError: the log is gone.
        """
        stat = os.stat(self._log)
        return (stat.st_ino, stat.st_size) != (self._identity, self.end)

    def follow(self) -> None:
        """Find the lines that were added; all of them, when another file took the log's place.

        Raises:
            OSError: the log cannot be read.
            UnavailableError: its first line is none.
        """
        with open(self._log, "rb") as stream:
            stat = os.fstat(stream.fileno())
            if stat.st_ino != self._identity or stat.st_size < self.end:
                self._starts, self._identity, self.end = array("Q"), stat.st_ino, 0
            stream.seek(self.end)
            for line in stream:
                if not line.endswith(b"\n"):
                    break  # still being written
                if not self._starts:
                    self.first = self._read(line).revision
                self._starts.append(self.end)
                self.end += len(line)

    def lines(self, since: int, limit: int) -> Iterator[ChangeLine]:
        """Lines after a revision, oldest first.

        Raises:
            OSError: the log cannot be read.
            UnavailableError: a line is none.
        """
        start = max(since + 1 - self.first, 0)
        if start >= len(self._starts):
            return
        with open(self._log, "rb") as stream:
            stream.seek(self._starts[start])
            for _, line in zip(range(min(limit, len(self._starts) - start)), stream, strict=False):
                yield self._read(line)

    def tail(self, kept: int) -> Iterator[bytes]:
        """The last lines, as they are written."""
        with open(self._log, "rb") as stream:
            stream.seek(self._starts[max(len(self._starts) - kept, 0)])
            yield from stream

    def _read(self, line: bytes) -> ChangeLine:
        try:
            return read_change(line)
        except ValueError as problem:
            raise UnavailableError(f"'{self._log}' cannot be read: {problem}") from problem
