"""The ``routes`` section to a route map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iam_guard.config.place import Origin
from iam_guard.config.schema import RouteSettings
from iam_guard.errors import ConfigurationError, DocumentError, Fault
from iam_guard.http.app_routes import routes_from_app
from iam_guard.http.map_file import mapper_from_yaml
from iam_guard.http.mapper import RequestMapper, Route
from iam_guard.http.naming import ResourceNames
from iam_guard.http.openapi import routes_from_openapi
from iam_guard.policy.source import SourceText


@dataclass(frozen=True, slots=True)
class RouteSources:
    """Routes that files name, and whether those of the application's decorators count too.

    Attributes:
        routes: Of the files.
        names: Completes short resource names.
        from_app: Ask the application as well.
    """

    routes: tuple[Route, ...]
    names: ResourceNames
    from_app: bool = False

    def mapper(self, app: Any) -> RequestMapper:
        """The route map of an application.

        Raises:
            ConfigurationError: two routes claim the same paths, or one is wrong.
        """
        own = routes_from_app(app) if self.from_app else ()
        return RequestMapper((*self.routes, *own), names=self.names)


def read_routes(section: str | RouteSettings, origin: Origin, names: ResourceNames) -> RouteSources:
    """Read the files of the section.

    Raises:
        ConfigurationError: with everything that is wrong in them.
    """
    settings = RouteSettings(file=section) if isinstance(section, str) else section
    if not (settings.file or settings.openapi or settings.app):
        raise ConfigurationError(origin.fault("/routes", "no routes are named",
                                              "write 'file: routes.yaml', 'openapi: ...' or 'app: true'"))
    faults: list[Fault] = []
    routes: list[Route] = []
    if settings.file:
        routes += origin.attempt(faults, "", lambda: _from_map(settings.file, origin, names)) or ()
    if settings.openapi:
        routes += origin.attempt(faults, "", lambda: _from_openapi(settings, origin)) or ()
    if routes and not faults:
        origin.attempt(faults, "/routes", lambda: RequestMapper(routes, names=names))
    if faults:
        raise ConfigurationError(faults)
    return RouteSources(tuple(routes), names, settings.app)


def _from_map(file: str, origin: Origin, names: ResourceNames) -> tuple[Route, ...]:
    path = _existing(file, origin, "/routes")
    mapper = mapper_from_yaml(path)
    if mapper.names not in (ResourceNames(), names):
        raise ConfigurationError(Fault("'resources' of the route map are not those of the guard",
                                       "write them in the settings of the guard alone", "/resources", file=str(path)))
    return mapper.routes


def _from_openapi(settings: RouteSettings, origin: Origin) -> tuple[Route, ...]:
    path = _existing(settings.openapi, origin, "/routes/openapi")
    source = SourceText(path.read_text("utf-8"), file=str(path), is_yaml=path.suffix != ".json")
    try:
        document = source.value()
    except DocumentError as refused:
        raise ConfigurationError(refused.faults) from None
    try:
        return routes_from_openapi(document, naming=settings.naming, unmapped=settings.unmapped, file=str(path))
    except ConfigurationError as refused:
        place = Origin(str(path), path.parent, source.position)
        raise ConfigurationError(place.fault(fault.pointer, fault.message, fault.mend)
                                 for fault in refused.faults) from None


def _existing(file: str, origin: Origin, at: str) -> Path:
    path = origin.path(file)
    if not path.is_file():
        raise ConfigurationError(origin.fault(at, f"there is no file '{path}'", "correct the path"))
    return path
