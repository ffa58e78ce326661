"""Reads bodies: JSON that can be read in one way only (RFC 7493), of bounded size and depth."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from iam_guard.asgi.types import Receive
from iam_guard.errors import RequestRefusedError

MAX_DEPTH = 32
#: The longest value of X-Request-ID that is given back.
MAX_REQUEST_ID = 256
_EXACT = 2**53


def invalid(description: str) -> RequestRefusedError:
    """The refusal of a request that is malformed."""
    return RequestRefusedError(description, code="invalid-request")


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        RequestRefusedError: it is too long, or the client went away.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise invalid("The body did not arrive.")
        piece = message.get("body", b"")
        if not message.get("more_body", False) and not pieces and len(piece) <= limit:
            return bytes(piece)
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise RequestRefusedError("The body is too large.", status=413, code="body-too-large")
        if not message.get("more_body", False):
            return b"".join(pieces)


def is_json(content_type: str) -> bool:
    """Whether a body is said to be JSON in UTF-8."""
    if content_type == "application/json":
        return True
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    return kind == "application/json" and all(
        not one.startswith("charset=") or one[8:].strip('"') == "utf-8" for one in parameters)


def read_members(body: bytes) -> dict[str, Any]:
    """The members of the one object that a body is.

    Raises:
        RequestRefusedError: it is no object, or two readers could read it differently.
    """
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):  # the decoder's own errors are values that are wrong, too
        raise invalid("The body is not JSON.") from None
    if not isinstance(value, dict):
        raise invalid("The body has to be a JSON object.")
    if body.count(b":") != count_members(value, MAX_DEPTH):  # a colon for each member, or some inside texts
        _refuse_repeated(body)
    if b"\\u" in body:
        _refuse_surrogates(body)
    return value


def count_members(value: Any, depth: int) -> int:
    """How many members there are, in all objects; a name that stands twice counts once.

    Args:
        value: As it was decoded.
        depth: How deep objects and lists may stand in each other from here on.

    Raises:
        RequestRefusedError: it is too deep, or a number in it is too large.
    """
    kind = type(value)
    if kind is str:
        return 0
    if not depth and kind in (dict, list):
        raise invalid("The body is nested too deeply.")
    if kind is dict:
        found = len(value)
        for one in value.values():
            if type(one) is not str:
                found += count_members(one, depth - 1)
        return found
    if kind is list:
        return sum([count_members(one, depth - 1) for one in value])
    if kind is int and not -_EXACT <= value <= _EXACT:
        raise invalid("A number is too large to be read by everybody alike.")
    return 0


def _refuse_repeated(body: bytes) -> None:
    json.loads(body, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise invalid("A member stands twice in one object.")


def _refuse_surrogates(body: bytes) -> None:
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise invalid("A text holds half a character.") from None


def request_id(values: list[bytes]) -> bytes | None:
    """The value of X-Request-ID, to be given back as it is; ``None`` when there is none.

    Raises:
        RequestRefusedError: it stands twice, is too long, or could be read as more than a value.
    """
    if not values:
        return None
    value = values[0]
    if len(values) > 1 or len(value) > MAX_REQUEST_ID or not all(0x20 <= byte < 0x7F for byte in value):
        raise invalid("X-Request-ID is too long, stands twice, or holds more than printable characters.")
    return value
