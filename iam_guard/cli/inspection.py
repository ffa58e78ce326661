"""Looks through configuration: what each text is, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iam_guard.cli.sources import read_bounded, read_policy_file
from iam_guard.errors import ConfigurationError, DocumentError, Fault, UnavailableError
from iam_guard.policy.document import Mode, PolicyKind
from iam_guard.policy.source import SourceText

if TYPE_CHECKING:
    from iam_guard.config.routes import RouteSources

SUFFIXES = (".json", ".yaml", ".yml")
#: Keys that only a settings file has.
_OF_SETTINGS = frozenset({"policies", "store", "issuers", "gateway", "sidecar"})


class Kind(StrEnum):
    """What a text is meant to be: a kind of policy, a route map, a settings file."""

    AUTO = "auto"
    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"
    BOUNDARY = "boundary"
    SESSION = "session"
    SCP = "scp"
    RCP = "rcp"
    ENDPOINT = "endpoint"
    ROUTES = "routes"
    SETTINGS = "settings"


@dataclass(slots=True)
class Inspection:
    """What was found so far.

    Attributes:
        kind: What texts are meant to be.
        mode: How strictly policies are read.
        looked_at: Names of the files and folders that were read.
        faults: What is wrong.
        notes: What is legal and probably not meant.
    """

    kind: Kind
    mode: Mode
    looked_at: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)

    def look_at(self, path: Path) -> None:
        """Look at a file or folder."""
        if not path.is_dir():
            self._attempt(path, lambda: self._file(path))
        elif self.kind is Kind.AUTO and is_policy_folder(path):
            self._attempt(path, lambda: self._folder(path))
        else:
            self._each_file(path)

    def _each_file(self, folder: Path) -> None:
        files = [path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file()]
        if not files:
            self.faults.append(Fault("there is nothing to check in this folder",
                                     f"files are read whose names end in {', '.join(SUFFIXES)}", file=str(folder)))
        for file in files:
            self._attempt(file, lambda file=file: self._file(file))  # type: ignore[misc]

    def _attempt(self, path: Path, look: Callable[[], None]) -> None:
        self.looked_at.append(str(path))
        try:
            look()
        except DocumentError as problem:
            self.faults += [fault if fault.file else fault.in_file(str(path)) for fault in problem.faults]
        except UnavailableError as problem:
            self.faults.append(Fault(str(problem), file=str(path)))
        except OSError as problem:
            self.faults.append(Fault(f"cannot be read: {(problem.strerror or str(problem)).lower()}", file=str(path)))

    def _folder(self, path: Path) -> None:
        from iam_guard.store.file import FilePolicyStore  # it brings the file watcher along

        self.notes += FilePolicyStore(path).load().notes

    def _file(self, path: Path) -> None:
        kind = guess_kind(path) if self.kind is Kind.AUTO else self.kind
        if kind is Kind.ROUTES:
            _check_routes(path)
        elif kind is Kind.SETTINGS:
            _check_settings(path)
        else:
            self.notes += read_policy_file(path, PolicyKind(kind), self.mode).notes


def is_policy_folder(path: Path) -> bool:
    """Whether a folder is laid out as :mod:`iam_guard.store.layout` says, at least in part."""
    from iam_guard.store.layout import EMPTY_MARKER, SINGLE_FILES, TOP_FOLDERS

    def is_known(entry: Path) -> bool:
        if entry.is_dir():
            return entry.name in TOP_FOLDERS | {"accounts"}
        return entry.name == EMPTY_MARKER or (entry.suffix in SUFFIXES and entry.stem in SINGLE_FILES)

    return any(is_known(entry) for entry in path.iterdir())


def guess_kind(path: Path) -> Kind:
    """What a file is meant to be, by what it holds; an identity policy when that does not tell."""
    names = set(_top_names(path))
    if "Statement" in names or "Version" in names:
        return Kind.IDENTITY
    if "routes" in names and not names & _OF_SETTINGS:
        return Kind.ROUTES
    return Kind.SETTINGS if names & _OF_SETTINGS else Kind.IDENTITY


def _top_names(path: Path) -> list[str]:
    """The keys of a file; none when it cannot be read, which reading it for good will say better."""
    try:
        text = read_bounded(path).decode("utf-8")
        value: Any = SourceText(text, is_yaml=path.suffix != ".json").value()
    except (DocumentError, UnicodeDecodeError):
        return []
    return list(value) if isinstance(value, Mapping) else []


def _check_routes(path: Path) -> None:
    from iam_guard.http.map_file import mapper_from_yaml  # policies are checked without it

    read_bounded(path)
    mapper_from_yaml(path)


def _check_settings(path: Path) -> None:
    """Check a settings file, and what it names: issuers, routes, policies, doors; nothing is fetched or started."""
    from iam_guard.config.callers import check_callers  # it brings a web client along
    from iam_guard.config.doors import check_doors
    from iam_guard.config.policies import check_policies
    from iam_guard.config.settings import load_settings

    settings = load_settings(path)
    faults: list[Fault] = []
    settings.origin.attempt(faults, "", lambda: check_callers(settings.values, settings.origin))
    settings.origin.attempt(faults, "", lambda: read_route_sources(path))
    settings.origin.attempt(faults, "", lambda: check_policies(settings.values, settings.origin))
    settings.origin.attempt(faults, "", lambda: check_doors(settings))
    if faults:
        raise ConfigurationError(dict.fromkeys(faults))


def read_route_sources(path: Path) -> RouteSources:
    """The route map that a settings file names.

    Raises:
        ConfigurationError: with everything that is wrong with it.
    """
    from iam_guard.config.policies import opened_policy_store
    from iam_guard.config.routes import read_routes
    from iam_guard.config.settings import load_settings
    from iam_guard.http.naming import ResourceNames

    settings = load_settings(path)
    with opened_policy_store(settings.values, settings.origin) as store:
        partition, account = store.home()
    names = ResourceNames(partition, settings.values.resources.region, account)
    return read_routes(settings.values.routes, settings.origin, names)
