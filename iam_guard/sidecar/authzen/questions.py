"""Questions: what a caller asks, joined with what is known here, as a question for the guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from iam_guard.engine.attachments import Attachments
from iam_guard.engine.memo import Memo
from iam_guard.errors import ConfigurationError, Fault, RequestRefusedError
from iam_guard.guard import Question
from iam_guard.model import ContextValue, Principal, ascii_lower
from iam_guard.policy.source import pointer
from iam_guard.sidecar.authzen.entities import Asked, Entity
from iam_guard.sidecar.authzen.settings import AuthzenDoor
from iam_guard.sidecar.authzen.vocabulary import Vocabulary, tags

RESOURCE_TAG, REQUEST_TAG, PRINCIPAL_TAG = "aws:resourcetag/", "aws:requesttag/", ""
_NOTHING: dict[str, ContextValue] = {}
#: Subjects with properties that are remembered while the same policies decide, and how much may be said of one.
_KEPT_SUBJECTS, _MOST_PROPERTIES, _LONGEST_TEXT = 2048, 16, 256


class Asking(NamedTuple):
    """A question about a caller.

    Attributes:
        who: The caller.
        question: What it wants to do.
    """

    who: Principal
    question: Question


class Questions:
    """Makes questions. What the guard knows itself of a subject or a resource counts more than what is said of it,
    since otherwise whoever asks could hand out any role.

    Args:
        door: Says what is known of resources, and who is believed.
        vocabulary: Makes the names.

    Raises:
        ConfigurationError: two tags of a known resource are one.
    """

    def __init__(self, door: AuthzenDoor, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._believe = door.believe_properties
        self._subjects: tuple[Attachments | None, Memo[object, Principal]] = (None, Memo(_KEPT_SUBJECTS))
        self._known = {(type_, id_): _known_tags(properties, pointer("/known", type_, id_))
                       for type_, ids in door.known.items() for id_, properties in ids.items()}

    def about(self, asked: Asked, attachments: Attachments) -> Asking | None:
        """The question; ``None`` when it names somebody or something that cannot be.

        Raises:
            RequestRefusedError: what is said of somebody or something contradicts itself.
        """
        resource = asked.resource
        action = self._vocabulary.action(asked.action.name, resource.type)
        name = self._vocabulary.resource(resource.type, resource.id)
        context = self._context(asked)
        who = self.subject(asked.subject, attachments)
        if action is None or name is None or who is None:
            return None
        return Asking(who, Question(action, name, context))

    def subject(self, subject: Entity, attachments: Attachments) -> Principal | None:
        """The caller that a subject is.

        Raises:
            RequestRefusedError: two of its properties are one tag.
        """
        if not subject.properties:
            return self._vocabulary.principal(subject.type, subject.id)
        key = _key(subject)
        if key is None:
            return self._described(subject, attachments)
        known_for, known = self._subjects
        if known_for is not attachments:
            known = Memo(_KEPT_SUBJECTS)
            self._subjects = (attachments, known)
        found = known.get(key)
        if found is None and (found := self._described(subject, attachments)) is not None:
            known.keep(key, found)
        return found

    def _described(self, subject: Entity, attachments: Attachments) -> Principal | None:
        """The caller that a subject with properties is; those that are known here stay as they are known."""
        who = self._vocabulary.principal(subject.type, subject.id)
        said: dict[str, Any] = tags(PRINCIPAL_TAG, subject.properties)
        if who is None:
            return None
        holder = attachments.holders.get(who.role_arn or who.user_arn or who.arn)
        if holder is not None and not self._believe:
            for tag in holder.tags:
                said.pop(ascii_lower(tag), None)
        return self._vocabulary.principal(subject.type, subject.id, said)

    def _context(self, asked: Asked) -> Mapping[str, ContextValue]:
        resource, action = asked.resource, asked.action
        context = self._known.get((resource.type, resource.id), _NOTHING)
        if resource.properties:
            said = tags(RESOURCE_TAG, resource.properties)
            context = {**context, **said} if self._believe else {**said, **context}
        if action.properties:
            context = {**tags(REQUEST_TAG, action.properties), **context}
        return {**self._vocabulary.context(asked.context), **context} if asked.context else context


def _key(subject: Entity) -> object:
    """What a subject with its properties is remembered by; ``None`` when they are not few, short and plain."""
    items = tuple(subject.properties.items())
    if len(items) > _MOST_PROPERTIES or len(subject.id) > _LONGEST_TEXT:
        return None
    for name, value in items:
        if type(value) is not str or len(name) + len(value) > _LONGEST_TEXT:  # True and 1 would be the same key
            return None
    return subject.type, subject.id, items


def _known_tags(properties: Mapping[str, Any], place: str) -> dict[str, ContextValue]:
    try:
        return tags(RESOURCE_TAG, properties)
    except RequestRefusedError:
        raise ConfigurationError(Fault("two tags differ in nothing but the case of letters, or in where they stand",
                                       "keep one", place)) from None
