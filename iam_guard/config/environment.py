"""Settings from the environment: ``IAM_GUARD__EDGE__PATH_MODE=normalize`` stands above ``edge.path_mode`` of the file.

The names after the prefix are those of the file in capitals, ``__`` between them; a number is a place in a list. A
value is read as the setting that it is for: text as it stands, anything else as YAML. A name that no setting has stops
the start, as it does in the file: a misspelt variable would leave in force what it was to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from iam_guard.errors import ConfigurationError, DocumentError, Fault
from iam_guard.policy.source import Pairs, SourceText, members, pointer
from iam_guard.store.typed import did_you_mean, field_types

PREFIX = "IAM_GUARD__"


def overridden(value: Any, kind: type[Any], environment: Mapping[str, str],
               inner: Mapping[str, type[Any]] | None = None) -> tuple[Any, dict[str, str]]:
    """Settings with what the environment says instead.

    Args:
        value: What the file says.
        kind: The type of the settings.
        environment: Variables; those without the prefix are not looked at.
        inner: Types of list entries that *kind* itself leaves open, by JSON pointer of the list.

    Returns:
        The settings, and by JSON pointer the variable that each replaced part came from.

    Raises:
        ConfigurationError: with everything that is wrong with any of the variables.
    """
    told: dict[str, str] = {}
    faults: list[Fault] = []
    for name in sorted(name for name in environment if name.startswith(PREFIX)):
        try:
            change = _Change(name, environment[name], told, inner or {})
            value = change.made(value, kind, name.removeprefix(PREFIX).lower().split("__"), "")
        except ConfigurationError as refused:
            faults += refused.faults
    if faults:
        raise ConfigurationError(faults)
    return value, told


class _Change:
    """One variable on its way down the settings."""

    def __init__(self, name: str, text: str, told: dict[str, str], inner: Mapping[str, type[Any]]) -> None:
        self._name, self._text, self._told, self._inner = name, text, told, inner

    def made(self, value: Any, kind: Any, steps: list[str], at: str) -> Any:
        """*value* with the change made at *steps* below it."""
        kind = self._inner.get(at.rpartition("/")[0], kind)
        if not steps:
            return self._end(kind, at)
        if (known := _members_of(kind)) is not None:
            return self._object(value, known, steps, at)
        if (entry := _entry_of(kind)) is not None:
            return self._list(value, entry, steps, at)
        raise self._refused(at, f"'{steps[0]}' is not a setting here", "set the whole of it as YAML: '{...}'")

    def _end(self, kind: Any, at: str) -> Any:
        if at in self._told:
            raise self._refused(at, f"'{self._told[at]}' says it too", "keep one of the two")
        self._told[at] = self._name
        return _read(self._text, kind, self._name)

    def _object(self, value: Any, known: Mapping[str, Any], steps: list[str], at: str) -> Any:
        name, *rest = steps
        if name not in known:
            raise self._refused(at, f"'{name}' is not a setting here", did_you_mean(name, known))
        if value is not None and not isinstance(value, Mapping):
            raise self._refused(at, "the file says it in one word, which has no parts",
                                "write it as a section in the file")
        inner = self.made((value or {}).get(name), known[name], rest, pointer(at, name))
        kept = [(key, one) for key, one in members(value or {}) if key != name]
        changed = [*kept, (name, inner)]
        return Pairs(changed) if isinstance(value, Pairs) else dict(changed)

    def _list(self, value: Any, entry: Any, steps: list[str], at: str) -> Any:
        index, *rest = steps
        entries = list(value) if isinstance(value, list | tuple) else []
        if not index.isdecimal() or int(index) >= len(entries):
            raise self._refused(at, f"there is no entry '{index}' in the file",
                                f"write a number below {len(entries)}, or set the whole list as YAML: '[...]'")
        entries[int(index)] = self.made(entries[int(index)], entry, rest, pointer(at, int(index)))
        return entries

    def _refused(self, at: str, message: str, mend: str) -> ConfigurationError:
        return ConfigurationError(Fault(message, mend, at, file=self._name))


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The types that a value may have."""
    if get_origin(kind) is Annotated:
        return _alternatives(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return tuple(one for part in get_args(kind) for one in _alternatives(part))
    return (kind,)


def _members_of(kind: Any) -> Mapping[str, Any] | None:
    return next((known for one in _alternatives(kind) if (known := field_types(one)) is not None), None)


def _entry_of(kind: Any) -> Any:
    return next((get_args(one)[0] for one in _alternatives(kind) if get_origin(one) is tuple), None)


def _read(text: str, kind: Any, name: str) -> Any:
    """The value of a variable: text where text is wanted and the value has no other shape that is wanted too."""
    kinds = _alternatives(kind)
    wants_text = any(one is str or get_origin(one) is Literal for one in kinds)
    others = [one for one in kinds if one not in (str, type(None)) and get_origin(one) is not Literal]
    if wants_text and not others:
        return text
    try:
        value = SourceText(text, file=name, is_yaml=True).value()
    except DocumentError as refused:
        if wants_text:
            return text
        raise ConfigurationError(Fault(one.message, one.mend, file=name) for one in refused.faults) from None
    return text if wants_text and not isinstance(value, dict | list) else value
