"""A directory, put together: its store by URL, its secrets by the environment, its referee by its own policies."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from iam_guard.directory.authorization import Authorization
from iam_guard.directory.directory import Directory
from iam_guard.directory.hiding import HiddenSecrets, KeyRing
from iam_guard.directory.session_secrets import SessionSecrets
from iam_guard.store.urls import open_store

_KEY_BYTES = 32


@contextmanager
def opened_directory(url: str, environment: Mapping[str, str] = os.environ) -> Iterator[Directory]:
    """Open a directory, and close it at the end.

    Args:
        url: Of its store: ``sqlite:///iam.db``, ``postgresql://host/database``, ``file:./folder``, ``memory:``.
        environment: Says where the keys are that hide secret access keys.

    Raises:
        ConfigurationError: there is no such kind of store, or what is there is none.
        UnavailableError: the store cannot be reached.
    """
    store = open_store(url)
    try:
        yield Directory(store, referee=Authorization(), secrets=SecretsOf(environment))
    finally:
        store.close()


def session_secrets_of(environment: Mapping[str, str]) -> SessionSecrets:
    """What sessions sign with; the key ring is looked for when the first of them is given or shown."""
    return SessionSecrets(lambda: KeyRing.from_environment(environment))


class SecretsOf:
    """Secrets whose keys are looked for when one is needed: most operations need none, hashes neither.

    Args:
        environment: See :meth:`~iam_guard.directory.hiding.KeyRing.from_environment`.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._passwords = HiddenSecrets(KeyRing(secrets.token_bytes(_KEY_BYTES)))

    @cached_property
    def _keys(self) -> HiddenSecrets:
        return HiddenSecrets(KeyRing.from_environment(self._environment))

    def hash_password(self, password: str) -> str:
        """See :class:`~iam_guard.directory.secrets.Secrets`."""
        return self._passwords.hash_password(password)

    def check_password(self, hash: str, password: str) -> bool:
        """See :class:`~iam_guard.directory.secrets.Secrets`."""
        return self._passwords.check_password(hash, password)

    def encrypt(self, secret: str, *, owner: str) -> str:
        """See :class:`~iam_guard.directory.secrets.Secrets`.

        Raises:
            ConfigurationError: the environment names no keys.
        """
        return self._keys.encrypt(secret, owner=owner)

    def decrypt(self, text: str, *, owner: str) -> str:
        """See :class:`~iam_guard.directory.secrets.Secrets`.

        Raises:
            ConfigurationError: the environment names no keys.
        """
        return self._keys.decrypt(text, owner=owner)
