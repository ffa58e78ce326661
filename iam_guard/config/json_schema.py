"""The settings file as a JSON Schema (draft 2020-12), for editors: made of the types that read it, so it cannot lag.

It says what each setting is called, means and may hold. What only all settings together can say, such as two doors
that share a path, is said by ``iam-guard check``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from iam_guard.config.credential_settings import DPoPSettings, IntrospectionSettings
from iam_guard.config.schema import ProviderSettings, SettingsFile, StoreSettings
from iam_guard.config.secrets import SecretReference
from iam_guard.identity.settings import IssuerSettings
from iam_guard.sidecar.authzen.settings import AuthzenDoor
from iam_guard.store.typed import field_types

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Settings whose types are open, because they are read one by one or refer to secrets.
_READ_AS: Mapping[tuple[type[Any], str], Any] = {
    (SettingsFile, "issuers"): tuple[IssuerSettings, ...],
    (ProviderSettings, "issuer"): IssuerSettings,
    (IssuerSettings, "secret"): SecretReference | None,
    (StoreSettings, "url"): str | SecretReference,
    (IntrospectionSettings, "client_secret"): SecretReference,
    (DPoPSettings, "nonce_secret"): SecretReference | None,
    (AuthzenDoor, "page_key"): SecretReference | None,
}
_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", NoneType: "null"}
_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum", "pattern": "pattern",
           "multiple_of": "multipleOf"}
_SECTION = re.compile(r"^(?:Attributes|Args):\n((?:[ ]+.*\n|\n)*)", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def settings_schema() -> dict[str, Any]:
    """The schema of ``iam-guard.yaml``."""
    writer = _Writer()
    root = writer.object(SettingsFile)
    return {"$schema": _DIALECT, "title": "iam-guard.yaml", **root, "$defs": dict(sorted(writer.known.items()))}


class _Writer:
    """Turns types into schemas; an object that occurs in several places is written once."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self._kinds: dict[str, type[Any]] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type."""
        origin, parts = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return {**self.of(parts[0]), **_bounds(parts[1:], parts[0])}
        if origin in (Union, UnionType):
            return {"anyOf": [self.of(one) for one in parts]}
        if origin is Literal:
            return {"enum": list(parts)}
        if origin is tuple:
            return {"type": "array", "items": self.of(parts[0])}
        if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
            return {"type": "object", "additionalProperties": self.of(parts[1])}
        if field_types(kind) is not None:
            return self._reference(kind)
        return {"type": _PLAIN[kind]} if kind in _PLAIN else {}

    def object(self, kind: type[Any]) -> dict[str, Any]:
        """The schema of a type with settings."""
        meanings, defaults = _meanings(kind), _defaults(kind)
        members: dict[str, Any] = {}
        for name, type_ in (field_types(kind) or {}).items():
            told = {"description": meanings[name]} if name in meanings else {}
            default = defaults.get(name, MISSING)
            shown = {"default": list(default) if isinstance(default, tuple) else default} if _is_plain(default) else {}
            members[name] = {**self.of(_READ_AS.get((kind, name), type_)), **told, **shown}
        required = [name for name in members if name not in defaults]
        return {"type": "object", "description": _first_words(kind), "properties": members, "required": required,
                "additionalProperties": False}

    def _reference(self, kind: type[Any]) -> dict[str, Any]:
        name = kind.__name__
        if self._kinds.setdefault(name, kind) is not kind:
            name = f"{kind.__module__.rpartition('.')[2]}.{name}"
            self._kinds[name] = kind
        if name not in self.known:
            self.known[name] = {}  # known from now on, should it hold itself
            self.known[name] = self.object(kind)
        return {"$ref": f"#/$defs/{name}"}


def _bounds(metas: tuple[Any, ...], kind: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for meta in metas:
        if isinstance(meta, msgspec.Meta):
            found |= {word: value for name, word in _BOUNDS.items() if (value := getattr(meta, name)) is not None}
            suffix = "Length" if kind is str else "Items"
            found |= {f"{word}{suffix}": value for word in ("min", "max")
                      if (value := getattr(meta, f"{word}_length")) is not None}
    return found


def _defaults(kind: type[Any]) -> dict[str, Any]:
    """The settings that may be left out, and what they are then."""
    if issubclass(kind, msgspec.Struct):
        return {field.name: field.default for field in msgspec.structs.fields(kind) if not field.required}
    if not is_dataclass(kind):
        return {}
    return {field.name: field.default for field in fields(kind)
            if field.init and (field.default is not MISSING or field.default_factory is not MISSING)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_plain(one) for one in value)
    return isinstance(value, bool | int | float | str)


def _first_words(kind: type[Any]) -> str:
    return _plain_text(inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")


def _meanings(kind: type[Any]) -> dict[str, str]:
    """What the docstring says of each setting, and those of the classes that it comes from."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        for section in _SECTION.findall(inspect.cleandoc(vars(one).get("__doc__") or "") + "\n"):
            found |= {name: _plain_text(" ".join(text.split())) for name, text in _ENTRY.findall(section)}
    return found


def _plain_text(text: str) -> str:
    """Text without the marks of our docstrings."""
    return re.sub(r":\w+:`~?([^`]*)`", r"\1", text).replace("``", "`")
