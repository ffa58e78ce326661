"""What follows a body in chunks: a checksum that was made while the body was sent, and perhaps its signature.

    x-amz-checksum-crc32:VALUE CRLF [x-amz-trailer-signature:SIGNATURE CRLF] CRLF

Source: the S3 API reference, "Transferring payload in multiple chunks with trailing headers" and "Checking object
integrity".
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from iam_guard.identity.sigv4.refusals import malformed, not_valid
from iam_guard.identity.sigv4.signature import hexdigest

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest

#: The header that says what follows the body.
ANNOUNCED = "x-amz-trailer"
#: Longest trailer.
MAX_TRAILER = 1024
_CHECKSUM = "x-amz-checksum-"
_SIGNATURE = "x-amz-trailer-signature"


class _Checksum(Protocol):
    def update(self, content: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _CRC32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, content: bytes, /) -> None:
        self._value = zlib.crc32(content, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class _Unknown:
    """A checksum that is not made here; what it stands for is protected by signatures, or refused."""

    def update(self, content: bytes, /) -> None:
        """Nothing is made of it."""

    def digest(self) -> bytes:
        return b""


_KNOWN: dict[str, Callable[[], _Checksum]] = {
    "crc32": _CRC32, "sha256": hashlib.sha256, "sha1": lambda: hashlib.sha1(usedforsecurity=False)}


class Trailer:
    """The one checksum after a body.

    Args:
        request: Announces it.
        is_signed: Whether body and trailer are signed. If not, the checksum is all that shows damage, so it has to be
            one that is known here.

    Raises:
        AuthenticationError: none is announced, or several, or one that cannot be checked.
    """

    def __init__(self, request: HTTPRequest, *, is_signed: bool) -> None:
        announced = [one.strip().lower() for one in request.header_values(ANNOUNCED)]
        kind = announced[0].removeprefix(_CHECKSUM) if len(announced) == 1 else ""
        if not kind.isalnum() or announced != [_CHECKSUM + kind]:
            raise malformed("a body with a trailer does not announce one checksum")
        if kind not in _KNOWN and not is_signed:
            raise malformed("the checksum after a body that is not signed is of a kind that is not checked here")
        self._name, self._is_known, self._is_signed = announced[0], kind in _KNOWN, is_signed
        self._checksum = _KNOWN.get(kind, _Unknown)()

    def update(self, content: bytes) -> None:
        """Take a further piece of the body."""
        self._checksum.update(content)

    def read(self, text: bytes) -> str:
        """Check the whole trailer but its signature.

        Args:
            text: What follows the last chunk, without the empty line.

        Returns:
            The signature; empty where there is to be none.

        Raises:
            AuthenticationError: it is something else than was announced, or the body was damaged.
        """
        fields = [line.partition(":")[::2] for line in text.decode("latin-1").split("\r\n")]
        names = [name.lower() for name, _ in fields]
        if names != [self._name, _SIGNATURE][:1 + self._is_signed]:
            raise not_valid("what follows the body is not what was announced")
        self._value = fields[0][1].strip()
        if self._is_known and self._value != base64.b64encode(self._checksum.digest()).decode():
            raise not_valid("the body does not have the checksum that follows it")
        return fields[1][1].strip() if self._is_signed else ""

    @property
    def digest(self) -> str:
        """What a signature covers of the trailer, once it was read."""
        return hexdigest(f"{self._name}:{self._value}\n".encode("latin-1"))
