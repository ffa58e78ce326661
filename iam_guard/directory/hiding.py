"""Hides secrets: passwords behind argon2id, secret access keys behind AES-256 in Galois/Counter Mode.

A key ring holds the keys for the latter. The first key writes, all of them read; so a new key is put in front,
the store is rewritten (:mod:`iam_guard.directory.rotation`), and the old key is taken away.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from iam_guard.errors import ConfigurationError, Fault, UnavailableError

#: The environment variable that holds the keys themselves.
KEY_VARIABLE = "IAM_GUARD_SECRET_KEY"
#: The environment variable that names the file that holds them.
FILE_VARIABLE = "IAM_GUARD_SECRET_KEY_FILE"

_KEY_BYTES = 32
_NONCE_BYTES = 12
_MOST_BYTES = 16_384
_FORMAT = "1"
# Everyone else's rights, and the group's to write. The group may read: that is how containers are handed files.
_TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP
_MEND = "write 32 random bytes in base64, as 'openssl rand -base64 32' prints them"


def new_key() -> str:
    """A new key, as text for the environment or a file."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


class KeyRing:
    """Keys, found by ids that are made of the keys themselves.

    Args:
        keys: 32 bytes each; the first is used for writing.

    Raises:
        ConfigurationError: there is none, or one has another length.
    """

    def __init__(self, *keys: bytes) -> None:
        if not keys:
            raise ConfigurationError(Fault("there is no key to hide secret access keys with",
                                           f"set {KEY_VARIABLE} or {FILE_VARIABLE}"))
        if any(len(key) != _KEY_BYTES for key in keys):
            raise ConfigurationError(Fault("a key for secrets does not have 32 bytes", _MEND))
        self._keys = {_id_of(key): key for key in keys}
        self._ciphers = {name: AESGCM(key) for name, key in self._keys.items()}
        self.first = _id_of(keys[0])

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self._ciphers)}, writing with {self.first}>"

    @classmethod
    def from_text(cls, text: str) -> KeyRing:
        """Read keys in base64, separated by blanks, commas or line ends.

        Raises:
            ConfigurationError: one is not a key.
        """
        return cls(*map(_key_from, text.replace(",", " ").split()))

    @classmethod
    def from_file(cls, path: str | Path) -> KeyRing:
        """Read keys from a file that only its owner, and perhaps a group, can read.

        Raises:
            ConfigurationError: it cannot be read, or by too many, or holds no keys.
        """
        return cls.from_text(_private_text(Path(path)))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> KeyRing:
        """Read keys from where the environment says.

        Raises:
            ConfigurationError: it says nothing, two things, or points at no keys.
        """
        text, file = environment.get(KEY_VARIABLE, ""), environment.get(FILE_VARIABLE, "")
        if text and file:
            raise ConfigurationError(Fault(f"{KEY_VARIABLE} and {FILE_VARIABLE} are both set", "keep one of them"))
        return cls.from_file(file) if file else cls.from_text(text)

    def cipher(self, id: str) -> AESGCM | None:
        """What encrypts with the key of this id."""
        return self._ciphers.get(id)

    def derived(self, id: str, purpose: bytes) -> bytes | None:
        """A key for another *purpose*, made of the key of this id; it tells nothing about that one."""
        key = self._keys.get(id)
        return None if key is None else hmac.digest(key, b"iam_guard derived key\0" + purpose, "sha256")


def _id_of(key: bytes) -> str:
    """Enough to tell keys apart; of 256 random bits it gives nothing away."""
    return hashlib.sha256(b"iam_guard key id\0" + key).hexdigest()[:16]


