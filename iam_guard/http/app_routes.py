"""Walking an application to take the census of its routes.

Starlette, FastAPI and Litestar applications are walked by what their route objects look like, not by what they
are, so nothing is imported here. What cannot be understood is listed as unguarded rather than left out, and a
census that finds nothing is a fault: lazily included routers have looked empty to such walks before.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.census import ANY, HANDLERS, AppRoute, Census, Front
from iam_guard.http.documentation import public_documentation
from iam_guard.http.litestar_routes import handlers_of, is_litestar_route
from iam_guard.http.mapper import RequestMapper
from iam_guard.http.route import Route

#: Where a checked function carries its requirements.
MARK = "__iam_guard__"
_MAX_DEPTH = 32


def census(app: Any, *, decorated: Iterable[Callable[..., Any]] = ()) -> Census:
    """List the routes of a Starlette, FastAPI or Litestar application, with the guards in front of each.

    Args:
        app: The application, or a router; in its middleware or without.
        decorated: Functions as they were before a requirement wrapped them, where the wrapped ones are not
            module members (the ``functions`` of requirements).

    Raises:
        ConfigurationError: nothing was found.
    """
    inner = {id(function) for function in decorated}
    app, place = _unwrapped(app, _Place())
    found = tuple(route for surface in _walk(_routes_of(app), place) for route in _described(surface, inner))
    if not found:
        raise ConfigurationError(Fault(f"no routes were found in '{type(app).__name__}'",
                                       "give the application itself, after its routes were added"))
    return Census(found)


def routes_from_app(app: Any) -> tuple[Route, ...]:
    """The guarded routes of an application, as lines of a route map; see :func:`census`.

    Raises:
        ConfigurationError: the application has no routes.
    """
    return census(app).routes()


def innermost(app: Any) -> Any:
    """The application inside its middleware."""
    return _unwrapped(app, _Place())[0]


@dataclass(frozen=True, slots=True)
class _Place:
    """How far the walk has come.

    Attributes:
        prefix: Of the mounts around.
        host: That of the nearest host route.
        guards: Maps of the guards that were passed, and how much of the prefix lay before each.
        depth: How deep it is nested.
    """

    prefix: str = ""
    host: str = ""
    guards: tuple[tuple[RequestMapper, int], ...] = ()
    depth: int = 0

    def below(self, prefix: str, host: str = "") -> _Place:
        """One level deeper."""
        if self.depth >= _MAX_DEPTH:
            raise ConfigurationError(Fault(f"the routes under '{self.prefix}' are nested too deeply"))
        return replace(self, prefix=self.prefix + prefix, host=host or self.host, depth=self.depth + 1)

    def guarded(self, mapper: RequestMapper) -> _Place:
        """Behind one guard more."""
        return replace(self, guards=(*self.guards, (mapper, len(self.prefix))))

    def surface(self, path: str, methods: tuple[str, ...], endpoint: Any,
                dependencies: tuple[Any, ...] = ()) -> _Surface:
        """An endpoint that was found here."""
        template = self.prefix + path
        fronts = tuple(Front(mapper, template[start:]) for mapper, start in self.guards)
        return _Surface(template, methods, endpoint, dependencies, self.host, fronts)


@dataclass(frozen=True, slots=True)
class _Surface:
    """A place where the application answers."""

    template: str
    methods: tuple[str, ...]
    endpoint: Any
    dependencies: tuple[Any, ...]
    host: str
    fronts: tuple[Front, ...]


#: Takes every path below a mount.
_REST = "/{path:path}"


def _unwrapped(app: Any, place: _Place) -> tuple[Any, _Place]:
    """The application inside its middleware, and its place behind the guards among them.

    A guard is known by its map: the one that it has, which need not be the one that it was given.
    """
    for _ in range(_MAX_DEPTH):
        inner = getattr(app, "app", None) or getattr(app, "_app", None)
        if hasattr(app, "routes") or inner is None:
            break
        if isinstance(own := getattr(app, "mapper", None), RequestMapper):
            place = place.guarded(own)
        app = inner
    for one in getattr(app, "user_middleware", ()):  # Starlette makes these later
        given = getattr(one, "kwargs", {})
        if isinstance(mapper := given.get("mapper"), RequestMapper):
            place = place.guarded(public_documentation(app, mapper) if given.get("docs_public") else mapper)
    return app, place


def _routes_of(thing: Any) -> list[Any]:
    own = getattr(thing, "routes", None)
    router = getattr(thing, "router", thing)
    return [*(own or []), *getattr(router, "_low_priority_routes", [])]


def _walk(routes: Iterable[Any], place: _Place) -> Iterator[_Surface]:
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if callable(included):  # a router that FastAPI includes lazily
            for context in included():
                yield from _one(getattr(context, "starlette_route", None) or context, place)
            low = getattr(route, "effective_low_priority_routes", None)
            for context in low() if callable(low) else ():
                yield from _one(context, place)
        else:
            yield from _one(route, place)


def _one(route: Any, place: _Place) -> Iterator[_Surface]:
    path = getattr(route, "path", None)
    endpoint = getattr(route, "endpoint", None)
    if is_litestar_route(route):
        yield from _of_litestar(route, place)
    elif isinstance(path, str) and endpoint is not None:
        yield place.surface(path, _methods(route, endpoint), endpoint, tuple(_dependencies(route)))
    elif isinstance(getattr(route, "host", None), str):
        yield from _inside(route, place.below("", route.host))
    elif isinstance(path, str):
        yield from _inside(route, place.below(path.rstrip("/")))
    elif hasattr(getattr(route, "original_route", None), "routes"):  # a group of front-end folders, included
        yield from _walk(route.original_route.routes, place.below(getattr(route, "frontend_prefix", "")))
    elif hasattr(route, "routes"):
        yield from _walk(route.routes, place.below(""))
    else:
        yield place.surface(_REST, (ANY,), route)


def _inside(route: Any, place: _Place) -> Iterator[_Surface]:
    """What stands behind a mount or a host; an application without a list of routes counts as one tree."""
    app, place = _unwrapped(getattr(route, "app", route), place)
    inner = getattr(route, "routes", None) or _routes_of(app)
    if inner:
        yield from _walk(inner, place)
    else:
        yield place.surface(_REST, (ANY,), app)


def _of_litestar(route: Any, place: _Place) -> Iterator[_Surface]:
    for handler in handlers_of(route):
        if handler.is_mount:
            yield from _inside(handler.function, place.below(handler.template.rstrip("/")))
        else:
            yield place.surface(handler.template, handler.methods, handler.function)


def _methods(route: Any, endpoint: Any) -> tuple[str, ...]:
    if not hasattr(route, "methods"):
        return ("WS",)
    if route.methods:
        return tuple(sorted(set(route.methods) - {"HEAD"} if "GET" in route.methods else route.methods))
    if inspect.isclass(endpoint):
        return tuple(name for name in HANDLERS if hasattr(endpoint, name.lower())) or (ANY,)
    return (ANY,)


def _dependencies(route: Any) -> Iterator[Any]:
    """What FastAPI calls before the endpoint: the whole tree of it."""
    waiting = [getattr(route, "dependant", None)]
    while waiting:
        dependant = waiting.pop()
        if dependant is not None:
            yield from (one.call for one in getattr(dependant, "dependencies", []))
            waiting.extend(getattr(dependant, "dependencies", []))


def _described(surface: _Surface, inner: set[int]) -> Iterator[AppRoute]:
    for method in surface.methods:
        function = surface.endpoint
        if inspect.isclass(function):
            function = getattr(function, method.lower(), function)
        bare = _bare(function)
        checks = (*_checks(surface.endpoint), *(_checks(function) if function is not surface.endpoint else ()),
                  *(pair for one in surface.dependencies for pair in _checks(one)))
        file, line = _place(bare)
        yield AppRoute(method, surface.template, _name(bare), tuple(dict.fromkeys(checks)),
                       not checks and _is_shadowed(bare, inner), file, line, surface.host, surface.fronts)


def _checks(function: Any) -> Iterator[tuple[str, str]]:
    """The requirements on a function; a requirement itself, used as a dependency, counts as its own."""
    while isinstance(function, functools.partial):
        if hasattr(function, MARK):
            break
        function = function.func
    marks = getattr(function, MARK, None)
    if marks is None and not inspect.isclass(function) and not inspect.isroutine(function):
        marks = (function,) if _is_requirement(function) else getattr(type(function).__call__, MARK, None)
    found: tuple[Any, ...] = marks if isinstance(marks, tuple) else (marks,)
    for one in found:
        if _is_requirement(one):
            yield one.action, one.resource


def _is_requirement(one: Any) -> bool:
    return isinstance(getattr(one, "action", None), str) and isinstance(getattr(one, "resource", None), str)


def _bare(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__func__", function)


def _is_shadowed(function: Any, inner: set[int]) -> bool:
    """Look for a checked function that wraps this unchecked one: in its module, or among those known."""
    if id(function) in inner:
        return True
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    for member in list(vars(module).values()) if module else []:
        if inspect.isfunction(member) and hasattr(member, MARK) and function in _wrapped(member):
            return True
    return False


def _wrapped(function: Any) -> Iterator[Any]:
    seen: set[int] = set()
    while (function := getattr(function, "__wrapped__", None)) is not None and id(function) not in seen:
        seen.add(id(function))
        yield function


def _place(function: Any) -> tuple[str, int]:
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else ("", 0)


def _name(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', type(function).__module__)}.{name}"
