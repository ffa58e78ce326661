"""A token service, put together: its directory by URL, its guard on the same directory, its keys in a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from iam_guard.guard import Guard
from iam_guard.store.following import DirectoryPolicyStore
from iam_guard.store.refresh import PolicyRefresher
from iam_guard.store.urls import open_store
from iam_guard.sts.key_file import SigningKeyFile
from iam_guard.sts.service import TokenService


@contextmanager
def opened_token_service(url: str, *, issuer: str, audience: tuple[str, ...], keys: str | Path,
                         clock: Callable[[], float] = time.time) -> Iterator[TokenService]:
    """Open a directory and give sessions on it by its policies as they are now, for a moment.

    Args:
        url: Of the directory's store.
        issuer: The name of the token service.
        audience: What its tokens are for.
        keys: The file with the signing keys.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: there is no such kind of store, or what is there is none.
        UnavailableError: the store cannot be reached.
    """
    store = open_store(url)
    policies = DirectoryPolicyStore(lambda: store)
    try:
        refresher = PolicyRefresher(policies)
        refresher.load()
        guard = Guard(refresher, clock=lambda: datetime.fromtimestamp(clock(), UTC))
        yield TokenService(guard, store, issuer=issuer, audience=audience, keys=SigningKeyFile(keys), clock=clock)
    finally:
        store.close()
