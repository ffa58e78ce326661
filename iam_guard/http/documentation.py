"""The documentation pages of an application, opened all together."""

from __future__ import annotations

from typing import Any

from iam_guard.http.mapper import RequestMapper
from iam_guard.http.route import Route

#: Where FastAPI serves its documentation: (attribute of the application, what it is by default).
_PAGES = (("docs_url", "/docs"), ("redoc_url", "/redoc"), ("openapi_url", "/openapi.json"),
          ("swagger_ui_oauth2_redirect_url", "/docs/oauth2-redirect"))


def public_documentation(app: Any, mapper: RequestMapper) -> RequestMapper:
    """The route map with the documentation pages open, all of them: a page is useless without its schema.

    They become lines of the map like any other public route.
    """
    paths = {getattr(app, attribute, default) for attribute, default in _PAGES}
    known = {route.key for route in mapper.routes}
    lines = (Route("GET", path, public=True) for path in sorted(filter(None, paths)))
    return RequestMapper((*mapper.routes, *(line for line in lines if line.key not in known)), names=mapper.names)
