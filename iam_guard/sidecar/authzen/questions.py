"""Questions: what a caller asks, joined with what is known here, as a question for the guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from iam_guard.engine.attachments import Attachments
from iam_guard.errors import ConfigurationError, Fault, RequestRefusedError
from iam_guard.guard import Question
from iam_guard.model import ContextValue, Principal, ascii_lower
from iam_guard.policy.source import pointer
from iam_guard.sidecar.authzen.entities import Asked, Entity
from iam_guard.sidecar.authzen.settings import AuthzenDoor
from iam_guard.sidecar.authzen.vocabulary import Vocabulary, tags

RESOURCE_TAG, REQUEST_TAG, PRINCIPAL_TAG = "aws:resourcetag/", "aws:requesttag/", ""
_NOTHING: dict[str, ContextValue] = {}


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
        who = self._vocabulary.principal(subject.type, subject.id)
        if not subject.properties:
            return who
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


def _known_tags(properties: Mapping[str, Any], place: str) -> dict[str, ContextValue]:
    try:
        return tags(RESOURCE_TAG, properties)
    except RequestRefusedError:
        raise ConfigurationError(Fault("two tags differ in nothing but the case of letters, or in where they stand",
                                       "keep one", place)) from None
