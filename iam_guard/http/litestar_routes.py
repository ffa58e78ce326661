"""Routes of a Litestar application, known by what its route objects look like; nothing is imported here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from iam_guard.http.census import ANY

#: Litestar answers OPTIONS for every route by a function of this module; there is nothing of the application in it.
_ITS_OWN = "litestar.routes.http"
#: Kinds of placeholder that a route map has too; one of another kind (a date, a decimal) is read as text.
_KINDS = ("int", "float", "uuid", "path")
_GAP = re.compile(r"\{([^{}:]+):([^{}:]+)\}")


class Handler(NamedTuple):
    """One function behind a route.

    Attributes:
        template: As a route map writes it.
        methods: In capitals, ``WS``, or ``*``.
        function: As it was decorated.
        is_mount: It gets every path below the template as well.
    """

    template: str
    methods: tuple[str, ...]
    function: Any
    is_mount: bool = False


def is_litestar_route(route: Any) -> bool:
    """Whether *route* is one of a Litestar application."""
    return hasattr(route, "path_components") and (hasattr(route, "route_handlers") or hasattr(route, "route_handler"))


def handlers_of(route: Any) -> Iterator[Handler]:
    """The functions behind one Litestar route."""
    template = _GAP.sub(_gap, route.path)
    single = getattr(route, "route_handler", None)
    if single is not None:
        methods = (ANY,) if hasattr(single, "is_mount") else ("WS",)
        yield Handler(template, methods, single.fn, getattr(single, "is_mount", False))
        return
    served = {method for handler in route.route_handlers for method in _methods(handler)}
    for handler in route.route_handlers:
        if getattr(handler.fn, "__module__", "") != _ITS_OWN:
            # as everywhere, HEAD follows GET
            yield Handler(template, tuple(sorted(_methods(handler) - ({"HEAD"} if "GET" in served else set()))),
                          handler.fn)


def _methods(handler: Any) -> set[str]:
    return {str(getattr(method, "value", method)) for method in handler.http_methods}


def _gap(found: re.Match[str]) -> str:
    name, kind = found.groups()
    return f"{{{name}:{kind}}}" if kind in _KINDS else f"{{{name}}}"
