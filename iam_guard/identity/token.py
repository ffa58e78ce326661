"""Reading a compact token: limits first, nothing believed.

What comes out is a claim about a claim: :class:`UnverifiedToken` says what was sent, not who sent it.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Any, NamedTuple

from iam_guard.engine.memo import Memo
from iam_guard.errors import AuthenticationError
from iam_guard.identity.strict_json import read_object

#: Longest token that is looked at, in characters (threat catalogue, S18).
MAX_TOKEN = 8192
#: Longest key identifier, in bytes (J04).
MAX_KID = 256

MALFORMED = "The access token is malformed"

# Translates the URL alphabet to the plain one, and what only the plain one has to something that the
# strict decoder refuses.
_TO_PLAIN = bytes.maketrans(b"-_+/=", b"+/!!!")


class TokenHeader(NamedTuple):
    """What the header of a token says that is read; see :class:`UnverifiedToken`."""

    algorithm: str
    key_id: str | None
    type: str


#: Headers by the octets they were sent as: an issuer writes the same one on every token of a key.
Headers = Memo[bytes, TokenHeader]
#: Headers that are remembered, and the longest that is.
KEPT_HEADERS, KEPT_HEADER_BYTES = 256, 1024


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """The parts of a signed token as they were sent (RFC 7515 section 3.1).

    Attributes:
        algorithm: ``alg`` of the header.
        key_id: ``kid`` of the header; ``None`` when there is none.
        type: ``typ`` of the header in lower case without ``application/``; ``""`` when there is none.
        claims: The payload.
        signed: The octets that the signature covers.
        signature: The signature.
    """

    algorithm: str
    key_id: str | None
    type: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def malformed(detail: str) -> AuthenticationError:
    """The refusal of a token that could not be read; *detail* is for the log and repeats none of it."""
    return AuthenticationError(MALFORMED, detail=detail)


def read_token(token: bytes, *, max_length: int = MAX_TOKEN, headers: Headers | None = None) -> UnverifiedToken:
    """Take a compact token apart without believing it.

    Encrypted tokens have five parts and are refused like anything else that has not three; members of
    the header that bring or point at a key (``jwk``, ``jku``, ``x5c``, ``x5u``) are not read.

    Args:
        token: As it was sent.
        max_length: A longer one is not looked at.
        headers: Remembers headers; reading one again would say the same.

    Raises:
        AuthenticationError: it is too long or not exactly a signed token in canonical form.
    """
    if len(token) > max_length:
        raise malformed(f"the token is longer than {max_length} characters")
    parts = token.split(b".", 3)
    if len(parts) != 3:
        raise malformed("the token does not have three parts")
    try:
        header_part, payload_part, signature_part = parts
        header = _header(header_part, headers)
        claims = read_object(decode_part(payload_part))
        signature = decode_part(signature_part)
    except (ValueError, RecursionError) as error:
        raise malformed(f"the token cannot be read: {type(error).__name__}") from None
    return UnverifiedToken(*header, claims, header_part + b"." + payload_part, signature)


def _header(part: bytes, known: Headers | None) -> TokenHeader:
    if known is None:
        return _read_header(read_object(decode_part(part)))
    found = known.get(part) or known.recall(part)
    if found is None:
        found = _read_header(read_object(decode_part(part)))
        if len(part) <= KEPT_HEADER_BYTES:
            known.keep(part, found)
    return found


def decode_part(part: bytes) -> bytes:
    """Decode base64url as RFC 7515 section 2 writes it: no padding, no spare bits, one spelling a value.

    Raises:
        ValueError: *part* is written in any other way.
    """
    plain = part.translate(_TO_PLAIN)
    raw = binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    if binascii.b2a_base64(raw, newline=False).rstrip(b"=") != plain:
        raise ValueError("the text is not canonical base64url")
    return raw


def _read_header(header: dict[str, Any]) -> TokenHeader:
    # No extension is understood, so whatever is critical cannot be honoured; unencoded payloads and
    # compression change what the signature covers or what a reader sees.
    if not header.keys().isdisjoint(("crit", "b64", "zip", "enc")):
        raise malformed("the header asks for an extension")
    algorithm, kind = header.get("alg"), header.get("typ", "")
    if not isinstance(algorithm, str) or not isinstance(kind, str):
        raise malformed("'alg' or 'typ' is not a string")
    return TokenHeader(algorithm, _read_kid(header), kind.lower().removeprefix("application/"))


def _read_kid(header: dict[str, Any]) -> str | None:
    if "kid" not in header:
        return None
    kid = header["kid"]
    if not isinstance(kid, str) or not is_key_id(kid):
        raise malformed(f"'kid' is not a printable string of at most {MAX_KID} bytes")
    return kid


def is_key_id(text: str) -> bool:
    """Whether *text* can be the name of a key: printable, not empty, at most 256 bytes."""
    return text.isprintable() and 0 < len(text.encode("utf-8")) <= MAX_KID