def _key_from(word: str) -> bytes:
    try:
        return base64.b64decode(word.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise ConfigurationError(Fault("a key for secrets is not base64", _MEND)) from None


def _private_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:  # what is looked at is what is read, whatever the name means meanwhile
            _check_private(os.fstat(stream.fileno()), path)
            return stream.read(_MOST_BYTES).decode("ascii")
    except OSError as problem:
        raise ConfigurationError(Fault(f"the key file '{path}' cannot be read: {problem.strerror}",
                                       "let this process read it")) from None
    except UnicodeDecodeError:
        raise ConfigurationError(Fault(f"the key file '{path}' does not hold base64", _MEND)) from None


def _check_private(about: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise ConfigurationError(Fault(f"the key file '{path}' is not a file"))
    if os.name == "posix" and about.st_mode & _TOO_OPEN:
        raise ConfigurationError(Fault(f"the key file '{path}' is open to others (mode "
                                       f"{stat.S_IMODE(about.st_mode):04o})", "take that away with 'chmod 600'"))


def make_key_file(path: str | Path) -> KeyRing:
    """Make a file with a new key, which only its owner can read; never in place of another.

    Raises:
        ConfigurationError: it is there already, or cannot be made.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        raise ConfigurationError(Fault(f"the key file '{path}' cannot be made: {problem.strerror}")) from None
    with os.fdopen(file, "w", encoding="ascii") as stream:
        stream.write(f"{new_key()}\n")
        stream.flush()
        os.fsync(stream.fileno())  # nothing may be hidden with a key that a power cut takes away
    return KeyRing.from_file(path)


class HiddenSecrets:
    """Implements :class:`iam_guard.directory.secrets.Secrets`.

    Args:
        ring: Keys for secret access keys.
        hasher: Hashes passwords; by default with the parameters that RFC 9106 gives for little memory.
    """

    def __init__(self, ring: KeyRing, *, hasher: PasswordHasher | None = None) -> None:
        self._ring = ring
        self._hasher = hasher or PasswordHasher()

    # --- passwords ---

    def hash_password(self, password: str) -> str:
        """A hash, with its salt and parameters."""
        return self._hasher.hash(password)

    def check_password(self, hash: str, password: str) -> bool:
        """Whether it is the password.

        An empty hash is nobody's, and takes as long to say so: who has a password is not for a stopwatch to tell.
        """
        try:
            return self._hasher.verify(hash or self._decoy, password) and bool(hash)
        except (VerificationError, InvalidHashError):
            return False

    @cached_property
    def _decoy(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe())

    # --- secret access keys ---

    def encrypt(self, secret: str, *, owner: str) -> str:
        """Hide a secret: ``1.KEY.TEXT``, where KEY is the id of the key on the ring."""
        nonce, first = secrets.token_bytes(_NONCE_BYTES), self._ring.first
        cipher = self._ring.cipher(first)
        assert cipher is not None
        hidden = nonce + cipher.encrypt(nonce, secret.encode(), _bound(first, owner))
        return f"{_FORMAT}.{first}.{base64.urlsafe_b64encode(hidden).decode()}"

    def decrypt(self, text: str, *, owner: str) -> str:
        """The secret again.

        Raises:
            UnavailableError: its key is not on the ring, or the text was damaged or belongs to another owner.
        """
        version, _, rest = text.partition(".")
        key_id, _, body = rest.partition(".")
        cipher = self._ring.cipher(key_id) if version == _FORMAT else None
        if cipher is None:
            raise UnavailableError(f"the key that hides the secret of '{owner}' is not on the ring")
        try:
            hidden = base64.b64decode(body, b"-_", validate=True)
            return cipher.decrypt(hidden[:_NONCE_BYTES], hidden[_NONCE_BYTES:], _bound(key_id, owner)).decode()
        except (InvalidTag, ValueError):
            raise UnavailableError(f"the secret of '{owner}' was damaged, or hidden for another") from None

    def is_current(self, text: str) -> bool:
        """Whether the key that writes now has written this."""
        return text.startswith(f"{_FORMAT}.{self._ring.first}.")


def _bound(id: str, owner: str) -> bytes:
    """What a hidden text belongs to; neither part can hold the separator."""
    return f"iam_guard secret access key\0{id}\0{owner}".encode()
