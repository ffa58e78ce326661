"""Vocabulary: subjects, actions and resources as ARNs; properties and context as condition keys.

Ids are taken literally: a star in one is a star. A name that no template can make is nobody's and nothing's, and so
may do nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from iam_guard.engine.memo import Memo
from iam_guard.http.naming import ResourceNames, is_action
from iam_guard.model import ContextValue, Principal, ascii_lower, entity_name, scalar_text
from iam_guard.sidecar.authzen.reading import invalid
from iam_guard.sidecar.authzen.settings import AuthzenDoor

_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")
#: Types come from callers; what a template makes of one is remembered for so many.
_KEPT_TYPES = 1024
_KEPT_SUBJECTS = 4096
_LONGEST = 2048
#: Longest name of a member of ``context`` whose key is remembered.
_LONGEST_NAME = 128


class Vocabulary:
    """Speaks both languages.

    Args:
        door: The templates.
        names: Completes short names of resources.
    """

    def __init__(self, door: AuthzenDoor, names: ResourceNames) -> None:
        self._door = door
        self._names = names
        self._heads: Memo[tuple[str, str], str] = Memo(_KEPT_TYPES)
        self._actions: Memo[tuple[str, str], str] = Memo(_KEPT_TYPES)
        self._principals: Memo[str, Principal] = Memo(_KEPT_SUBJECTS)
        self._named: Memo[str, str] = Memo(_KEPT_TYPES)
        self._keys = {ascii_lower(name): ascii_lower(key) for name, key in door.context.items()}

    def principal(self, type_: str, id_: str, tags: Mapping[str, str] | None = None) -> Principal | None:
        """The caller that a subject is; ``None`` when no caller can have that name.

        Args:
            type_: The subject's type.
            id_: Its id; a full ARN is taken as it is.
            tags: What is said of it.
        """
        arn = id_ if id_.startswith("arn:") else self._subject_arn(type_, id_)
        if len(arn) > _LONGEST or not arn:
            return None
        if tags:
            return _principal(arn, tags)
        known = self._principals.get(arn)
        if known is None and (known := _principal(arn, {})) is not None:
            self._principals.keep(arn, known)
        return known

    def subject_head(self, type_: str) -> str:
        """What the ARNs of all subjects of a type begin with; empty when there are none."""
        return self._head("subject", type_)

    def subject_id(self, type_: str, arn: str) -> str:
        """The id under which :meth:`principal` finds an ARN again: short where that is possible."""
        short = unquote(arn[len(self.subject_head(type_)):])
        return short if short and not short.startswith("arn:") and self._subject_arn(type_, short) == arn else arn

    def _subject_arn(self, type_: str, id_: str) -> str:
        head = self._head("subject", type_)
        return head + entity_name(id_) if head else ""

    def action(self, name: str, resource_type: str) -> str | None:
        """``service:Name``; ``None`` when there can be no such action."""
        known = self._actions.get((resource_type, name))
        if known is None and (known := self._action(name, resource_type)) is not None:
            self._actions.keep((resource_type, name), known)
        return known

    def _action(self, name: str, resource_type: str) -> str | None:
        name = self._door.renamed.get(name, name)
        if ":" in name:
            return name if is_action(name) and len(name) <= _LONGEST else None
        return f"{self.service(resource_type)}:{name}" if _NAME.fullmatch(name) else None

    def service(self, resource_type: str) -> str:
        """The service to which a type of resources belongs."""
        return self._door.services.get(resource_type, resource_type)

    def resource(self, type_: str, id_: str) -> str | None:
        """The ARN of a resource; ``None`` when there can be no such resource."""
        head = self.resource_head(type_)
        return head + id_ if head and len(id_) <= _LONGEST else None

    def resource_head(self, type_: str) -> str:
        """What the ARNs of all resources of a type begin with; empty when there are none."""
        return self._head("resource", type_)

    def _head(self, kind: str, type_: str) -> str:
        known = self._heads.get((kind, type_))
        if known is None:
            if not _TYPE.fullmatch(type_):
                return ""
            make = self._subject_template if kind == "subject" else self._resource_template
            known = self._heads.keep((kind, type_), make(type_).removesuffix("{id}"))
        return known

    def _subject_template(self, type_: str) -> str:
        text = self._door.subjects.get(type_, self._door.subject)
        for name, value in (("partition", self._names.partition), ("account", self._names.account), ("type", type_)):
            text = text.replace(f"{{{name}}}", value)
        return text

    def _resource_template(self, type_: str) -> str:
        text = self._door.resources.get(type_, self._door.resource).replace("{type}", type_)
        return self._names.expand(text, f"{self.service(type_)}:-")

    # Condition keys

    def context(self, members: Mapping[str, Any]) -> dict[str, ContextValue]:
        """``context`` as condition keys.

        Raises:
            RequestRefusedError: two members are one key.
        """
        found: dict[str, ContextValue] = {}
        for name, value in _flat(members):
            key = self._named.get(name) or self._named.recall(name) or self._key(name)
            if key in found:
                raise _twice()
            found[key] = value
        return found

    def _key(self, name: str) -> str:
        key = self._keys.get(ascii_lower(name)) or f"request:{ascii_lower(name)}"
        return self._named.keep(name, key) if len(name) <= _LONGEST_NAME else key


def tags(prefix: str, properties: Mapping[str, Any]) -> dict[str, ContextValue]:
    """Properties as condition keys below *prefix*.

    Raises:
        RequestRefusedError: two properties are one key.
    """
    found: dict[str, ContextValue] = {}
    for name, value in _flat(properties):
        key = prefix + ascii_lower(name)
        if key in found:
            raise _twice()
        found[key] = value
    return found


def _flat(members: Mapping[str, Any]) -> Iterable[tuple[str, str | tuple[str, ...]]]:
    """Members of members by names with dots; nothing for null."""
    for value in members.values():
        if type(value) is not str:
            return _deep(members)
    return members.items()


def _deep(members: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str | tuple[str, ...]]]:
    for name, value in members.items():
        if isinstance(value, dict):
            yield from _deep(value, f"{before}{name}.")
        elif isinstance(value, list):
            yield before + name, tuple(_written(one) for one in value if one is not None)
        elif value is not None:
            yield before + name, value if type(value) is str else scalar_text(value)


def _written(value: Any) -> str:
    """One value of several; what is no scalar is written as JSON, so that nothing gets lost."""
    if isinstance(value, dict | list):
        return msgspec.json.encode(value, order="sorted").decode()
    return scalar_text(value)


def _principal(arn: str, tags: Mapping[str, str]) -> Principal | None:
    try:
        return Principal.from_arn(arn, tags=tags) if tags else Principal.from_arn(arn)
    except ValueError:
        return None


def _twice() -> Exception:
    return invalid("Two members differ in nothing but the case of letters, or in where they stand.")
