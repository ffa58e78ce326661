"""What is asked in the words of the Authorization API: subject, action, resource and context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from iam_guard.errors import RequestRefusedError
from iam_guard.model import EMPTY
from iam_guard.sidecar.authzen.reading import invalid

MEMBERS = ("subject", "action", "resource", "context")


class Entity(msgspec.Struct, frozen=True, gc=False):
    """A subject or a resource.

    Attributes:
        type: Its type.
        id: Empty for what is searched.
        properties: What the caller says of it.
    """

    type: str
    id: str
    properties: Mapping[str, Any] = EMPTY


class Action(msgspec.Struct, frozen=True, gc=False):
    """What is to be done.

    Attributes:
        name: Empty where it is searched.
        properties: What the caller says of it.
    """

    name: str
    properties: Mapping[str, Any] = EMPTY


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One question.

    Attributes:
        subject: Who.
        action: Does what.
        resource: With what.
        context: What else the caller knows.
    """

    subject: Entity
    action: Action
    resource: Entity
    context: Mapping[str, Any] = EMPTY


def read_asked(members: Mapping[str, Any], *, searched: str = "") -> Asked:
    """Read the members of a question.

    Args:
        members: Others than those known are ignored.
        searched: The member that is looked for, whose id is ignored; a searched action may be left out altogether.

    Raises:
        RequestRefusedError: a required member is missing, or has another type.
    """
    action = Action("") if searched == "action" else _action(members)
    return Asked(_entity(members, "subject", searched), action, _entity(members, "resource", searched),
                 _mapping(members, "context"))


def check_defaults(members: Mapping[str, Any]) -> None:
    """Check what items of a batch may inherit.

    Raises:
        RequestRefusedError: one is no object.
    """
    for name in MEMBERS:
        if name in members and not isinstance(members[name], dict):
            raise invalid(f"'{name}' has to be an object.")


def _entity(members: Mapping[str, Any], name: str, searched: str) -> Entity:
    found = _required(members, name)
    id_ = "" if name == searched else _text(found, name, "id")
    return Entity(_text(found, name, "type"), id_, _properties(found, name))


def _action(members: Mapping[str, Any]) -> Action:
    found = _required(members, "action")
    return Action(_text(found, "action", "name"), _properties(found, "action"))


def _required(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = members.get(name)
    if type(found) is not dict:
        raise _missing(name) if found is None else invalid(f"'{name}' has to be an object.")
    return found


def _text(found: dict[str, Any], name: str, member: str) -> str:
    value = found.get(member)
    if type(value) is not str:
        raise _missing(f"{name}.{member}") if value is None else invalid(f"'{name}.{member}' has to be a text.")
    if not value:
        raise invalid(f"'{name}.{member}' must not be empty.")
    return value


def _properties(found: dict[str, Any], name: str) -> Mapping[str, Any]:
    properties = found.get("properties")
    if properties is None:
        return EMPTY
    if type(properties) is not dict:
        raise invalid(f"'{name}.properties' has to be an object.")
    return properties


def _mapping(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = members.get(name)
    if value is None:
        return EMPTY
    if type(value) is not dict:
        raise invalid(f"'{name}' has to be an object.")
    return value


def _missing(name: str) -> RequestRefusedError:
    return invalid(f"'{name}' is missing.")
