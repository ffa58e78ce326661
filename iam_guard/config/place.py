"""Where settings stand: for faults with file and line, and for paths that are relative to the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from iam_guard.errors import ConfigurationError, Fault

T = TypeVar("T")


def _nowhere(place: str) -> tuple[int, int]:
    return 0, 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where settings were read.

    Attributes:
        file: Name of the file; empty for settings made in code.
        folder: What relative paths start from.
        position: Line and column of a JSON pointer.
        variables: Environment variables that settings came from instead, by JSON pointer.
    """

    file: str = ""
    folder: Path = Path()
    position: Callable[[str], tuple[int, int]] = field(default=_nowhere, compare=False, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def path(self, text: str) -> Path:
        """A path of the settings, which is relative to their file."""
        return self.folder / text

    def fault(self, at: str, message: str, mend: str = "") -> Fault:
        """A fault of the setting at a JSON pointer."""
        if variable := self._variable(at):
            return Fault(message, mend, at, file=variable)
        line, column = self.position(at)
        return Fault(message, mend, at, line, column, self.file)

    def placed(self, faults: Iterable[Fault], at: str = "") -> list[Fault]:
        """Faults of a part below *at* with their places; those with a place of their own keep it."""
        return [fault if fault.file else
                replace(self.fault(at + fault.pointer, fault.message, fault.mend), code=fault.code) for fault in faults]

    def told(self, faults: Iterable[Fault]) -> list[Fault]:
        """Faults of the text; those of a setting that came from the environment name the variable instead."""
        return [replace(fault, file=variable, line=0, column=0) if (variable := self._variable(fault.pointer))
                else fault for fault in faults]

    def _variable(self, at: str) -> str:
        while at and at not in self.variables:
            at = at.rpartition("/")[0]
        return self.variables.get(at, "")

    def attempt(self, faults: list[Fault], at: str, make: Callable[[], T]) -> T | None:
        """Make a part of the settings at *at*; add its faults to *faults* and go on when it is refused."""
        try:
            return make()
        except ConfigurationError as refused:
            faults += self.placed(refused.faults, at)
            return None
