"""ApiKeys: long random texts that name one caller each, known here by their digest only.

    igk_7Q2mX9aBfT3k_mC5...        prefix, id, secret

The id is not secret: it finds the one entry to compare with. What is kept is SHA-256 of the whole text, which is
enough for texts that nobody can guess; that they cannot be guessed is what :func:`new_api_key` is for.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Protocol

from iam_guard.errors import AuthenticationError, ConfigurationError, Fault
from iam_guard.http.challenge import challenge
from iam_guard.identity.clock import SteadyClock
from iam_guard.identity.repeatable import Again
from iam_guard.model import Principal

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest

DEFAULT_HEADER = "X-API-Key"
DEFAULT_PREFIX = "igk"

_TEXT = re.compile(rb"([a-z][a-z0-9]{0,15}_[A-Za-z0-9]{8,64})_[A-Za-z0-9_-]{32,256}")
_ID = re.compile(r"[a-z][a-z0-9]{0,15}_[A-Za-z0-9]{8,64}", re.ASCII)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
#: Headers that mean something else; what is in an id of a request is given back and written to logs, and AuthZEN's door
#: takes two requests that differ in nothing else for the same.
_TAKEN = frozenset({"authorization", "cookie", "dpop", "host", "content-length", "x-request-id"})
_LETTERS = string.ascii_letters + string.digits
#: Compared with when there is no entry, so that an unknown id takes as long as a wrong secret.
_NOBODY = sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of one key.

    Attributes:
        id: The text up to the second underscore.
        digest: SHA-256 of the whole text.
        principal: Whom it names.
        expires_at: Seconds since the epoch from which it is worth nothing; ``None`` for never.

    Raises:
        ConfigurationError: the id or the digest is none.
    """

    id: str
    digest: bytes = field(repr=False)
    principal: Principal
    expires_at: float | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ConfigurationError(Fault(f"'{self.id}' is not the id of a key", "write 'igk_' and 8 to 64 letters",
                                           "/id"))
        if len(self.digest) != len(_NOBODY) or self.digest == _NOBODY:
            raise ConfigurationError(Fault(f"key '{self.id}' has no SHA-256 digest", "write 64 hexadecimal digits",
                                           "/sha256"))


class ApiKeys(Protocol):
    """Where keys are looked up."""

    def find(self, key_id: str) -> ApiKey | None:
        """The entry of *key_id*; ``None`` when there is none.

        Raises:
            UnavailableError: it cannot be found out.
        """


class ApiKeyTable:
    """Keys that do not change.

    Raises:
        ConfigurationError: two entries have one id.
    """

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        listed = list(keys)
        self._keys: Mapping[str, ApiKey] = {key.id: key for key in listed}
        if len(self._keys) != len(listed):
            raise ConfigurationError(Fault("two keys have one id", "make a new one instead"))

    def find(self, key_id: str) -> ApiKey | None:
        """See :class:`ApiKeys`."""
        return self._keys.get(key_id)


def new_api_key(prefix: str = DEFAULT_PREFIX) -> tuple[str, str]:
    """Make a key that nobody can guess: 256 random bits.

    Returns:
        The text, which only its owner keeps, and its SHA-256 digest in hexadecimal digits for the settings.

    Raises:
        ConfigurationError: the prefix is not a short word in lower case.
    """
    name = "".join(secrets.choice(_LETTERS) for _ in range(12))
    text = f"{prefix}_{name}_{secrets.token_urlsafe(32)}"
    if not _TEXT.fullmatch(text.encode()):
        raise ConfigurationError(Fault(f"'{prefix}' is not a prefix for keys", "write 1 to 16 letters in lower case"))
    return text, sha256(text.encode()).hexdigest()


def key_id_of(text: str) -> str:
    """The part of a key that is not secret.

    Raises:
        ValueError: *text* is not a key.
    """
    found = _TEXT.fullmatch(text.encode())
    if found is None:
        raise ValueError("the text is not a key")
    return found[1].decode()


class ApiKeyAuthenticator:
    """Turns an API key into a principal.

    Args:
        keys: Where keys are looked up.
        header: The header that holds them.
        realm: What challenges call this service.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: the header is none, or holds something else.
    """

    schemes: tuple[str, ...] = ()

    def __init__(self, keys: ApiKeys, *, header: str = DEFAULT_HEADER, realm: str = "api",
                 clock: Callable[[], float] | None = None) -> None:
        if not _HEADER.fullmatch(header) or header.lower() in _TAKEN:
            raise ConfigurationError(Fault(f"'{header}' is not a header for keys", f"write {DEFAULT_HEADER}",
                                           "/header"))
        self._keys, self._header = keys, header.lower().encode()
        self._challenges = (challenge("ApiKey", realm=realm, header=header),)
        self._clock = clock or SteadyClock()

    def carries(self, request: HTTPRequest) -> bool:
        """See :class:`Way`."""
        return any(name == self._header for name, _ in request.headers)

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        """Say who sent *request*; see :class:`Authenticator`."""
        return self._named(request)

    def _named(self, request: HTTPRequest) -> Principal | None:
        if not self.carries(request):
            return None
        text = request.only(self._header)
        if text is None:
            raise AuthenticationError("More than one API key was sent", code="invalid_request")
        key = self._known(text)
        if key.expires_at is not None and self._clock() >= key.expires_at:
            raise self._refusal(f"key '{key.id}' expired")
        return key.principal

    def _known(self, text: bytes) -> ApiKey:
        found = _TEXT.fullmatch(text)
        key = self._keys.find(found[1].decode()) if found else None
        same = compare_digest(sha256(text).digest(), _NOBODY if key is None else key.digest)
        if key is None or not same:
            raise self._refusal("no such key" if key is None else f"the secret of key '{key.id}' is wrong")
        return key

    def _refusal(self, detail: str) -> AuthenticationError:
        return AuthenticationError("The API key is not valid", detail=detail, scheme="ApiKey")

    async def check_again(self, request: HTTPRequest) -> None:
        """See :class:`~iam_guard.identity.lasting.Lasting`; a key is not used up by being used."""
        await self.authenticate(request)

    def again(self, request: HTTPRequest, principal: Principal) -> Again | None:
        """See :class:`~iam_guard.identity.repeatable.Repeatable`."""
        return lambda: self._named(request) is principal

    def challenges(self) -> tuple[str, ...]:
        """See :class:`Authenticator`."""
        return self._challenges

    async def start(self) -> None:
        """There is nothing to prepare."""

    async def close(self) -> None:
        """There is nothing to release."""
