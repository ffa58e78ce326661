"""Walking an application to take the census of its routes.

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
from iam_guard.http.census import ANY, HANDLERS, AppRoute, Census
from iam_guard.http.route import Route

#: Where a checked function carries its requirements.
MARK = "__iam_guard__"
_MAX_DEPTH = 32


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
    while not hasattr(app, "routes") and hasattr(app, "app"):
        app = app.app  # a middleware around the application
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
