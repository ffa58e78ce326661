"""Collects what is wrong with a document while it is read, so that all of it is reported at once."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from iam_guard.errors import Fault
from iam_guard.policy.source import SourceText


class Stage(IntEnum):
    """The order in which IAM's own CreatePolicy complains (language specification, section 1.8)."""

    SYNTAX = 1
    VERSION = 2
    LEGACY = 3
    SID = 4
    ACTIONS = 5
    RESOURCES = 6
    RESOURCE_FORMAT = 7
    ACTION_FORMAT = 8


#: What CreatePolicy says at a stage; the later stages speak of the text in question instead.
SUMMARIES = {
    Stage.SYNTAX: "Syntax errors in policy.",
    Stage.VERSION: "Policy document must be version 2012-10-17 or greater.",
    Stage.LEGACY: "The policy failed legacy parsing",
    Stage.SID: "Statement IDs (SID) in a single policy must be unique.",
    Stage.ACTIONS: "Policy statement must contain actions.",
    Stage.RESOURCES: "Policy statement must contain resources.",
}


class Finding(NamedTuple):
    """One fault before its place is worked out."""

    stage: Stage
    message: str
    mend: str
    pointer: str
    code: str
    summary: str


class Findings:
    """What was found in one document.

    Args:
        strict: Whether what import mode tolerates is a fault.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.faults: list[Finding] = []
        self.notes: list[Finding] = []

    def refuse(self, stage: Stage, pointer: str, message: str, mend: str = "", *, code: str = "",
               summary: str = "") -> None:
        """Record a fault that no mode tolerates."""
        self.faults.append(Finding(stage, message, mend, pointer, code, summary))

    def object_to(self, stage: Stage, pointer: str, message: str, mend: str = "", *, code: str = "",
                  summary: str = "") -> None:
        """Record something that is a fault in strict mode and a note in import mode."""
        found = Finding(stage, message, mend, pointer, code, summary)
        (self.faults if self.strict else self.notes).append(found)

    def located(self, findings: list[Finding], source: SourceText | None, base: str) -> list[Fault]:
        """Give findings their places in *source*, in the order CreatePolicy would complain."""
        ordered = sorted(findings, key=lambda finding: finding.stage)
        return [_fault(finding, source, base) for finding in ordered]

    @property
    def summary(self) -> str:
        """What CreatePolicy would say about the first fault."""
        first = min(self.faults, key=lambda finding: finding.stage)
        return first.summary or SUMMARIES.get(first.stage, first.message)


def _fault(finding: Finding, source: SourceText | None, base: str) -> Fault:
    place = base + finding.pointer
    line, column = source.position(place) if source else (0, 0)
    file = source.file if source else ""
    return Fault(finding.message, finding.mend, place, line, column, file, finding.code)
