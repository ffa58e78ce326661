"""What an application serves, compared with the route map."""

from __future__ import annotations

from typing import Any

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.guard import Guard
from iam_guard.http.app_routes import census
from iam_guard.http.mapper import RequestMapper, Route

#: Where FastAPI serves its documentation: (attribute of the application, what it is by default).
_DOCUMENTATION = (("docs_url", "/docs"), ("redoc_url", "/redoc"), ("openapi_url", "/openapi.json"),
                  ("swagger_ui_oauth2_redirect_url", "/docs/oauth2-redirect"))


def public_documentation(app: Any, mapper: RequestMapper) -> RequestMapper:
    """The route map with the documentation pages open, all of them: a page is useless without its schema.

    They become lines of the map like any other public route.
    """
    paths = {getattr(app, attribute, default) for attribute, default in _DOCUMENTATION}
    known = {route.key for route in mapper.routes}
    lines = (Route("GET", path, public=True) for path in sorted(filter(None, paths)))
    return RequestMapper((*mapper.routes, *(line for line in lines if line.key not in known)), names=mapper.names)


def refuse_unguarded(app: Any, mapper: RequestMapper, guard: Guard) -> None:
    """Refuse an application with a route that no rule maps, or with a requirement that never runs.

    Raises:
        ConfigurationError: with every such route and how to mend it.
    """
    found = census(app, decorated=[one for requirement in guard.requirements for one in requirement.functions])
    faults = [Fault(f"'{one.key}' ({one.endpoint}) has no rule, so nobody may call it", "map it, or remove it",
                    line=one.line, file=one.file) for one in found.unmapped(mapper)]
    faults += [Fault(f"the check of '{one.key}' ({one.endpoint}) never runs",
                     "put guard.requires below the route decorator", line=one.line, file=one.file)
               for one in found.shadowed]
    if faults:
        raise ConfigurationError(faults)
