"""Resource names: what a route map writes, filled with values of a request.

A template is parsed first and filled afterwards, so a value is never read as a pattern, a separator or a
placeholder (promise S16), and two different requests never get the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from iam_guard.errors import ConfigurationError, Fault, RequestRefusedError
from iam_guard.http.path import has_control, has_dot_segment, has_lookalike
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"(?:path\.)?[A-Za-z_][A-Za-z0-9_]*|query\.[^{}]+|header\.[A-Za-z0-9_-]+|claim\.[^{}]+")
_ACTION = re.compile(r"[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+")
# Values that need no escaping anywhere.
_PLAIN = re.compile(r"[A-Za-z0-9_@=+,~-][A-Za-z0-9_.@=+,~-]*")
_NOT_IN_A_FIELD = re.compile(r"[:*?/\\\s]")
_ESCAPES = {"/": "%2F", "\\": "%5C", "%": "%25"}
_SLASH = re.compile(r"[/\\%]")
_SLASH_OR_COLON = re.compile(r"[/\\%:]")
_FIXED_FIELDS = 5


def is_action(text: str) -> bool:
    """Say whether *text* names one action: ``service:Name`` without wildcards."""
    return _ACTION.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class ResourceNames:
    """Completes short resource names to ARNs.

    Args:
        partition: First field of every ARN made here.
        region: Region field; usually empty.
        account: Account (tenant) field.
    """

    partition: str = DEFAULT_PARTITION
    region: str = ""
    account: str = DEFAULT_ACCOUNT

    def __post_init__(self) -> None:
        for field, value in (("partition", self.partition), ("region", self.region), ("account", self.account)):
            if _NOT_IN_A_FIELD.search(value) or (field == "partition" and not value):
                raise ConfigurationError(Fault(f"'{value}' cannot be the {field} of an ARN"))

    def expand(self, template: str, action: str) -> str:
        """Write a resource template in full.

        Args:
            template: ``*``, a full ARN, ``service:resource``, or ``resource`` of the action's own service.
            action: The action it belongs to.

        Returns:
            ``*`` or an ARN, placeholders kept.
        """
        if template == "*" or template.startswith("arn:"):
            return template
        service, colon, resource = template.partition(":")
        if not colon or not re.fullmatch(r"[a-z0-9-]+", service):
            service, resource = action.partition(":")[0], template
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


class Placeholder(NamedTuple):
    """One gap of a template.

    Attributes:
        name: ``id``, ``query.status``, ``header.x-team``, ``claim.tenant``.
        keeps_slashes: Written ``{name:path}``: the value may have several segments.
        in_field: It stands in one of the five fixed ARN fields.
    """

    name: str
    keeps_slashes: bool
    in_field: bool


class ResourceTemplate:
    """A resource name with gaps.

    Args:
        text: A full ARN (see :meth:`ResourceNames.expand`) or ``*``.

    Raises:
        ConfigurationError: it is no ARN, a placeholder is malformed, or two requests could get one name.
    """

    __slots__ = ("_colon", "_parts", "names", "placeholders", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts = _parse(text)
        self.placeholders = tuple(part for part in self._parts if isinstance(part, Placeholder))
        self.names = tuple(placeholder.name for placeholder in self.placeholders)
        self._colon = ":" in _resource_part(text)
        _check_injective(text)

    def fill(self, values: Mapping[str, str]) -> str:
        """Fill the gaps.

        Args:
            values: A value for every name in ``names``.

        Raises:
            RequestRefusedError: a value cannot be part of a resource name.
        """
        written = []
        for part in self._parts:
            if isinstance(part, str):
                written.append(part)
            else:
                value = values[part.name]
                written.append(value if _PLAIN.fullmatch(value) else self._escaped(part, value))
        return "".join(written)

    def _escaped(self, gap: Placeholder, value: str) -> str:
        if has_control(value) or has_lookalike(value) or has_dot_segment(value):
            raise _refused()
        if gap.in_field:
            return _field_value(value)
        if gap.keeps_slashes:
            return _path_value(value)
        if not value:
            raise _refused()
        return (_SLASH_OR_COLON if self._colon else _SLASH).sub(_escape, value)


def _escape(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0], "%3A")


def _field_value(value: str) -> str:
    if not value or _NOT_IN_A_FIELD.search(value):
        raise _refused()
    return value


def _path_value(value: str) -> str:
    if "\\" in value or value.startswith("/") or "//" in value:
        raise _refused()
    return value


def _refused() -> RequestRefusedError:
    return RequestRefusedError("A value of the request cannot be part of a resource name.", code="invalid-request")


def _resource_part(text: str) -> str:
    """The sixth ARN field with its placeholders blanked; placeholders may hold colons themselves."""
    return _PLACEHOLDER.sub("{}", text).split(":", _FIXED_FIELDS)[-1] if text != "*" else ""


def _parse(text: str) -> tuple[str | Placeholder, ...]:
    if text == "*":
        return ("*",)
    if not text.startswith("arn:") or _PLACEHOLDER.sub("{}", text).count(":") < _FIXED_FIELDS:
        raise ConfigurationError(Fault(f"'{text}' is not an ARN", "write 'arn:partition:service:region:account:name'"))
    parts: list[str | Placeholder] = []
    colons = position = 0
    for found in _PLACEHOLDER.finditer(text):
        literal = text[position:found.start()]
        colons += literal.count(":")
        parts.extend([literal] if literal else [])
        parts.append(_placeholder(found[1], in_field=colons < _FIXED_FIELDS))
        position = found.end()
    parts.append(text[position:])
    if any(brace in part for part in parts if isinstance(part, str) for brace in "{}*?"):
        raise ConfigurationError(Fault(f"'{text}' holds a stray brace or a wildcard",
                                       "a request names one resource; wildcards belong into policies"))
    return tuple(part for part in parts if part)


def _placeholder(inside: str, *, in_field: bool) -> Placeholder:
    name, keeps = (inside[:-5], True) if inside.endswith(":path") else (inside, False)
    if not _NAME.fullmatch(name):
        raise ConfigurationError(Fault(
            f"'{{{inside}}}' is not a placeholder",
            "write {name}, {name:path}, {query.name}, {header.name} or {claim.name}"))
    if not name.startswith("query."):
        name = name.lower() if "." in name and not name.startswith("path.") else name.removeprefix("path.")
    return Placeholder(name, keeps, in_field)


def _check_injective(text: str) -> None:
    """Two gaps between the same separators would let two requests share one name."""
    segments = re.split(r"[/:]", _PLACEHOLDER.sub(lambda found: "{p}" if found[1].endswith(":path") else "{}", text))
    crowded = [segment for segment in segments if segment.count("{") > 1]
    if crowded or sum(segment.count("{p}") for segment in segments) > 1:
        raise ConfigurationError(Fault(f"'{text}' could give two requests the same name",
                                       "put a '/' between placeholders, and use ':path' once"))
