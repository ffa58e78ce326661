"""The parameters of an operation as options, and how what is typed becomes what an operation takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import typer

from iam_guard.directory.operation import Operation

_FILE = "file://"
_EXAMPLES = {"policy_document": "file://policy.json", "assume_role_policy_document": "file://trust.json",
             "user_name": "ann", "group_name": "editors", "role_name": "Publisher", "policy_name": "ReadDocuments",
             "policy_arn": "arn:app:iam::000000000000:policy/ReadDocuments"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        name: As the operation has it: ``user_name``.
        wire: As IAM calls it: ``UserName``.
        type: What Typer makes of what is typed.
        required: It has to be given.
        default: What holds otherwise, to be shown.
        hint: How to write it.
        secret: ``-`` asks for it, so that no list of processes and no history of a shell shows it.
    """

    name: str
    wire: str
    type: Any
    required: bool
    default: str
    hint: str
    secret: bool

    @property
    def option(self) -> str:
        """``--user-name``; a switch has its opposite."""
        words = self.name.replace("_", "-")
        return f"--{words}/--no-{words}" if self.type is bool else f"--{words}"

    @property
    def example(self) -> str:
        """A value to show."""
        return _EXAMPLES.get(self.name, "..." if self.type is str else "1")

    def read(self, typed: Any) -> Any:
        """What the operation takes."""
        if isinstance(typed, list):
            return _read_many(typed)
        if self.secret and typed == "-":
            return typer.prompt(self.wire, hide_input=True, err=True)
        return _from_file(typed) if isinstance(typed, str) else typed


def parameters_of(operation: type[Operation]) -> list[Parameter]:
    """All parameters, those that are needed first."""
    fields = msgspec.inspect.type_info(operation).fields  # type: ignore[attr-defined]
    found = [_parameter(field, field.name in operation.secret or field.encode_name in operation.secret)
             for field in fields]
    return sorted(found, key=lambda one: not one.required)


def _parameter(field: Any, secret: bool) -> Parameter:
    reads, hint = _kind(field.type)
    default = field.default if isinstance(field.default, str | int) and field.default is not False else ""
    return Parameter(field.name, field.encode_name, reads, field.required, str(default or ""),
                     "- asks for it." if secret else hint, secret)


def _kind(type: msgspec.inspect.Type) -> tuple[Any, str]:
    """What Typer should read, and what to tell people about it."""
    match type:
        case msgspec.inspect.BoolType():
            return bool, ""
        case msgspec.inspect.IntType():
            return int, ""
        case msgspec.inspect.LiteralType(values=values):
            return str, f"One of {', '.join(map(str, values))}."
        case msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.ListType(item_type=item):
            several = "Key=...,Value=... or JSON" if isinstance(item, msgspec.inspect.StructType) else "a value"
            return list[str], f"Repeat for several: {several}."
        case msgspec.inspect.UnionType(types=types):
            return _kind_of_union(types)
    return str, ""


def _kind_of_union(types: tuple[msgspec.inspect.Type, ...]) -> tuple[Any, str]:
    if any(isinstance(one, msgspec.inspect.DictType) for one in types):
        return str, "JSON text, or file://path."
    left = [one for one in types if not isinstance(one, msgspec.inspect.NoneType)]
    return _kind(left[0])


# --- reading --------------------------------------------------------------------------------------------


def _from_file(typed: str) -> str:
    return Path(typed.removeprefix(_FILE)).read_text(encoding="utf-8") if typed.startswith(_FILE) else typed


def _read_many(typed: list[str]) -> list[Any]:
    found: list[Any] = []
    for one in map(_from_file, typed):
        value = _read_one(one)
        found += value if isinstance(value, list) else [value]
    return found


def _read_one(typed: str) -> Any:
    """JSON, the short form ``Key=a,Value=b``, or plain text."""
    if typed.startswith(("[", "{")):
        return _json(typed)
    if not typed.startswith("Key="):
        return typed
    key, _, value = typed.removeprefix("Key=").partition(",Value=")
    return {"Key": key, "Value": value}


def _json(typed: str) -> Any:
    try:
        return json.loads(typed)
    except ValueError as error:
        raise typer.BadParameter(f"this is no JSON: {error}") from None
