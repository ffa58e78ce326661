"""Policies out of a directory, wherever that is kept: read once, followed from then on, change by change."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from iam_guard.directory.attaching import Attaching, settings_of
from iam_guard.directory.entities import Settings
from iam_guard.directory.image import Image, Successor
from iam_guard.directory.port import DirectoryStore
from iam_guard.errors import ConfigurationError, Fault, HistoryGoneError, UnavailableError
from iam_guard.store.base import Snapshot
from iam_guard.store.waiting import news_of

#: Writes that are read at once.
_BATCH = 1_000


class DirectoryPolicyStore:
    """Follows a directory.

    Documents that are new since the last load are read before anything is served, and when one of them cannot be
    read the load fails and nothing changes. Documents that were there at the first load are read when somebody is
    asked about whom they concern; one that cannot be read denies that caller everything.

    Args:
        open: Opens the directory; called when it is first needed, and again until it succeeds.
        partition: Second field of every ARN; by default what the directory says. It may not say otherwise.
        account: The account that names without one belong to; likewise.
        known_only: Whether users and roles that are not in the directory are denied everything.
    """

    def __init__(self, open: Callable[[], DirectoryStore], *, partition: str = "", account: str = "",
                 known_only: bool = False) -> None:
        self._open, self._partition, self._account = open, partition, account
        self._store: DirectoryStore | None = None
        self._image: Image | None = None
        self._attaching = Attaching(known_only=known_only)
        self._lock = threading.RLock()

    def home(self) -> tuple[str, str]:
        """Partition and account of the directory's ARNs, as far as it can be read now; they stay fixed.

        Raises:
            ConfigurationError: there can be no such directory.
        """
        settings = Settings()
        with suppress(UnavailableError), self._directory().read() as reading:
            settings = settings_of(reading)
        self._partition = self._partition or settings.partition
        self._account = self._account or settings.default_account
        return self._partition, self._account

    # --- the port -------------------------------------------------------------------------------------------

    def load(self) -> Snapshot:
        """Follow the directory to its newest revision.

        Raises:
            DocumentError: something new cannot be read; carries every fault that was found.
            UnavailableError: the directory cannot be reached.
        """
        with self._lock:
            before = self._image
            image, _, touched = self._newest(before)
            settings = settings_of(image)
            self._check_home(settings)
            attachments = self._attaching.attachments(image)
            self._image = image
            return Snapshot(attachments, str(image.revision), settings.partition, settings.default_account,
                            since=str(before.revision) if before else "", touched=touched)

    def revision(self) -> str:
        """The newest revision.

        Raises:
            UnavailableError: the directory cannot be reached.
        """
        return str(self._directory().revision())

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yields when the directory has another revision than was loaded; ends when it cannot be reached."""
        store = await asyncio.to_thread(self._directory)
        async with aclosing(news_of(store, self._image.revision if self._image else 0)) as news:
            async for _ in news:
                yield

    # --- its life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Nothing is to be done: it opens when it is needed."""

    async def close(self) -> None:
        """Let go of the directory."""
        await asyncio.to_thread(self.disconnect)

    def disconnect(self) -> None:
        """Let go of the directory; it may be opened again."""
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()

    def _directory(self) -> DirectoryStore:
        with self._lock:
            if self._store is None:
                self._store = self._open()
            return self._store

    # --- following ------------------------------------------------------------------------------------------

    def _newest(self, before: Image | None) -> Successor:
        """The newest image; all that is new in it can be read."""
        if before is None:
            return Successor(self._read(), frozenset(), frozenset())
        try:
            found = self._followed(before)
        except (HistoryGoneError, ValueError):  # the past is forgotten, or is another one: a backup was restored
            found = self._read().succeeding(before)
        self._attaching.check(found)
        return found

    def _read(self) -> Image:
        with self._directory().read() as reading:
            return Image.of(reading)

    def _followed(self, before: Image) -> Successor:
        store, found = self._directory(), Successor(before, frozenset(), frozenset())
        more = True
        while more:
            changes = store.changes(found.image.revision, limit=_BATCH)
            image, changed, touched = found.image.after(changes)
            found = Successor(image, found.changed | changed, found.touched | touched)
            more = len(changes) == _BATCH
        if found.image is before and store.revision() < before.revision:
            raise ValueError("the directory is older than it was")
        return found

    def _check_home(self, settings: Settings) -> None:
        """Resources and policies have to agree on partition and account, or nothing ever matches."""
        for name, wanted, here in (("partition", self._partition, settings.partition),
                                   ("account", self._account, settings.default_account)):
            if wanted and wanted != here:
                message = f"the {name} is '{here}' in the directory and '{wanted}' in the settings of the guard"
                raise ConfigurationError(Fault(message, "make them equal, or leave one out"))
