"""Signing keys in a file that only the token service reads, beside one with the public keys that anybody may."""

from __future__ import annotations

import json
import os
import stat
import tempfile
import threading
from pathlib import Path
from typing import Any

from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.sts.signing import SigningKey, SigningKeys

_TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP
_MOST_BYTES = 65_536


class SigningKeyFile:
    """Reads and writes signing keys.

    The public keys stand in a file of the same name that ends in ``.jwks.json``, for guards that read it.

    Args:
        path: Of the file with the private keys.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._known: tuple[tuple[int, int, int], SigningKeys] | None = None

    @property
    def public(self) -> Path:
        """The file with the public keys."""
        return self._path.with_name(f"{self._path.name.removesuffix('.json')}.jwks.json")

    @property
    def current(self) -> SigningKeys:
        """The keys, read again when the file is another than before.

        Raises:
            UnavailableError: it cannot be read, or by too many, or holds something else.
        """
        try:
            with self._lock:
                return self._read()
        except (OSError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else problem
            raise UnavailableError(f"the signing keys '{self._path}' cannot be used: {reason}") from None

    def _read(self) -> SigningKeys:
        with self._path.open("rb") as stream:
            about = os.fstat(stream.fileno())
            mark = (about.st_ino, about.st_mtime_ns, about.st_size)
            if self._known is None or self._known[0] != mark:
                _check_private(about)
                self._known = mark, _keys_in(stream.read(_MOST_BYTES))
            return self._known[1]

    def make(self, now: int) -> SigningKeys:
        """Make the file with a first key; never in place of another.

        Raises:
            ConfigurationError: it is there already, or cannot be made.
        """
        if self._path.exists():
            raise ConfigurationError(Fault(f"there are signing keys in '{self._path}' already", "rotate them"))
        return self._write(SigningKeys.make(now), now)

    def rotate(self, now: int, *, lead: int) -> SigningKeys:
        """Add a key that signs after *lead* seconds, and drop those that nobody needs.

        Raises:
            UnavailableError: the file cannot be read.
            ConfigurationError: it cannot be written.
        """
        return self._write(self.current.rotated(now, lead=lead), now)

    def drop(self, id: str, now: int) -> SigningKeys:
        """Take a key away at once.

        Raises:
            UnavailableError: the file cannot be read, or no other key would sign.
            ConfigurationError: there is no such key, or the file cannot be written.
        """
        left = self.current.without(id)
        left.signing(now)
        return self._write(left, now)

    def _write(self, keys: SigningKeys, now: int) -> SigningKeys:
        try:
            # The public keys first: whoever sees a token of a new key can find that key.
            _replace(self.public, keys.jwks(now), 0o644)
            _replace(self._path, {"keys": [one.to_private() for one in keys.keys]}, 0o600)
        except OSError as problem:
            raise ConfigurationError(Fault(f"the signing keys '{self._path}' cannot be written: "
                                           f"{problem.strerror}")) from None
        return keys


def _keys_in(text: bytes) -> SigningKeys:
    document = json.loads(text)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise ValueError("it has no list named 'keys'")
    return SigningKeys(map(SigningKey.from_private, entries))


def _check_private(about: os.stat_result) -> None:
    if os.name == "posix" and about.st_mode & _TOO_OPEN:
        raise ValueError(f"it is open to others (mode {stat.S_IMODE(about.st_mode):04o}); take that away with "
                         "'chmod 600'")


def _replace(path: Path, document: dict[str, Any], mode: int) -> None:
    """Write a whole file in place of what is there; a power cut leaves one or the other."""
    file, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(file, "w", encoding="ascii") as stream:
            json.dump(document, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
