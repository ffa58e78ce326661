"""The files of a policy folder, each in its place, and the report of what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from iam_guard.errors import ConfigurationError, DocumentError, Fault
from iam_guard.policy.document import Mode, PolicyDocument, PolicyKind
from iam_guard.policy.parse import MAX_STRICT_BYTES, parse_policy
from iam_guard.policy.source import SourceText, pointer
from iam_guard.store.folder import FolderFile
from iam_guard.store.layout import EMPTY_MARKER, MisplacedError, Place, place_of
from iam_guard.store.typed import read_value

T = TypeVar("T")
#: Keys by which a file that wraps a document is told from the document.
WRAPPERS = frozenset({"document", "versions"})
#: Stands for the value of a text that could not be read.
UNREAD: Any = object()


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the folder.

    Attributes:
        place: What it is.
        source: Its text.
        account: Id of the account it belongs to; empty until the accounts are known.
    """

    place: Place
    source: SourceText
    account: str = ""


@dataclass(slots=True)
class Report:
    """Everything that is wrong (``faults``) or odd (``notes``), so that all of it can be told at once."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)

    def fault(self, part: Part, at: str, message: str, mend: str = "", *, key: bool = False) -> None:
        """Record a fault at the JSON pointer *at*, or at the key of the value there."""
        self.faults.append(_at(part, at, message, mend, key))

    def note(self, part: Part, at: str, message: str, mend: str = "") -> None:
        """Record something legal that is probably not meant."""
        self.notes.append(_at(part, at, message, mend, False))

    def attempt(self, read: Callable[[], T]) -> T | None:
        """Read something; when it is refused, record its faults and return ``None``."""
        try:
            return read()
        except DocumentError as refused:
            self.faults.extend(refused.faults)
            return None

    def raise_faults(self) -> None:
        """Raise when anything was wrong.

        Raises:
            ConfigurationError: with all of it, file by file.
        """
        if self.faults:
            raise ConfigurationError(sorted(self.faults, key=lambda fault: (fault.file, fault.line, fault.column)))


def _at(part: Part, at: str, message: str, mend: str, key: bool) -> Fault:
    line, column = part.source.position(f"{at}#key" if key else at)
    return Fault(message, mend, at, line, column, part.source.file)


def put_in_place(files: Iterable[FolderFile], report: Report) -> list[Part]:
    """Find out what each file is; two files for one thing are a fault."""
    taken: dict[tuple[str, str, str], str] = {}
    parts = []
    for file in files:
        part = _part(file, report) if str(file.path) != EMPTY_MARKER else None
        if part is None:
            continue
        other = taken.setdefault(_identity(part.place), file.name)
        if other != file.name:
            report.faults.append(Fault(f"'{file.path}' and '{other}' are the same thing to the guard",
                                       "keep one: names are unique whatever their case, suffix and folder",
                                       file=file.name))
        parts.append(part)
    return parts


def _part(file: FolderFile, report: Report) -> Part | None:
    try:
        place = place_of(file.path)
        text = file.content.decode("utf-8")
    except MisplacedError as misplaced:
        report.faults.append(Fault(misplaced.message, misplaced.mend, file=file.name))
        return None
    except UnicodeDecodeError as problem:
        line = file.content.count(b"\n", 0, problem.start) + 1
        report.faults.append(Fault("the text is not UTF-8", "save it as UTF-8", line=line, file=file.name))
        return None
    return Part(place, SourceText(text, file=file.name, is_yaml=file.path.suffix != ".json"))


def _identity(place: Place) -> tuple[str, str, str]:
    """Names of entities are unique without regard to case or path (section 1.10)."""
    name = place.label if place.kind in ("everyone", "resources") else place.name
    return place.account, place.kind, name.lower()


class PartReader:
    """Reads the texts of parts, as documents or as typed entities.

    Args:
        report: Where faults go.
        mode: How strictly documents are read.
    """

    def __init__(self, report: Report, mode: Mode) -> None:
        self.report, self.mode = report, mode

    def whole_document(self, part: Part, kind: PolicyKind) -> PolicyDocument | None:
        """Read a file that is one policy; ``None`` after a fault."""
        return self._noted(self.report.attempt(lambda: parse_policy(part.source, kind=kind, mode=self.mode)))

    def wrapped_document(self, part: Part, kind: PolicyKind, file: type[msgspec.Struct]) -> PolicyDocument | None:
        """Read a file that is one policy, or wraps it as *file* says; ``None`` after a fault."""
        with suppress(DocumentError):
            value = part.source.value()
            if isinstance(value, dict) and not WRAPPERS.isdisjoint(value):
                return self._unwrapped(part, value, kind, file)
        return self.whole_document(part, kind)

    def _unwrapped(self, part: Part, value: Any, kind: PolicyKind, file: type[msgspec.Struct]) -> PolicyDocument | None:
        found = self.typed(part, value, file)
        if found is None or self.refuses_said(part, found):
            return None
        versions = getattr(found, "versions", None)
        if versions is None:
            return self.embedded_document(part, found.document, "/document", kind)  # type: ignore[attr-defined]
        default = found.default  # type: ignore[attr-defined]
        if default not in versions:
            self.report.fault(part, "/default", f"there is no version '{default}'", "write the id of another")
            return None
        at = pointer("/versions", default, "document")
        return self.embedded_document(part, versions[default].document, at, kind)

    def embedded_document(self, part: Part, value: Any, at: str, kind: PolicyKind) -> PolicyDocument | None:
        """Read a policy that stands inside a file, at a JSON pointer, as a value or as its JSON text; ``None``
        after a fault.
        """
        if isinstance(value, str) and value.lstrip().startswith("{"):
            return self._noted(self._text_within(part, value, at, kind))
        if not isinstance(value, dict):
            self.report.fault(part, at, "a policy document is expected here", "write 'Version' and 'Statement'")
            return None
        return self._noted(self.report.attempt(
            lambda: parse_policy(value, kind=kind, mode=self.mode, within=part.source, base=at)))

    def _text_within(self, part: Part, text: str, at: str, kind: PolicyKind) -> PolicyDocument | None:
        """Places within the text are not places within the file: faults stand where the text begins."""
        try:
            document = parse_policy(text, kind=kind, mode=self.mode)
        except DocumentError as refused:
            for fault in refused.faults:
                self.report.fault(part, at, fault.message, fault.mend)
            return None
        for note in document.notes:
            self.report.note(part, at, note.message, note.mend)
        return replace(document, notes=())

    def value(self, part: Part) -> Any:
        """Read the text of a file that may hold documents; ``UNREAD`` after a fault."""
        if self.mode is Mode.STRICT and len(part.source.text.encode()) > MAX_STRICT_BYTES:
            self.report.fault(part, "", f"the file is longer than {MAX_STRICT_BYTES} bytes",
                              "move documents into files of their own under 'policies/'")
            return UNREAD
        before = len(self.report.faults)
        value = self.report.attempt(part.source.value)
        return value if len(self.report.faults) == before else UNREAD

    def typed_file(self, part: Part, kind: type[T]) -> T | None:
        """Read a whole file as *kind*; ``None`` after a fault."""
        value = self.value(part)
        return None if value is UNREAD else self.typed(part, value, kind)

    def typed(self, part: Part, value: Any, kind: type[T]) -> T | None:
        """Read the value of a file as *kind*; ``None`` after a fault."""
        source = part.source
        return self.report.attempt(lambda: read_value(value, kind, file=source.file, position=source.position))

    def refuses_said(self, part: Part, file: msgspec.Struct) -> bool:
        """Report what a file says that only its place can say, unless it is read as a directory's."""
        said = [name for name in ("account", "name", "path", "arn") if getattr(file, name, None) is not None]
        for name in said:
            self.report.fault(part, pointer("", name), f"'{name}' is what the file's place says",
                              "remove it, or read the folder as 'file:' and its path", key=True)
        return bool(said)

    def _noted(self, document: PolicyDocument | None) -> PolicyDocument | None:
        if document is not None:
            self.report.notes.extend(document.notes)
        return document
