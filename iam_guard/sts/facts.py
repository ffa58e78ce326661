"""What the token service has to know of a directory, read at one moment: a role, a user, managed policies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from iam_guard.directory.attaching import key_of
from iam_guard.directory.entities import ManagedPolicy, Role, User
from iam_guard.directory.port import DirectoryStore, Reading

_PLATFORM = "aws"


class Facts:
    """The directory at one moment.

    Args:
        reading: A view of it.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def role(self, arn: str) -> Role | None:
        """The role with this very ARN, if it can be told from a later one of the same name."""
        key = key_of(arn)
        found = self._reading.get(key) if key is not None else None
        return found if isinstance(found, Role) and found.arn == arn and found.id else None

    def user(self, arn: str, id: str) -> User | None:
        """The user with this ARN, who is still the same if *id* is known."""
        key = key_of(arn)
        found = self._reading.get(key) if key is not None else None
        same = isinstance(found, User) and found.arn == arn and bool(found.id) and id in ("", found.id)
        return found if isinstance(found, User) and same else None

    def policy(self, arn: str, account: str) -> str | None:
        """The text of a managed policy of an account or of the platform, as it is now."""
        key = key_of(arn)
        found = self._reading.get(key) if key is not None and key.account in (account, _PLATFORM) else None
        version = found.version() if isinstance(found, ManagedPolicy) and found.arn == arn else None
        return None if version is None else version.document


@contextmanager
def facts_of(store: DirectoryStore) -> Iterator[Facts]:
    """Look at a directory.

    Raises:
        UnavailableError: it cannot be reached.
    """
    with store.read() as reading:
        yield Facts(reading)
