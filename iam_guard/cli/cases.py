"""Reads files of test cases: JSON Lines, one case a line, each line readable or not on its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import typer

from iam_guard.errors import DocumentError
from iam_guard.policy.source import MAX_TEXT, Number, Pairs, SourceText, members
from iam_guard.simulation import CaseError

#: Longest line in bytes; what is longer is skipped to its end and reported.
MAX_LINE = 4 * MAX_TEXT
#: The file that stands for standard input.
STANDARD_INPUT = Path("-")

_NAMES = ("principal", "action", "resource", "resourceAccountId")
_EXPECTATIONS = ("verdict", "expect")


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One line of a file of cases.

    Attributes:
        number: Of the line, from 1.
        id: What the case is called; ``None`` when the line does not say.
        case: What it holds; ``None`` when it could not be read.
        error: Why it could not be read; empty otherwise.
        end: Offset in the file at which the line ends.
    """

    number: int
    id: str | int | None
    case: Mapping[str, Any] | None
    error: str = ""
    end: int = 0

    @property
    def expected(self) -> str:
        """The verdict that the case itself names; empty when it names none."""
        found = [self.case[name] for name in _EXPECTATIONS if self.case and name in self.case]
        return str(found[0]) if found else ""


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """The bytes of *file*, or of standard input for ``-``.

    Raises:
        typer.BadParameter: there is no such file.
    """
    if file == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    if not file.exists() or file.is_dir():
        raise typer.BadParameter(f"there is no file '{file}'")
    with file.open("rb") as stream:
        yield stream


def read_cases(stream: BinaryIO) -> Iterator[CaseLine]:
    """Read line by line; lines without anything are skipped."""
    number = end = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        end += len(line)
        if len(line) > MAX_LINE and not line.endswith(b"\n"):
            end += _skip_line(stream)
            yield CaseLine(number, None, None, f"line {number} is longer than {MAX_LINE} bytes", end)
        elif line.strip():
            yield _read_line(number, line, end)


def _skip_line(stream: BinaryIO) -> int:
    skipped = 0
    while line := stream.readline(MAX_LINE):
        skipped += len(line)
        if line.endswith(b"\n"):
            break
    return skipped


def _read_line(number: int, line: bytes, end: int) -> CaseLine:
    try:
        value = SourceText(line.decode("utf-8").strip()).value()
    except UnicodeDecodeError:
        return CaseLine(number, None, None, f"line {number} is not UTF-8", end)
    except DocumentError as problem:
        fault = problem.faults[0]
        return CaseLine(number, None, None, f"line {number}, column {fault.column}: {fault.message}", end)
    if not isinstance(value, Mapping):
        return CaseLine(number, None, None, f"line {number} is not a JSON object", end)
    return CaseLine(number, _id_of(value), value, end=end)


def _id_of(case: Mapping[str, Any]) -> str | int | None:
    found = case.get("id")
    if isinstance(found, Number):
        return int(found) if found.isdecimal() and len(found) < 20 else str(found)
    return found if isinstance(found, str) else None


def check_form(case: Mapping[str, Any]) -> None:
    """Refuse a case that says something twice, or a number where a name belongs.

    Policies are left out: they are read by their own rules, which lose nothing either.

    Raises:
        CaseError: a member is given twice, or is a number.
    """
    request = case.get("request")
    context = request.get("contextVariables") if isinstance(request, Mapping) else None
    for holder in (case, request, context):
        if isinstance(holder, Pairs):
            raise CaseError(f"'{holder.repeated()[0]}' is given twice")
    for name in _NAMES:
        if any(isinstance(holder.get(name), Number) for holder in (case, request) if isinstance(holder, Mapping)):
            raise CaseError(f"'{name}' has to be text")
    if isinstance(context, Mapping):
        _refuse_same_key(context)


def _refuse_same_key(context: Mapping[str, Any]) -> None:
    """Condition keys are compared without case, so two spellings are one key with two values."""
    seen: set[str] = set()
    for name, _ in members(context):
        if name.lower() in seen:
            raise CaseError(f"the condition key '{name}' is given twice but for its case")
        seen.add(name.lower())
