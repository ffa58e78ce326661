"""Entities as the values of their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from iam_guard.directory.entities import (
    AnyEntity,
    ControlPolicy,
    Group,
    ManagedPolicy,
    PolicyVersion,
    ResourcePolicy,
    Role,
    StandingPolicy,
    User,
)
from iam_guard.store.folder_directory.texts import Verbatim, document_value, extra_value, json_file, yaml_file
from iam_guard.store.parts import WRAPPERS

Value = dict[str, Any]
#: The name of the managed policy with an ARN, for entities of an account; the ARN where no name will do.
Naming = Callable[[str, str], str]

_VERSION = re.compile(r"v[0-9]{1,9}\Z")



def file_text(value: Any, suffix: str) -> bytes:
    """A value as the content of a file."""
    return (json_file(value) if suffix == ".json" else yaml_file(value)).encode()


def file_value(entity: AnyEntity, said: Value, naming: Naming) -> Any:
    """An entity as the value of its file.

    Args:
        entity: It.
        said: What the place of the file does not say.
        naming: Gives names of policies.
    """
    if isinstance(entity, ManagedPolicy):
        return _policy(entity, said)
    if isinstance(entity, ControlPolicy):
        return _wrapped(entity.document, {**said, "id": entity.id, "description": entity.description,
                                          "created": entity.created, "extra": entity.extra})
    if isinstance(entity, StandingPolicy):
        return _wrapped(entity.document, {**said, "extra": entity.extra})
    if isinstance(entity, ResourcePolicy):
        return {"resource": entity.arn, **_filled(said | {"named_ids": entity.named_ids, "extra": entity.extra}),
                "policy": document_value(entity.document)}
    assert isinstance(entity, User | Group | Role)
    return _holder(entity, said, naming)


def _filled(value: Value) -> Value:
    """Leave out what is empty, unless it had to be said."""
    found = {name: extra_value(one) if name == "extra" else one for name, one in value.items()}
    return {name: one for name, one in found.items() if one not in ("", {}, [], (), None) or name in _SAID}


#: Members that are written only where they have to be, and then even when they are empty.
_SAID = frozenset({"account", "name", "path", "arn"})


def _wrapped(document: str, more: Value) -> Any:
    """The document alone, where there is nothing more to say."""
    value, more = document_value(document), _filled(more)
    is_alone = not more and not isinstance(value, Verbatim) and WRAPPERS.isdisjoint(value)
    return value if is_alone else {**more, "document": value}


def _policy(policy: ManagedPolicy, said: Value) -> Any:
    more = {**said, "id": policy.id, "created": policy.created, "updated": policy.updated,
            "description": policy.description, "tags": policy.tags, "extra": policy.extra}
    if not policy.attachable:
        more["attachable"] = False
    if policy.versions != () and policy.default == "v1" and policy.next_version == 2:
        first = policy.versions[0]
        if policy.versions == (PolicyVersion(id="v1", document=first.document, created=policy.created),):
            return _wrapped(first.document, more)
    return {**_filled(more), **_versions(policy)}


def _versions(policy: ManagedPolicy) -> Value:
    found: Value = {"default": policy.default}
    if policy.next_version != following(one.id for one in policy.versions):
        found["next_version"] = policy.next_version
    found["versions"] = {one.id: {**_filled({"created": one.created, "extra": one.extra}),
                                  "document": document_value(one.document)} for one in policy.versions}
    return found


def following(ids: Iterable[str]) -> int:
    """The number of the version after those with *ids*."""
    numbers = (int(one[1:]) for one in ids if _VERSION.match(one))
    return max(numbers, default=1) + 1


def _holder(entity: User | Group | Role, said: Value, naming: Naming) -> Value:
    value: Value = {**said, "id": entity.id, "created": entity.created}
    if isinstance(entity, Role):
        value |= _role(entity)
    if isinstance(entity, User | Role):
        value |= {"tags": entity.tags, "boundary": naming(entity.account, entity.boundary) if entity.boundary else ""}
    if isinstance(entity, User):
        value["groups"] = list(entity.groups)
    value |= {"policies": [naming(entity.account, arn) for arn in entity.policies],
              "inline": {name: document_value(text) for name, text in entity.inline.items()},
              "extra": entity.extra}
    value = _filled(value)
    return value | {"trust": document_value(entity.trust)} if isinstance(entity, Role) and entity.trust else value


def _role(role: Role) -> Value:
    found: Value = {"description": role.description, "trusted_ids": role.trusted_ids}
    if role.max_session_duration != 3600:
        found["max_session_duration"] = role.max_session_duration
    return found
