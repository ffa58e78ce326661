"""A census of an application's routes: which are checked by a decorator, which are not, which only seem to be.

Starlette and FastAPI applications are walked by what their route objects look like, not by what they are, so
nothing is imported here. What cannot be understood is listed as unguarded rather than left out, and a census
that finds nothing is a fault: lazily included routers have looked empty to such walks before.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.mapper import RequestMapper, Route

#: Where a checked function carries its requirements.
MARK = "__iam_guard__"
#: Stands for every method, of an endpoint that decides by itself.
ANY = "*"
_HANDLERS = ("get", "head", "post", "put", "patch", "delete", "options")
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class AppRoute:
    """One method of one route of an application.

    Attributes:
        method: In capitals, ``WS``, or ``*`` for an endpoint that takes any.
        template: With the prefixes of mounts and routers.
        endpoint: Module and name of the function.
        checks: (action, resource) pairs of its requirements; empty when it has none.
        shadowed: The order trap: a checked function of that name exists, but the framework holds the
            unchecked one inside it.
        file: Where the function stands.
        line: Its first line, or 0.
        host: The host it is bound to; empty for any.
    """

    method: str
    template: str
    endpoint: str
    checks: tuple[tuple[str, str], ...] = ()
    shadowed: bool = False
    file: str = ""
    line: int = 0
    host: str = ""

    @property
    def key(self) -> str:
        """``GET /documents/{doc_id}``."""
        return f"{self.method} {self.template}"


@dataclass(frozen=True, slots=True)
class Census:
    """All routes of an application.

    Attributes:
        found: In the order of the application.
    """

    found: tuple[AppRoute, ...]

    @property
    def guarded(self) -> tuple[AppRoute, ...]:
        """Routes whose function is checked."""
        return tuple(one for one in self.found if one.checks)

    @property
    def unguarded(self) -> tuple[AppRoute, ...]:
        """Routes that nothing checks when no middleware does."""
        return tuple(one for one in self.found if not one.checks)

    @property
    def shadowed(self) -> tuple[AppRoute, ...]:
        """Routes whose check was put above the framework's decorator and never runs."""
        return tuple(one for one in self.found if one.shadowed)

    def unmapped(self, mapper: RequestMapper) -> tuple[AppRoute, ...]:
        """Routes that *mapper* leaves closed, in whole or in part."""
        return tuple(one for one in self.found if not _is_covered(one, mapper))

    def routes(self) -> tuple[Route, ...]:
        """The guarded routes as lines of a route map."""
        return tuple(Route(one.method, one.template, *one.checks[0], also=one.checks[1:],
                           websocket=one.method == "WS", file=one.file, line=one.line)
                     for one in self.guarded if one.method != ANY)

    def require_guarded(self, mapper: RequestMapper | None = None) -> None:
        """Refuse to start with routes that nothing checks.

        Args:
            mapper: The map of a middleware; routes it covers need no decorator.

        Raises:
            ConfigurationError: naming every such route, and every check that never runs.
        """
        open_routes = self.unguarded if mapper is None else [
            one for one in self.unmapped(mapper) if not one.checks]
        faults = [_shadow_fault(one) for one in self.shadowed]
        faults += [Fault(f"'{one.key}' ({one.endpoint}) is not guarded", "map it, or decorate it with guard.requires",
                         line=one.line, file=one.file) for one in open_routes if not one.shadowed]
        if faults:
            raise ConfigurationError(faults)


def _shadow_fault(one: AppRoute) -> Fault:
    return Fault(f"the check of '{one.key}' ({one.endpoint}) never runs: it stands above the route decorator",
                 "put guard.requires below the route decorator", line=one.line, file=one.file)


def _is_covered(one: AppRoute, mapper: RequestMapper) -> bool:
    methods = [handler.upper() for handler in _HANDLERS] if one.method == ANY else [one.method]
    try:
        return all(mapper.covers(method, one.template) for method in methods)
    except ConfigurationError:
        return False  # a template that the guard cannot read cannot be in its map either


