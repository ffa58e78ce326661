"""Figures for Prometheus, under the names of the telemetry contract (wire contracts, section 15).

They are read off the guard's own counters when somebody scrapes them, so a request pays nothing for them, and no
label ever holds a principal, an ARN or a path. Needs the extra ``metrics``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, make_asgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from iam_guard.store.refresh import RefreshStatus

#: The outcomes that are decisions; the others that a door counts, such as answered preflights, are not.
DECISIONS = ("allow", "explicit_deny", "implicit_deny", "unauthenticated", "unmapped", "error")
_MODE = "enforce"


class Counts(Protocol):
    """A door, as far as it counts: :class:`iam_guard.IAMGuardMiddleware` is one."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many requests had which outcome."""
        ...


class Refreshes(Protocol):
    """Whatever keeps policies fresh: :class:`iam_guard.PolicyRefresher` does."""

    def status(self) -> RefreshStatus:
        """How things stand."""
        ...


class KeySources(Protocol):
    """Whatever has the keys of issuers: :class:`iam_guard.JWTAuthenticator` does."""

    @property
    def key_sources(self) -> Mapping[str, Any]:
        """The source of each issuer; those that fetch count ``fetches`` and ``failures``."""
        ...


class GuardMetrics:
    """A collector for a Prometheus registry.

    Args:
        door: Counts requests.
        refresher: Keeps the policies fresh.
        authenticator: Has the issuers' keys.
        name: What the door is called in labels.
        doors: Further doors, by what they are called in labels.
    """

    def __init__(self, door: Counts | None = None, *, refresher: Refreshes | None = None,
                 authenticator: KeySources | None = None, name: str = "asgi",
                 doors: Mapping[str, Counts] = MappingProxyType({})) -> None:
        self._refresher, self._authenticator = refresher, authenticator
        self._doors = dict(doors) if door is None else {name: door, **doors}

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        if self._doors:
            yield from self._of_requests({name: door.counts for name, door in self._doors.items()})
        if self._refresher is not None:
            yield from _of_policies(self._refresher.status())
        if self._authenticator is not None:
            yield from _of_keys(self._authenticator.key_sources)

    def _of_requests(self, counted: Mapping[str, Mapping[str, int]]) -> Iterator[Metric]:
        decisions = CounterMetricFamily("iam_guard_decisions", "Requests by outcome",
                                        labels=("decision", "mode", "front_door"))
        for name, counts in counted.items():
            for outcome in DECISIONS:
                decisions.add_metric((outcome, _MODE, name), counts.get(outcome, 0))
        yield decisions
        unmapped = CounterMetricFamily("iam_guard_unmapped", "Requests that no rule maps")
        unmapped.add_metric((), sum(counts.get("unmapped", 0) for counts in counted.values()))
        yield unmapped


def metrics_app(*collectors: GuardMetrics) -> Any:
    """An ASGI application that answers a scrape; put it on a port that only the scraper reaches."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return make_asgi_app(registry)


def _of_policies(status: RefreshStatus) -> Iterator[Metric]:
    info = GaugeMetricFamily("iam_guard_policy_info", "The revision that serves", labels=("version",))
    info.add_metric((status.revision,), 1)
    yield info
    reloads = CounterMetricFamily("iam_guard_policy_reloads", "Loads of policies", labels=("result",))
    reloads.add_metric(("success",), status.loaded)
    reloads.add_metric(("failure",), status.failed)
    yield reloads
    yield _gauge("iam_guard_policy_ready", "Whether there is anything to decide with", float(status.is_ready))
    yield _gauge("iam_guard_policy_degraded", "Whether the store holds something that cannot be served: raise an alarm",
                 float(status.is_degraded))
    yield _gauge("iam_guard_policy_behind_seconds", "For how long something older than the store's has served",
                 status.behind)
    if status.age is not None:
        yield _gauge("iam_guard_policy_age_seconds", "Since the store was last heard from", status.age)


def _of_keys(sources: Mapping[str, Any]) -> Iterator[Metric]:
    refreshes = CounterMetricFamily("iam_guard_jwks_refresh", "Fetches of an issuer's keys",
                                    labels=("issuer", "result"))
    for issuer, source in sources.items():
        if hasattr(source, "fetches"):
            refreshes.add_metric((issuer, "success"), source.fetches - source.failures)
            refreshes.add_metric((issuer, "failure"), source.failures)
    yield refreshes


def _gauge(name: str, about: str, value: float) -> Metric:
    found = GaugeMetricFamily(name, about)
    found.add_metric((), value)
    return found
