"""Reads plain questions: four members of the known shape, in one step. Everything else is read with care elsewhere."""

from __future__ import annotations

import msgspec

from iam_guard.errors import RequestRefusedError
from iam_guard.model import EMPTY
from iam_guard.sidecar.authzen.entities import Asked
from iam_guard.sidecar.authzen.reading import MAX_DEPTH, count_members

_decode = msgspec.json.Decoder(Asked).decode
#: Members of a question without properties and context: three, and two, one and two in them.
_LEAST = 8


def plain_question(body: bytes) -> Asked | None:
    """The question that *body* is, as :func:`~iam_guard.sidecar.authzen.entities.read_asked` would read it.

    Decoding passes over what it does not know, and over all but the last of members with one name. Neither can be
    there when the colons of the body are those of the members that were found, and those within their texts.

    Returns:
        ``None`` for anything but a plain and faultless question.
    """
    if b"\\" in body:
        return None
    try:
        asked = _decode(body)
        known = _LEAST + _members(asked)
    except (ValueError, RecursionError, RequestRefusedError):
        return None
    subject, resource = asked.subject, asked.resource
    if not (subject.type and subject.id and asked.action.name and resource.type and resource.id):
        return None
    colons = body.count(b":")
    return asked if colons == known or colons == known + _in_texts(asked) else None


def _members(asked: Asked) -> int:
    """How many members properties and context add, themselves included where they are there."""
    found = 0
    for one in (asked.subject, asked.action, asked.resource):
        if one.properties is not EMPTY:
            found += 1 + count_members(one.properties, MAX_DEPTH - 2)
    return found if asked.context is EMPTY else found + 1 + count_members(asked.context, MAX_DEPTH - 1)


def _in_texts(asked: Asked) -> int:
    subject, resource = asked.subject, asked.resource
    found = "".join((subject.type, subject.id, asked.action.name, resource.type, resource.id)).count(":")
    for members in (subject.properties, asked.action.properties, resource.properties, asked.context):
        for name, value in members.items():
            found += name.count(":") + (value.count(":") if type(value) is str else 0)
    return found
