"""The port to what hides secrets: passwords are hashed, secret access keys encrypted."""

from __future__ import annotations

from typing import Protocol


class Secrets(Protocol):
    """Hides secrets."""

    def hash_password(self, password: str) -> str:
        """A hash (argon2id) that :meth:`check_password` knows again."""
        ...

    def check_password(self, hash: str, password: str) -> bool:
        """Whether it is the password."""
        ...

    def encrypt(self, secret: str, *, owner: str) -> str:
        """Hide a secret access key; *owner* (the key's id) is bound to it, so that it cannot be moved."""
        ...

    def decrypt(self, text: str, *, owner: str) -> str:
        """The secret again.

        Raises:
            UnavailableError: the key that it was hidden with is not there.
        """
        ...
