"""Values as texts of files and back; JSON texts of documents as values and back, without losing a letter."""

from __future__ import annotations

import json
from typing import Any

import yaml

from iam_guard.errors import DocumentError
from iam_guard.policy.source import Number, SourceText, members, plain_in_yaml

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_INDENT = 2
#: Deeper values are written as text: files are not read to any depth.
_DEPTH = 48


class Verbatim(str):
    """JSON text that stands in a file as it is: as a value it would lose something."""

    __slots__ = ()


# --- documents --------------------------------------------------------------------------------------------


def document_value(text: str) -> Any:
    """How a document stands in a file: as a value where :func:`document_text` makes the same text of that again,
    else as :class:`Verbatim`.
    """
    try:
        value = SourceText(text).value()
    except DocumentError:
        return Verbatim(text)
    fits = isinstance(value, dict) and _is_plain(value, 0) and json_text(value) == text
    return value if fits and "\\ud" not in text else Verbatim(text)  # half a character is none in YAML


def document_text(value: Any) -> str:
    """The JSON text of a document that stands in a file."""
    return str(value) if isinstance(value, str) and not isinstance(value, Number) else json_text(value)


def _is_plain(value: Any, depth: int) -> bool:
    """Whether YAML reads every number of a value as one, spelled as it was, and follows it to the bottom."""
    if depth > _DEPTH:
        return False
    if isinstance(value, dict):
        return all(_is_plain(one, depth + 1) for _, one in members(value))
    if isinstance(value, list):
        return all(_is_plain(one, depth + 1) for one in value)
    return not isinstance(value, Number) or plain_in_yaml(value)


def extra_value(extra: dict[str, Any]) -> Any:
    """How members of an import stand in a file: as values, else as their JSON text."""
    value = _spelled(extra)
    return value if _is_plain(value, 0) else Verbatim(json_text(value))


def extra_from(value: Any) -> dict[str, Any]:
    """What :func:`extra_value` made a value of.

    Raises:
        ValueError: it is a text and no JSON object.
    """
    found = json.loads(value) if isinstance(value, str) else _unspelled(value)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _spelled(value: Any) -> Any:
    """Numbers by their spelling."""
    if isinstance(value, dict):
        return {name: _spelled(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(one) for one in value]
    return Number(json.dumps(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _unspelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unspelled(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_unspelled(one) for one in value]
    return json.loads(value) if isinstance(value, Number) else value


# --- JSON -------------------------------------------------------------------------------------------------


def json_text(value: Any) -> str:
    """Compact JSON in ASCII; numbers keep their spelling."""
    return _json(value, ",", ":", "", "")


def json_file(value: Any) -> str:
    """JSON for people."""
    return _json(value, ",", ": ", "\n", "") + "\n"


def _json(value: Any, comma: str, colon: str, line: str, indent: str) -> str:
    inner = f"{indent}{' ' * _INDENT}" if line else ""
    if isinstance(value, dict):
        parts = [f"{json.dumps(name, ensure_ascii=not line)}{colon}{_json(one, comma, colon, line, inner)}"
                 for name, one in members(value)]
        return _enclosed("{}", parts, comma, line, indent, inner)
    if isinstance(value, list | tuple):
        return _enclosed("[]", [_json(one, comma, colon, line, inner) for one in value], comma, line, indent, inner)
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=not line)


def _enclosed(signs: str, parts: list[str], comma: str, line: str, indent: str, inner: str) -> str:
    if not parts:
        return signs
    return f"{signs[0]}{line}{inner}{f'{comma}{line}{inner}'.join(parts)}{line}{indent}{signs[1]}"


# --- YAML -------------------------------------------------------------------------------------------------


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Writes what :class:`~iam_guard.policy.source.SourceText` reads."""

    def ignore_aliases(self, data: Any) -> bool:
        """Anchors are not read."""
        return True


def _number(dumper: Any, number: Number) -> Any:
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in number else 'int'}", str(number))


def _verbatim(dumper: Any, text: Verbatim) -> Any:
    in_lines = "\n" in text and text.replace("\n", "").isprintable()
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|" if in_lines else None)


_Dumper.add_representer(Number, _number)
_Dumper.add_representer(Verbatim, _verbatim)


def yaml_file(value: Any) -> str:
    """YAML for people; keys in the order given."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000,
                          default_flow_style=False)
    return text
