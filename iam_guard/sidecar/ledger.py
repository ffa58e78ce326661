"""What a process counted, under all the settings that it had: figures never go back when others are taken up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from iam_guard.asgi.reload import ReloadStatus
from iam_guard.store.refresh import RefreshStatus


class Counting(Protocol):
    """What runs by one version of the settings, as far as it counts."""

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many requests had which outcome, by door."""

    @property
    def key_sources(self) -> Mapping[str, Any]:
        """The sources of keys, by issuer; those that fetch count ``fetches`` and ``failures``."""

    @property
    def refresher(self) -> Any:
        """Keeps the policies fresh; its ``status()`` tells how things stand."""


@dataclass(frozen=True, slots=True)
class Report:
    """How one process stands.

    Attributes:
        worker: Its number.
        missing: What keeps it from deciding.
        policies: How its policies stand.
        counts: How many requests had which outcome, by door.
        keys: How many fetches of keys were begun, and how many failed, by issuer.
    """

    worker: int
    missing: tuple[str, ...]
    policies: RefreshStatus
    counts: Mapping[str, Mapping[str, int]]
    keys: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Told:
    """How all processes stand.

    Attributes:
        reports: Of those that told.
        settings: What became of the settings.
        silent: How many did not tell.
    """

    reports: tuple[Report, ...]
    settings: ReloadStatus = field(default_factory=ReloadStatus)
    silent: int = 0

    @property
    def missing(self) -> list[str]:
        """What is missing anywhere."""
        found = dict.fromkeys(one for report in self.reports for one in report.missing)
        return [*found, "workers"] if self.silent or not self.reports else [*found]

    @property
    def policies(self) -> RefreshStatus:
        """How the policies of all stand together; no revision while they serve several."""
        every = [report.policies for report in self.reports]
        revisions = {one.revision for one in every}
        ages = [one.age for one in every]
        return RefreshStatus(
            all(one.is_ready for one in every), any(one.is_degraded for one in every),
            revisions.pop() if len(revisions) == 1 else "", next((one.error for one in every if one.error), ""),
            sum(one.loaded for one in every), sum(one.failed for one in every),
            max((age for age in ages if age is not None), default=None),
            max((one.behind for one in every), default=0.0))

    @property
    def counts(self) -> dict[str, Counter[str]]:
        """What all counted."""
        return _added(report.counts for report in self.reports)

    @property
    def keys(self) -> dict[str, tuple[int, int]]:
        """Fetches of keys by all."""
        return _fetched(report.keys for report in self.reports)


class _Door:
    """What one door counted."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = counts


class _Source:
    """Fetches of one issuer's keys."""

    def __init__(self, fetches: int, failures: int) -> None:
        self.fetches, self.failures = fetches, failures


class Figures:
    """What all processes counted, for whoever makes metrics of it.

    Args:
        told: How they stand.

    Attributes:
        doors: What counts requests, by name.
        key_sources: What counts fetches, by issuer.
    """

    def __init__(self, told: Told) -> None:
        self._policies = told.policies
        self.doors = {name: _Door(counts) for name, counts in told.counts.items()}
        self.key_sources: Mapping[str, Any] = {issuer: _Source(*found) for issuer, found in told.keys.items()}

    def status(self) -> RefreshStatus:
        """How the policies stand."""
        return self._policies


class Ledger:
    """Adds up what this process counted."""

    def __init__(self) -> None:
        self._living: list[Counting] = []
        self._counts: dict[str, Counter[str]] = {}
        self._keys: dict[str, tuple[int, int]] = {}
        self._loaded = self._failed = 0

    def begin(self, one: Counting) -> None:
        """Somebody counts from now on."""
        self._living.append(one)

    def end(self, one: Counting) -> None:
        """Somebody has counted to the end."""
        self._living.remove(one)
        status = one.refresher.status()
        self._counts = _added([self._counts, one.counts])
        self._keys = _fetched([self._keys, _keys_of(one)])
        self._loaded, self._failed = self._loaded + status.loaded, self._failed + status.failed

    def report(self, current: Counting, missing: Iterable[str], worker: int = 0) -> Report:
        """How this process stands.

        Args:
            current: What serves new calls.
            missing: What it lacks.
            worker: The number of the process.
        """
        others = [one.refresher.status() for one in self._living if one is not current]
        status = current.refresher.status()
        policies = replace(status, loaded=self._loaded + sum(one.loaded for one in (status, *others)),
                           failed=self._failed + sum(one.failed for one in (status, *others)))
        return Report(worker, tuple(missing), policies, _added([self._counts, *(one.counts for one in self._living)]),
                      _fetched([self._keys, *map(_keys_of, self._living)]))


def _keys_of(one: Counting) -> dict[str, tuple[int, int]]:
    return {issuer: (source.fetches, source.failures) for issuer, source in one.key_sources.items()
            if hasattr(source, "fetches")}


def _added(every: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, Counter[str]]:
    total: dict[str, Counter[str]] = {}
    for counts in every:
        for door, found in counts.items():
            total.setdefault(door, Counter()).update(found)
    return total


def _fetched(every: Iterable[Mapping[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    total: dict[str, tuple[int, int]] = {}
    for keys in every:
        for issuer, (fetches, failures) in keys.items():
            before = total.get(issuer, (0, 0))
            total[issuer] = before[0] + fetches, before[1] + failures
    return total
