"""A census of an application's routes: which are checked by a decorator, which are not, which only seem to be."""

from __future__ import annotations

from dataclasses import dataclass

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.mapper import RequestMapper, Route

#: Stands for every method, of an endpoint that decides by itself.
ANY = "*"
HANDLERS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Front:
    """A guard in front of a route.

    Attributes:
        mapper: Its own route map.
        template: The route, as this guard sees its path.
    """

    mapper: RequestMapper
    template: str

    def covers(self, method: str) -> bool:
        """Whether its map says what the route asks for."""
        methods = HANDLERS if method == ANY else (method,)
        try:
            return all(self.mapper.covers(one, self.template) for one in methods)
        except ConfigurationError:
            return False  # a template that the guard cannot read cannot be in its map either


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
        fronts: The guards in front of it, the outermost first.
    """

    method: str
    template: str
    endpoint: str
    checks: tuple[tuple[str, str], ...] = ()
    shadowed: bool = False
    file: str = ""
    line: int = 0
    host: str = ""
    fronts: tuple[Front, ...] = ()

    @property
    def is_asked(self) -> bool:
        """Whether guards stand in front of it, and each knows what it asks for."""
        return bool(self.fronts) and all(front.covers(self.method) for front in self.fronts)

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
        """Routes that nothing checks: no decorator, and no guard that was found in front of them."""
        return tuple(one for one in self.found if not one.checks and not one.is_asked)

    @property
    def shadowed(self) -> tuple[AppRoute, ...]:
        """Routes whose check was put above the framework's decorator and never runs."""
        return tuple(one for one in self.found if one.shadowed)

    def unmapped(self, mapper: RequestMapper) -> tuple[AppRoute, ...]:
        """Routes that *mapper* leaves closed, in whole or in part."""
        return tuple(one for one in self.found if not Front(mapper, one.template).covers(one.method))

    def routes(self) -> tuple[Route, ...]:
        """The guarded routes as lines of a route map."""
        return tuple(Route(one.method, one.template, *one.checks[0], also=one.checks[1:],
                           websocket=one.method == "WS", file=one.file, line=one.line)
                     for one in self.guarded if one.method != ANY)

    def require_guarded(self, mapper: RequestMapper | None = None) -> None:
        """Refuse to start with routes that nothing checks.

        Args:
            mapper: The map of a middleware; routes it covers need no decorator. Guards that stand around the
                application, or around what is mounted in it, are found without.

        Raises:
            ConfigurationError: naming every such route, and every check that never runs.
        """
        open_routes = self.unguarded if mapper is None else [
            one for one in self.unmapped(mapper) if not one.checks and not one.is_asked]
        faults = [_shadow_fault(one) for one in self.shadowed]
        faults += [Fault(f"'{one.key}' ({one.endpoint}) is not guarded", "map it, or decorate it with guard.requires",
                         line=one.line, file=one.file) for one in open_routes if not one.shadowed]
        if faults:
            raise ConfigurationError(faults)


def _shadow_fault(one: AppRoute) -> Fault:
    return Fault(f"the check of '{one.key}' ({one.endpoint}) never runs: it stands above the route decorator",
                 "put guard.requires below the route decorator", line=one.line, file=one.file)
