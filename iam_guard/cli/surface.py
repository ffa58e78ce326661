"""An application's routes side by side with the route map: what guards each, and what guards nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from iam_guard.errors import ConfigurationError
from iam_guard.http.app_routes import census, innermost
from iam_guard.http.census import ANY, AppRoute, Front
from iam_guard.http.documentation import public_documentation
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
    application, or around something mounted in it, has itself.

    Raises:
        ConfigurationError: the map is wrong, or the application has no routes.
    """
    found = census(app).found
    given = None
    if map_file is not None:
        given = mapper_from_yaml(map_file)
    elif config is not None:
        given = _configured(config, app)
    if given is not None:
        found = tuple(_behind(given, one) for one in found)
    maps = {id(front.mapper): _MapIndex(front.mapper) for one in found for front in one.fronts}
    lines = [_line(one, maps) for one in found]
    return [*lines, *(line for index in maps.values() for line in index.unused())]


def _behind(mapper: RequestMapper, one: AppRoute) -> AppRoute:
    """The route behind another map than those of the guards around the application; mounted guards stay."""
    mounted = (front for front in one.fronts if front.template != one.template)
    return replace(one, fronts=(Front(mapper, one.template), *mounted))


def _configured(config: Path, app: Any) -> RequestMapper:
    from iam_guard.cli.inspection import read_route_sources  # settings bring a web client along
    from iam_guard.config.settings import load_settings

    mapper = read_route_sources(config).mapper(app)
    return public_documentation(innermost(app), mapper) if load_settings(config).values.docs_public else mapper


class _MapIndex:
    """Finds the line of a map that decides about a route of the application."""

    def __init__(self, mapper: RequestMapper) -> None:
        self._lines = [(route, RequestMapper((route,), names=mapper.names)) for route in mapper.routes]
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


def _line(one: AppRoute, maps: Mapping[int, _MapIndex]) -> Line:
    mapped = [] if one.method == ANY else [maps[id(front.mapper)].find(one.method, front.template)
                                           for front in one.fronts]
    known = [route for route in mapped if route is not None]
    by = [name for name, given in (("map", known), ("decorator", one.checks)) if given]
    pairs = dict.fromkeys((*(pair for route in known for pair in _pairs(route)), *one.checks))
    action, resource = _joined(pairs)
    return Line(_state(one, mapped), one.method, one.template, action, resource, " and ".join(by), one.endpoint,
                _remark(one), one.file, one.line)


def _state(one: AppRoute, mapped: Sequence[Route | None]) -> State:
    """Every guard in front has to know the route; it is public where all of them let everybody pass."""
    if one.checks:
        return State.GUARDED
    known = [route for route in mapped if route is not None]
    if not known or len(known) < len(mapped):
        return State.UNGUARDED
    return State.PUBLIC if all(route.public for route in known) else State.GUARDED


def _remark(one: AppRoute) -> str:
    if one.shadowed:
        return "its check stands above the route decorator and never runs: put it below"
    if one.host:
        return f"only for the host {one.host}"
    return "takes any method: list them on the route" if one.method == ANY else ""
