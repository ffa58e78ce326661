"""Rewrites every secret access key of a store with the key that is first on the ring."""

from __future__ import annotations

from typing import Protocol

import msgspec

from iam_guard.directory.entities import AccessKey, Kind
from iam_guard.directory.port import DirectoryStore, Note, Writing
from iam_guard.directory.secrets import Secrets


class RotatingSecrets(Secrets, Protocol):
    """Secrets that know which key wrote a text."""

    def is_current(self, text: str) -> bool:
        """Whether the key that writes now has written it."""
        ...


def rotate(store: DirectoryStore, secrets: RotatingSecrets, note: Note, *, batch: int = 500) -> int:
    """Rewrite what older keys wrote. It may be stopped and begun again at any time.

    Args:
        store: Where the access keys are.
        secrets: Has the new key first and the old ones behind it.
        note: Who asks, and when.
        batch: How many to look at in one write; other writers get their turn in between.

    Returns:
        How many were rewritten. When it returns, no access key that was there needs an old key any more.

    Raises:
        UnavailableError: the store cannot be written to, or a secret cannot be read; the batch it is in
            stays as it was.
    """
    rewritten, after = 0, ""
    while True:
        with store.write(note) as tx:
            found = [one for one in tx.page(Kind.ACCESS_KEY, "", after=after, limit=batch)
                     if isinstance(one, AccessKey)]
            rewritten += sum(_rewrite(tx, secrets, key) for key in found)
        if len(found) < batch:
            return rewritten
        after = found[-1].key.name


def _rewrite(tx: Writing, secrets: RotatingSecrets, key: AccessKey) -> bool:
    if secrets.is_current(key.secret):
        return False
    plain = secrets.decrypt(key.secret, owner=key.id)
    tx.put(msgspec.structs.replace(key, secret=secrets.encrypt(plain, owner=key.id)))
    return True
