"""An application's routes side by side with the route map: what guards each, and what guards nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from iam_guard.errors import ConfigurationError
from iam_guard.http.app_routes import census
from iam_guard.http.census import ANY, AppRoute
from iam_guard.http.map_file import mapper_from_yaml
from iam_guard.http.mapper import RequestMapper, Route


class State(StrEnum):
    """What stands between a request and a route."""

    GUARDED = "guarded"
    PUBLIC = "public"
    UNGUARDED = "unguarded"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Line:
    """One route, or one line of the map that no route needs.

    Attributes:
        state: What guards it.
        method: In capitals, ``WS``, or ``*`` for a route that takes any.
        template: Its path.
        action: What it asks for; several are joined by commas.
        resource: On what.
        by: What says so: ``map``, ``decorator`` or both.
        endpoint: The function behind it.
        remark: What is odd about it.
        file: Where the function, or the line of the map, stands.
        line: The line there; 0 when unknown.
    """

    state: State
    method: str
    template: str
    action: str = ""
    resource: str = ""
    by: str = ""
    endpoint: str = ""
    remark: str = ""
    file: str = ""
    line: int = 0

    @property
    def is_open(self) -> bool:
        """Whether nothing guards it."""
        return self.state is State.UNGUARDED

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def read_surface(app: Any, map_file: Path | None, config: Path | None) -> list[Line]:
    """Compare an application with its route map.

    The map is that of the file or of the settings; without either, the one that an IAMGuardMiddleware around the
    application has.

    Raises:
        ConfigurationError: the map is wrong, or the application has no routes.
    """
    inner, mapper = _unwrapped(app)
    if map_file is not None:
        mapper = mapper_from_yaml(map_file)
    elif config is not None:
        mapper = _configured(config, inner)
    index = _MapIndex(mapper)
    lines = [_line(one, index) for one in census(inner).found]
    return [*lines, *index.unused()]


def _unwrapped(app: Any) -> tuple[Any, RequestMapper | None]:
    """The application inside its middleware, and the map of the guard among them."""
    mapper = None
    while not hasattr(app, "routes"):
        own = getattr(app, "mapper", None)
        mapper = own if isinstance(own, RequestMapper) else mapper
        inner = getattr(app, "app", None) or getattr(app, "_app", None)
        if inner is None:
            break
        app = inner
    for one in getattr(app, "user_middleware", ()):
        own = getattr(one, "kwargs", {}).get("mapper")
        mapper = own if isinstance(own, RequestMapper) else mapper
    return app, mapper


def _configured(config: Path, app: Any) -> RequestMapper:
    from iam_guard.cli.inspection import read_route_sources  # settings bring a web client along

    return read_route_sources(config).mapper(app)


class _MapIndex:
    """Finds the line of a map that decides about a route of the application."""

    def __init__(self, mapper: RequestMapper | None) -> None:
        self._lines = [] if mapper is None else [(route, RequestMapper((route,), names=mapper.names))
                                                 for route in mapper.routes]
        self._used: set[str] = set()

    def find(self, method: str, template: str) -> Route | None:
        """The narrowest line under which every path of the template falls."""
        try:
            found = [(route, alone) for route, alone in self._lines if alone.covers(method, template)]
        except ConfigurationError:
            return None  # a template that the guard cannot read is in no map
        if not found:
            return None
        narrowest = max(found, key=lambda one: sum(alone.covers(one[0].table, one[0].template) for _, alone in found))
        self._used.add(narrowest[0].key)
        return narrowest[0]

    def unused(self) -> Iterator[Line]:
        """Lines of the map that were never found."""
        for route, _ in self._lines:
            if route.key not in self._used:
                yield Line(State.UNUSED, route.table, route.template, *_joined(_pairs(route)), by="map",
                           remark="no route of the application needs this line", file=route.file, line=route.line)


def _pairs(route: Route) -> tuple[tuple[str, str], ...]:
    return () if route.public else ((route.action, route.resource), *route.also)


def _joined(pairs: Iterable[tuple[str, str]]) -> tuple[str, str]:
    listed = list(pairs)
    return ", ".join(action for action, _ in listed), ", ".join(resource for _, resource in listed)


def _line(one: AppRoute, index: _MapIndex) -> Line:
    mapped = index.find(one.method, one.template) if one.method != ANY else None
    by = [name for name, given in (("map", mapped), ("decorator", one.checks)) if given]
    pairs = dict.fromkeys((*(_pairs(mapped) if mapped else ()), *one.checks))
    action, resource = _joined(pairs)
    return Line(_state(one, mapped), one.method, one.template, action, resource, " and ".join(by), one.endpoint,
                _remark(one), one.file, one.line)


def _state(one: AppRoute, mapped: Route | None) -> State:
    if one.checks:
        return State.GUARDED
    if mapped is None:
        return State.UNGUARDED
    return State.PUBLIC if mapped.public else State.GUARDED


def _remark(one: AppRoute) -> str:
    if one.shadowed:
        return "its check stands above the route decorator and never runs: put it below"
    if one.host:
        return f"only for the host {one.host}"
    return "takes any method: list them on the route" if one.method == ANY else ""
