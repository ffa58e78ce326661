"""Route maps in YAML (or JSON): read whole or not at all, every fault with its line and a mend.

    version: 1
    resources: {partition: app, region: eu, account: "123456789012"}
    routes:
      GET /health: public
      GET /orders/{order_id}: {action: orders:GetOrder, resource: "order/{order_id}"}
      POST /orders/{id}:
        action: orders:CreateOrder
        resource: order/{id}
        also:
          - {action: orders:GetOrder, resource: "order/{query.from}"}
        context: {"orders:Status": query.status}
        trailing_slash: ignore

``routes`` may also be a list of mappings with the key ``route``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from iam_guard.errors import ConfigurationError, DocumentError, Fault
from iam_guard.http.mapper import RequestMapper, Route, split_key
from iam_guard.http.naming import ResourceNames
from iam_guard.policy.source import Pairs, SourceText, members, pointer

_TOP = ("version", "resources", "routes")
_RESOURCES = ("partition", "region", "account")
_ROUTE = ("action", "resource", "public", "also", "context", "trailing_slash")
_PAIR = ("action", "resource")


def mapper_from_yaml(path: str | Path) -> RequestMapper:
    """Read a route map file.

    Raises:
        ConfigurationError: with every fault that was found, each with file, line, column and key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(Fault(f"the route map '{path}' cannot be read: {problem}")) from problem
    return mapper_from_text(text, file=str(path))


def mapper_from_text(text: str, *, file: str = "") -> RequestMapper:
    """Read a route map.

    Args:
        text: YAML or JSON.
        file: Its name, for faults.

    Raises:
        ConfigurationError: with every fault that was found.
    """
    return _Reader(SourceText(text, file=file, is_yaml=True)).mapper()


class _Reader:
    def __init__(self, source: SourceText) -> None:
        self._source = source
        self._faults: list[Fault] = []

    def mapper(self) -> RequestMapper:
        try:
            document = self._source.value()
        except DocumentError as problem:
            raise ConfigurationError(problem.faults) from None
        top = self._mapping(document, "", _TOP, "a route map")
        if str(top.get("version")) != "1":
            self._fault("/version", "the route map does not say its version", "write 'version: 1'")
        names = self._names(top.get("resources", {}))
        routes = list(self._routes(top.get("routes")))
        if self._faults:
            raise ConfigurationError(self._faults)
        return RequestMapper(routes, names=names)

    def _fault(self, at: str, message: str, mend: str = "") -> None:
        line, column = self._source.position(at)
        place = at.removesuffix("#key")
        self._faults.append(Fault(message, mend, place, line, column, self._source.file))

    def _mapping(self, value: Any, at: str, known: tuple[str, ...], what: str) -> Mapping[str, Any]:
        """Check that *value* is a mapping without unknown and repeated keys."""
        if not isinstance(value, Mapping):
            self._fault(at, f"{what} has to be a mapping", f"write keys such as '{known[0]}:'")
            return {}
        for key in value:
            if key not in known:
                close = get_close_matches(key, known, 1)
                self._fault(pointer(at, key) + "#key", f"'{key}' is not a key of {what}",
                            f"did you mean '{close[0]}'?" if close else f"known keys are {', '.join(known)}")
        self._check_repeated(value, at)
        return value

    def _check_repeated(self, value: Mapping[str, Any], at: str) -> None:
        for key in value.repeated() if isinstance(value, Pairs) else ():
            self._fault(pointer(at, key) + "#key", f"the key '{key}' is given twice", "keep one of them")

    def _names(self, value: Any) -> ResourceNames:
        given = self._mapping(value, "/resources", _RESOURCES, "resources")
        texts = {key: self._text(given[key], f"/resources/{key}", key) for key in _RESOURCES if key in given}
        try:
            return ResourceNames(**texts)
        except ConfigurationError as problem:
            for fault in problem.faults:
                self._fault("/resources", fault.message, fault.mend)
            return ResourceNames()

    def _text(self, value: Any, at: str, what: str) -> str:
        if isinstance(value, str):
            return str(value)
        self._fault(at, f"'{what}' has to be text", "put it in quotes")
        return ""

    def _routes(self, value: Any) -> Iterator[Route]:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._listed_route(item, f"/routes/{index}")
        elif isinstance(value, Mapping):
            self._check_repeated(value, "/routes")
            for key, target in members(value):
                yield from self._route(key, target, pointer("/routes", key), _ROUTE)
        if not value or not isinstance(value, list | Mapping):
            self._fault("/routes", "the route map has no routes", "write lines like 'GET /health: public'")

    def _listed_route(self, item: Any, at: str) -> Iterator[Route]:
        given = item if isinstance(item, Mapping) else {}
        key = given.get("route")
        if not isinstance(key, str):
            self._fault(at, "an item of 'routes' has no 'route'", "write 'route: GET /items/{id}'")
        else:
            yield from self._route(key, given, at, ("route", *_ROUTE))

    def _route(self, key: str, target: Any, at: str, known: tuple[str, ...]) -> Iterator[Route]:
        try:
            methods, template = split_key(key)
        except ConfigurationError as problem:
            for fault in problem.faults:
                self._fault(at + "#key", fault.message, fault.mend)
            return
        if isinstance(target, str) and target != "public":
            self._fault(at, f"'{target}' is not what a route can be", "write 'public', or a mapping with 'action'")
            return
        given = {"public": True} if target == "public" else self._mapping(target, at, known, "a route")
        line, column = self._source.position(at + "#key")
        options = self._options(given, at)
        for method in methods:
            yield Route(method, template, file=self._source.file, line=line, column=column,
                        websocket=method == "WS", **options)

    def _options(self, given: Mapping[str, Any], at: str) -> dict[str, Any]:
        public = given.get("public", False)
        if not isinstance(public, bool):
            self._fault(f"{at}/public", "'public' has to be true or false")
        if public is not True and "action" not in given:
            self._fault(at, "the route has no action", "write 'action: service:Name', or 'public'")
        slash = given.get("trailing_slash", "strict")
        if slash not in ("strict", "ignore"):
            self._fault(f"{at}/trailing_slash", "'trailing_slash' has to be 'strict' or 'ignore'")
        return {
            "public": public is True,
            "action": self._text(given.get("action", ""), f"{at}/action", "action"),
            "resource": self._text(given.get("resource", ""), f"{at}/resource", "resource"),
            "also": tuple(self._also(given.get("also", []), f"{at}/also")),
            "context": tuple(self._context(given.get("context", {}), f"{at}/context")),
            "trailing_slash": _slash(slash),
        }

    def _also(self, value: Any, at: str) -> Iterator[tuple[str, str]]:
        if not isinstance(value, list):
            self._fault(at, "'also' has to be a list of actions with resources")
            return
        for index, item in enumerate(value):
            here = f"{at}/{index}"
            given = self._mapping(item, here, _PAIR, "'also'")
            yield (self._text(given.get("action"), f"{here}/action", "action"),
                   self._text(given.get("resource"), f"{here}/resource", "resource"))

    def _context(self, value: Any, at: str) -> Iterator[tuple[str, str]]:
        if not isinstance(value, Mapping):
            self._fault(at, "'context' has to be a mapping of condition keys to sources")
            return
        self._check_repeated(value, at)
        for key, source in value.items():
            yield key, self._text(source, pointer(at, key), key)


def _slash(value: Any) -> Literal["strict", "ignore"]:
    return "ignore" if value == "ignore" else "strict"
