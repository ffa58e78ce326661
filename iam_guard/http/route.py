"""Route: one line of a route map, and what it needs when a request matches it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from iam_guard.errors import ConfigurationError, Fault, RequestRefusedError
from iam_guard.http.naming import ResourceNames, ResourceTemplate, is_action
from iam_guard.http.request import HTTPRequest
from iam_guard.http.template import PathTemplate
from iam_guard.model import Context

Pair = tuple[str, str]
Keys = dict[str, str | tuple[str, ...]]
_METHOD = re.compile(r"[A-Z]+")
_OUR_KEYS = ("aws:", "http:", "jwt:", "iam:", "sts:")
_SOURCE = re.compile(r"query\..+|header\.[A-Za-z0-9_-]+|claim\..+|(?:path\.)?[A-Za-z_][A-Za-z0-9_]*")


class Public(Enum):
    """The marker of a route that everybody may call."""

    PUBLIC = "public"


PUBLIC = Public.PUBLIC


@dataclass(frozen=True, slots=True)
class Route:
    """What a request of one method and path template asks for.

    Attributes:
        method: In capitals; ``WS`` for a WebSocket handshake.
        template: ``/documents/{doc_id}``.
        action: ``docs:GetDocument``.
        resource: ``docs:document/{doc_id}``; see :meth:`ResourceNames.expand`.
        public: Open to everybody; then there is no action.
        also: Further (action, resource) pairs; all must be allowed.
        context: (condition key, source) pairs; a source is ``query.status``, ``header.x-team``,
            ``claim.tenant`` or a placeholder of the path.
        websocket: Same as the method ``WS``.
        file: Where the line stands.
        line: Its number, from 1; 0 when it came from code.
        trailing_slash: ``ignore`` lets ``/x/`` mean ``/x``.
        column: In the line, from 1; 0 when it came from code.
    """

    method: str
    template: str
    action: str = ""
    resource: str = ""
    public: bool = False
    also: tuple[Pair, ...] = ()
    context: tuple[tuple[str, str], ...] = ()
    websocket: bool = False
    file: str = ""
    line: int = 0
    trailing_slash: Literal["strict", "ignore"] = "strict"
    column: int = 0

    @property
    def key(self) -> str:
        """``GET /documents/{doc_id}``."""
        return f"{self.table} {self.template}"

    @property
    def table(self) -> str:
        """The method, ``WS`` for a WebSocket."""
        return "WS" if self.websocket else self.method

    def fault(self, message: str, mend: str = "") -> Fault:
        """A fault that stands at this route."""
        return Fault(message, mend, line=self.line, column=self.column, file=self.file)


class CompiledRoute:
    """A route whose templates are parsed.

    Raises:
        ConfigurationError: the route makes no sense.
    """

    __slots__ = ("_foreign", "_one", "_pairs", "_sources", "path", "route", "static")

    def __init__(self, route: Route, names: ResourceNames, path: PathTemplate) -> None:
        self.route = route
        self.path = path
        if faults := list(_faults(route, path)):
            raise ConfigurationError(faults)
        pairs = () if route.public else ((route.action, route.resource), *route.also)
        self._pairs = tuple((action, _resource(route, resource, action, names)) for action, resource in pairs)
        used = {name for _, resource in self._pairs for name in resource.names}
        self._foreign = tuple(sorted(name for name in used if "." in name))
        if unknown := sorted(used - set(self._foreign) - set(path.names)):
            raise ConfigurationError(route.fault(
                f"the resource of '{route.key}' uses '{{{unknown[0]}}}', which the path does not have",
                "use a placeholder of the path, or {query.name}, {header.name}, {claim.name}"))
        self._sources = tuple((key.lower(), source) for key, source in route.context)
        self._one = self._pairs[0][1] if len(self._pairs) == 1 else None
        #: The answer of :meth:`checks` when it depends on no request.
        self.static = None if used else tuple((action, resource.text) for action, resource in self._pairs)

    def checks(self, params: Mapping[str, str], request: HTTPRequest, claims: Context) -> tuple[Pair, ...]:
        """The (action, resource) pairs that must all be allowed; none for a public route."""
        if self.static is not None:
            return self.static
        if self._foreign:
            params = {**params, **{name: _exactly_one(name, request, claims) for name in self._foreign}}
        if self._one is not None:
            return ((self.route.action, self._one.fill(params)),)
        return tuple([(action, resource.fill(params)) for action, resource in self._pairs])

    def context(self, params: Mapping[str, str], request: HTTPRequest, claims: Context) -> Keys:
        """The condition keys that the route adds; a source that is absent leaves its key out."""
        found: Keys = {}
        for key, source in self._sources:
            values = _values(source, request, claims, params)
            if source.startswith("query.") and len(values) > 1:
                raise RequestRefusedError("A query parameter that may occur once was sent twice.",
                                          code="invalid-request")
            if values:
                found[key] = values[0] if len(values) == 1 else values
        return found


def _values(source: str, request: HTTPRequest, claims: Context, params: Mapping[str, str]) -> tuple[str, ...]:
    kind, _, name = source.partition(".")
    match kind:
        case "query":
            return request.query.get(name, ())
        case "header":
            return request.header_values(name)
        case "claim":
            claim = claims.get(name.lower() if ":" in name else f"jwt:{name.lower()}", ())
            return (claim,) if isinstance(claim, str) else claim
    return (params[name or kind],)


def _exactly_one(source: str, request: HTTPRequest, claims: Context) -> str:
    """The one value of a source that is part of a resource name (promise S2)."""
    values = _values(source, request, claims, {})
    if len(values) == 1:
        return values[0]
    if source.startswith("claim."):
        raise RequestRefusedError("The caller lacks a claim that this route needs.", status=403, code="access-denied")
    raise RequestRefusedError("A parameter that this route needs must be sent exactly once.", code="invalid-request")


def _resource(route: Route, resource: str, action: str, names: ResourceNames) -> ResourceTemplate:
    try:
        return ResourceTemplate(names.expand(resource, action))
    except ConfigurationError as problem:
        what = f"the resource of '{route.key}'"
        raise ConfigurationError([route.fault(f"{what}: {one.message}", one.mend) for one in problem.faults]) from None


def _faults(route: Route, path: PathTemplate) -> Iterable[Fault]:
    if not _METHOD.fullmatch(route.method):
        yield route.fault(f"'{route.method}' is not a method", "write it in capitals, or 'WS' for a WebSocket")
    if route.public:
        yield from _public_faults(route, path)
        return
    for action, resource in ((route.action, route.resource), *route.also):
        if not is_action(action):
            yield route.fault(f"'{action}' is not the action of '{route.key}'",
                              "write one action like 'docs:GetDocument'")
        if not resource:
            yield route.fault(f"'{route.key}' has no resource", "name one, or write '*' for an action without")
    if route.trailing_slash == "ignore" and (path.tail is not None or route.template == "/"):
        yield route.fault(f"'{route.key}' cannot ignore a trailing slash", "remove 'trailing_slash'")
    for key, source in route.context:
        if ":" not in key or key.lower().startswith(_OUR_KEYS):
            yield route.fault(f"the context key '{key}' of '{route.key}' is not yours to set",
                              "use a prefix of your own, such as 'orders:Status'")
        if not _SOURCE.fullmatch(source) or ("." not in source.removeprefix("path.")
                                             and source.removeprefix("path.") not in path.names):
            yield route.fault(f"'{source}' is not a source for '{key}' of '{route.key}'",
                              "use 'query.name', 'header.name', 'claim.name' or a placeholder of the path")


def _public_faults(route: Route, path: PathTemplate) -> Iterable[Fault]:
    if route.action or route.resource or route.also or route.context:
        yield route.fault(f"'{route.key}' is public and has an action", "keep one of the two")
    if not path.is_public_shape():
        yield route.fault(f"'{route.key}' is too wide to be public",
                          "name exact paths, or a tree under a literal prefix such as '/public/{p:path}'")