def census(app: Any, *, decorated: Iterable[Callable[..., Any]] = ()) -> Census:
    """List the routes of a Starlette or FastAPI application.

    Args:
        app: The application, or a router.
        decorated: Functions as they were before a requirement wrapped them, where the wrapped ones are not
            module members (the ``functions`` of requirements).

    Raises:
        ConfigurationError: nothing was found.
    """
    inner = {id(function) for function in decorated}
    found = tuple(route for surface in _walk(_routes_of(app), "", "", 0) for route in _described(surface, inner))
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


@dataclass(frozen=True, slots=True)
class _Surface:
    """A place where the application answers."""

    template: str
    methods: tuple[str, ...]
    endpoint: Any
    dependencies: tuple[Any, ...] = ()
    host: str = ""


def _routes_of(thing: Any) -> list[Any]:
    own = getattr(thing, "routes", None)
    router = getattr(thing, "router", thing)
    return [*(own or []), *getattr(router, "_low_priority_routes", [])]


def _walk(routes: Iterable[Any], prefix: str, host: str, depth: int) -> Iterator[_Surface]:
    if depth > _MAX_DEPTH:
        raise ConfigurationError(Fault(f"the routes under '{prefix}' are nested too deeply"))
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if callable(included):  # a router that FastAPI includes lazily
            for context in included():
                yield from _one(getattr(context, "starlette_route", None) or context, prefix, host, depth)
            low = getattr(route, "effective_low_priority_routes", None)
            for context in low() if callable(low) else ():
                yield from _one(context, prefix, host, depth)
        else:
            yield from _one(route, prefix, host, depth)


def _one(route: Any, prefix: str, host: str, depth: int) -> Iterator[_Surface]:
    path = getattr(route, "path", None)
    endpoint = getattr(route, "endpoint", None)
    if isinstance(path, str) and endpoint is not None:
        yield _Surface(prefix + path, _methods(route, endpoint), endpoint, tuple(_dependencies(route)), host)
    elif isinstance(getattr(route, "host", None), str):
        yield from _inside(route, prefix, route.host, depth)
    elif isinstance(path, str):
        yield from _inside(route, prefix + path.rstrip("/"), host, depth)
    elif hasattr(getattr(route, "original_route", None), "routes"):  # a group of front-end folders, included
        yield from _walk(route.original_route.routes, prefix + getattr(route, "frontend_prefix", ""), host, depth + 1)
    elif hasattr(route, "routes"):
        yield from _walk(route.routes, prefix, host, depth + 1)
    else:
        yield _Surface(prefix + "/{path:path}", (ANY,), route, (), host)


def _inside(route: Any, prefix: str, host: str, depth: int) -> Iterator[_Surface]:
    """What stands behind a mount or a host; an application without a list of routes counts as one tree."""
    app = getattr(route, "app", route)
    inner = getattr(route, "routes", None) or _routes_of(app)
    if inner:
        yield from _walk(inner, prefix, host, depth + 1)
    else:
        yield _Surface(prefix + "/{path:path}", (ANY,), app, (), host)


def _methods(route: Any, endpoint: Any) -> tuple[str, ...]:
    if not hasattr(route, "methods"):
        return ("WS",)
    if route.methods:
        return tuple(sorted(set(route.methods) - {"HEAD"} if "GET" in route.methods else route.methods))
    if inspect.isclass(endpoint):
        return tuple(name.upper() for name in _HANDLERS if hasattr(endpoint, name)) or (ANY,)
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
                       not checks and _is_shadowed(bare, inner), file, line, surface.host)


def _checks(function: Any) -> Iterator[tuple[str, str]]:
    """The requirements on a function; a requirement itself, used as a dependency, counts as its own."""
    while isinstance(function, functools.partial):
        if hasattr(function, MARK):
            break
        function = function.func
    marks = getattr(function, MARK, None)
    if marks is None and not inspect.isclass(function) and not inspect.isroutine(function):
        marks = (function,) if _is_requirement(function) else getattr(type(function).__call__, MARK, None)
    for one in marks if isinstance(marks, tuple) else [marks]:
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
