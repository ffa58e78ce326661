"""RequestMapper: method and path of a request to the action and resource it asks for.

Look-up is a mask hash: templates are grouped by their number of segments and by which of those are literal;
each group is one dict keyed by the literal segments. A look-up costs one split and one probe for each group
of that length, whatever the number of templates. There is no regular expression over a path, no
backtracking, and no cache that a client could fill.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, combinations_with_replacement
from typing import overload

import msgspec

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.naming import ResourceNames
from iam_guard.http.request import HTTPRequest
from iam_guard.http.route import PUBLIC as PUBLIC
from iam_guard.http.route import CompiledRoute, Pair, Public
from iam_guard.http.route import Route as Route
from iam_guard.http.table import RouteTable
from iam_guard.http.template import PathTemplate, Relation
from iam_guard.model import Context


class Match(msgspec.Struct, frozen=True, eq=False):
    """A request found its route.

    Attributes:
        route: The line of the map.
        params: Values of the placeholders of the path.
        action: In what a resolver is given: the action of the pair that it is asked about; else empty.
        resource: Likewise its resource, a full ARN or ``*``.
    """

    route: Route
    params: dict[str, str]
    _compiled: CompiledRoute
    action: str = ""
    resource: str = ""

    def checks(self, request: HTTPRequest, claims: Context) -> tuple[Pair, ...]:
        """Every (action, resource ARN) pair that must be allowed; empty for a public route.

        Args:
            request: The request that matched.
            claims: Condition keys of the caller, for ``{claim.name}``.

        Raises:
            RequestRefusedError: a value is missing, repeated, or cannot be part of a resource name.
        """
        return self._compiled.checks(self.params, request, claims)

    def context(self, request: HTTPRequest, claims: Context) -> dict[str, str | tuple[str, ...]]:
        """Condition keys that the route adds.

        Raises:
            RequestRefusedError: a query parameter that it reads was sent twice.
        """
        return self._compiled.context(self.params, request, claims)


class Unmapped(msgspec.Struct, frozen=True):
    """No route says what a request asks for: it is denied. False in a condition.

    Attributes:
        allow: Methods that the path has; empty when there is no such path.
    """

    allow: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return False


_NOTHING = Unmapped()


class RequestMapper:
    """Maps requests to actions and resources.

    Args:
        routes: ``{"GET /documents/{doc_id}": ("docs:GetDocument", "docs:document/{doc_id}"), "GET /health": PUBLIC}``
            with keys of one or several methods (``"GET,POST /x"``) or ``WS``; or :class:`Route` objects.
        names: Completes short resource names.

    Raises:
        ConfigurationError: with every fault: a bad template, two routes between which a path could not
            choose, a public route that is too wide.
    """

    # Two overloads, so that type checkers read a literal mapping as one.
    @overload
    def __init__(self, routes: Mapping[str, tuple[str, str] | Public], *, names: ResourceNames = ...) -> None: ...
    @overload
    def __init__(self, routes: Iterable[Route], *, names: ResourceNames = ...) -> None: ...
    def __init__(self, routes: Mapping[str, tuple[str, str] | Public] | Iterable[Route], *,
                 names: ResourceNames = ResourceNames()) -> None:  # noqa: B008 - frozen
        self.routes = tuple(_from_mapping(routes)) if isinstance(routes, Mapping) else tuple(routes)
        self.names = names
        compiled = _compile(self.routes, names)
        if faults := [fault for group in compiled.values() for fault in _ambiguities(group)]:
            raise ConfigurationError(faults)
        self._templates = {method: [one.path for one in group] for method, group in compiled.items()}
        self._tables = {method: RouteTable(group) for method, group in compiled.items()}

    def match(self, request: HTTPRequest) -> Match | Unmapped:
        """Find the route of a request. ``HEAD`` follows ``GET`` unless it is mapped itself (promise S6)."""
        method = "WS" if request.kind == "websocket" else request.method
        table = self._tables.get(method)
        found = table.find(request.path) if table is not None else None
        if found is not None:
            return Match(found[0].route, found[1], found[0])
        return self.find(method, request.path) or self._unmapped(method, request.path)

    def find(self, method: str, path: str) -> Match | None:
        """Find the route of a method (or ``WS``) and a canonical path."""
        table = self._tables.get(method)
        found = table.find(path) if table is not None else None
        if found is None:
            return self.find("GET", path) if method == "HEAD" else None
        compiled, params = found
        return Match(compiled.route, params, compiled)

    def methods(self, path: str) -> tuple[str, ...]:
        """The HTTP methods that a path has, for ``Allow`` and for preflights."""
        found = {method for method, table in self._tables.items() if method != "WS" and table.find(path)}
        return tuple(sorted(found | {"HEAD"} if "GET" in found else found))

    def covers(self, method: str, template: str) -> bool:
        """Say whether every path of *template* has a route for *method*, for a census of an application.

        Raises:
            ConfigurationError: *template* is not one.
        """
        wanted = PathTemplate(template)
        methods = ("HEAD", "GET") if method == "HEAD" else (method,)
        return any(wanted.relation(known) in _INSIDE for one in methods for known in self._templates.get(one, ()))

    def _unmapped(self, method: str, path: str) -> Unmapped:
        if method == "WS":
            return _NOTHING
        allow = self.methods(path)
        return Unmapped(allow) if allow else _NOTHING


_INSIDE = (Relation.EQUAL, Relation.NARROWER)


def _from_mapping(routes: Mapping[str, tuple[str, str] | Public]) -> Iterator[Route]:
    for key, target in routes.items():
        methods, template = split_key(key)
        for method in methods:
            if isinstance(target, Public):
                yield Route(method, template, public=True, websocket=method == "WS")
            else:
                yield Route(method, template, *target, websocket=method == "WS")


def split_key(key: str) -> tuple[list[str], str]:
    """Split ``"GET,POST /x"``.

    Raises:
        ConfigurationError: there is no method, or no path.
    """
    methods, _, template = key.strip().partition(" ")
    if not methods or not template or methods.startswith("/"):
        raise ConfigurationError(Fault(f"'{key}' does not name a method and a path", "write it like 'GET /items/{id}'"))
    return [method.strip() for method in methods.split(",")], template.strip()


def _compile(routes: Iterable[Route], names: ResourceNames) -> dict[str, list[CompiledRoute]]:
    """Parse every route, both spellings of one that ignores a trailing slash; report all faults at once."""
    tables: dict[str, list[CompiledRoute]] = defaultdict(list)
    faults: list[Fault] = []
    for route in routes:
        try:
            tables[route.table].append(CompiledRoute(route, names, PathTemplate(route.template)))
            if route.trailing_slash == "ignore":
                other = route.template[:-1] if route.template.endswith("/") else route.template + "/"
                tables[route.table].append(CompiledRoute(route, names, PathTemplate(other)))
        except ConfigurationError as problem:
            faults += [fault if fault.line or not route.line else route.fault(fault.message, fault.mend)
                       for fault in problem.faults]
    if faults:
        raise ConfigurationError(faults)
    return tables


def _ambiguities(group: list[CompiledRoute]) -> Iterator[Fault]:
    """Pairs of templates between which some path could not choose."""
    shapes = {one.path.shape for one in group}
    for first, second in _neighbours(group):
        how = first.path.relation(second.path)
        if how is Relation.EQUAL:
            yield _ambiguous(first.route, second.route, "are the same to a path", "remove one")
        elif how is Relation.CROSSING and first.path.common(second.path) not in shapes:
            yield _ambiguous(first.route, second.route, "both match some paths, and neither is narrower",
                             "map the paths they share on their own, or rename one")


def _ambiguous(first: Route, second: Route, what: str, mend: str) -> Fault:
    line = f" (line {first.line})" if first.line else ""
    return second.fault(f"'{first.key}'{line} and '{second.key}' {what}", mend)


def _neighbours(group: list[CompiledRoute]) -> Iterator[tuple[CompiledRoute, CompiledRoute]]:
    """Every pair whose shared literal positions hold the same text; other pairs have no path in common."""
    masks: dict[tuple[int, ...], list[CompiledRoute]] = defaultdict(list)
    for one in group:
        masks[one.path.literals].append(one)
    for left, right in combinations_with_replacement(masks, 2):
        shared = sorted(set(left) & set(right))
        groups = _by_text(masks[left], shared)
        if left == right:
            for alike in groups.values():
                yield from combinations(alike, 2)
        else:
            for two in masks[right]:
                yield from ((one, two) for one in groups.get(_text(two, shared), ()))


def _by_text(routes: Iterable[CompiledRoute], positions: Iterable[int]) -> dict[tuple[str, ...], list[CompiledRoute]]:
    groups: dict[tuple[str, ...], list[CompiledRoute]] = defaultdict(list)
    for one in routes:
        groups[_text(one, positions)].append(one)
    return groups


def _text(one: CompiledRoute, positions: Iterable[int]) -> tuple[str, ...]:
    return tuple([one.path.segments[index].prefix for index in positions])
