"""AWS's default quotas, for folders that are to fit into AWS one day (language specification, section 1.10)."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from iam_guard.errors import DocumentError
from iam_guard.store.parts import Part, Report

_WHITESPACE = re.compile(r"\s+")

MANAGED_POLICY = 6144
TRUST_POLICY = 2048
INLINE_TOGETHER = {"users": 2048, "roles": 10_240, "groups": 5120}
MANAGED_ATTACHED = 10
GROUPS_OF_A_USER = 10
TAGS = 50
SCP, RCP = 10_240, 5120
SCPS_OF_A_NODE, RCPS_OF_A_NODE = 10, 5


def size_of(document: Any) -> int:
    """Characters of a document that are not white space, as AWS counts them."""
    return len(_WHITESPACE.sub("", json.dumps(document, separators=(",", ":"), ensure_ascii=False)))


class Quotas:
    """Reports what AWS would not take; reports nothing when the folder does not ask for it.

    Args:
        report: Where faults go.
        enforced: Whether the folder asks for it.
    """

    def __init__(self, report: Report, *, enforced: bool) -> None:
        self._report, self._enforced = report, enforced

    def size(self, part: Part, at: str, what: str, most: int, *documents: Any) -> None:
        """Check the size of one document, or of several together."""
        if self._enforced and (size := sum(size_of(document) for document in documents)) > most:
            self._report.fault(part, at, f"{what} of {size} characters; AWS takes {most}", "shorten or split")

    def file_size(self, part: Part, what: str, most: int) -> None:
        """Check the size of a document that is a whole file; one that cannot be read is reported elsewhere."""
        if self._enforced:
            with suppress(DocumentError):
                self.size(part, "", what, most, part.source.value())

    def count(self, part: Part, at: str, what: str, count: int, most: int) -> None:
        """Check how many of a thing there are."""
        if self._enforced and count > most:
            self._report.fault(part, at, f"{count} {what}; AWS takes {most}", "remove some")
