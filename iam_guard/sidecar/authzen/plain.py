"""Reads plain questions: four members of the known shape, in one step. Everything else is read with care elsewhere.

Programs put the same questions again and again. What one means is remembered while the same policies decide; what its
answer is never is.
"""

from __future__ import annotations

import msgspec

from iam_guard.engine.attachments import Attachments
from iam_guard.engine.memo import Memo
from iam_guard.errors import RequestRefusedError
from iam_guard.model import EMPTY
from iam_guard.sidecar.authzen.bounds import SHORT
from iam_guard.sidecar.authzen.entities import Asked
from iam_guard.sidecar.authzen.questions import Asking, Questions
from iam_guard.sidecar.authzen.reading import MAX_DEPTH, count_members

_decode = msgspec.json.Decoder(Asked).decode
#: Members of a question without properties and context: three, and two, one and two in them.
_LEAST = 8

#: Questions that are remembered, and the longest of them in bytes.
_KEPT, _LONGEST = 2048, 1024


class PlainQuestions:
    """Plain questions as questions for the guard.

    Args:
        questions: Makes them.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._once: set[int] = set()
        self._known: tuple[Attachments | None, Memo[bytes, Asking]] = (None, Memo(_KEPT))

    def about(self, body: bytes, attachments: Attachments) -> Asking | None:
        """What *body* asks; ``None`` when it is not plain, or names somebody or something that cannot be.

        Raises:
            RequestRefusedError: what is said of somebody or something contradicts itself.
        """
        known_for, known = self._known
        if known_for is not attachments:
            known = Memo(_KEPT)
            self._known = (attachments, known)
        found = known.get(body) or known.recall(body)
        if found is None and (asked := plain_question(body)) is not None:
            found = self._questions.about(asked, attachments)
            if found is not None and len(body) <= _LONGEST and self._came_before(body):
                known.keep(body, found)
        return found

    def _came_before(self, body: bytes) -> bool:
        """Whether a question came lately; one that comes once is not worth its place."""
        name = hash(body)
        if name in self._once:
            return True
        if len(self._once) >= _KEPT:
            self._once.clear()
        self._once.add(name)
        return False


def plain_question(body: bytes) -> Asked | None:
    """The question that *body* is, as :func:`~iam_guard.sidecar.authzen.entities.read_asked` would read it.

    Decoding passes over what it does not know, and over all but the last of members with one name. Neither can be
    there when the colons of the body are those of the members that were found, and those within their texts.

    Returns:
        ``None`` for anything but a plain and faultless question.
    """
    if b"\\" in body or len(body) > SHORT:
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
