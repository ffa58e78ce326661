"""The census of an application: nothing is missed, and a check that never runs is found."""

from __future__ import annotations

import functools
from typing import Any

import fastapi
import pytest
from http_fixture import MAPPER, app, endpoint
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute

from iam_guard.decorators import Requirement
from iam_guard.errors import ConfigurationError
from iam_guard.http.app_routes import census, routes_from_app
from iam_guard.http.mapper import PUBLIC, RequestMapper

CHECK: Any = object()
GET_DOC = Requirement(CHECK, "docs:Get", "arn:app:docs:::document/{doc_id}", {})
AUDIT = Requirement(CHECK, "docs:Audit", "arn:app:docs:::log", {})
GET_DOC_PAIR = ("docs:Get", "arn:app:docs:::document/{doc_id}")


@GET_DOC
async def read_document(doc_id: str) -> str:
    return doc_id


async def bare(doc_id: str) -> str:
    return doc_id


async def trapped(doc_id: str) -> str:
    return doc_id


registered = trapped  # what the framework kept
trapped = GET_DOC(trapped)


def keys(found: Any) -> set[str]:
    return {one.key for one in found}


def test_every_route_of_application_a_is_found() -> None:
    assert keys(census(app()).found) == {
        "GET /health", "GET /public/{p:path}", "GET /items", "POST /items", "GET /items/{id}", "PUT /items/{id}",
        "DELETE /items/{id}", "GET /files/{p:path}", "GET /tenants/{t}/docs/{d}", "GET /admin", "POST /admin",
        "GET /admin/{p:path}", "POST /admin/{p:path}", "WS /ws/feed", "GET /sub/x", "GET /sub/admin",
        "GET /num/{n:int}", "GET /events", "GET /forgot"}


def test_what_the_map_leaves_closed_is_told() -> None:
    found = census(app())
    assert keys(found.unmapped(MAPPER)) == {"GET /forgot"}  # P22.1
    with pytest.raises(ConfigurationError, match="'GET /forgot'") as caught:
        found.require_guarded(MAPPER)
    assert len(caught.value.faults) == 1


def test_a_guard_on_a_mount_leaves_the_outer_routes_uncovered() -> None:
    mapper = RequestMapper({"GET /sub/admin": ("a:B", "*"), "GET /sub/x": ("a:B", "*")})
    assert "GET /admin" in keys(census(app()).unmapped(mapper))  # P16.5
    assert "GET /sub/admin" not in keys(census(app()).unmapped(mapper))


def test_mounts_hosts_and_classes() -> None:
    class Things(HTTPEndpoint):
        @GET_DOC
        async def get(self, doc_id: str) -> None: ...

        async def post(self, request: Any) -> None: ...

    async def asgi(scope: Any, receive: Any, send: Any) -> None: ...

    inner = Starlette(routes=[Route("/deep", endpoint("deep")), WebSocketRoute("/ws", endpoint("ws"))])
    found = census(Router([
        Mount("/sub", routes=[Mount("/inner", app=inner)]), Mount("/static", app=asgi),
        Host("api.example", app=Router([Route("/hosted", endpoint("hosted"))])), Route("/things/{doc_id}", Things),
    ]))
    assert keys(found.found) == {"GET /sub/inner/deep", "WS /sub/inner/ws", "* /static/{path:path}", "GET /hosted",
                                 "GET /things/{doc_id}", "POST /things/{doc_id}"}
    assert keys(found.guarded) == {"GET /things/{doc_id}"}
    assert {one.host for one in found.found} == {"", "api.example"}


def test_a_mounted_application_is_covered_by_a_tree_for_every_method_only() -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None: ...

    found = census(Router([Mount("/private", app=asgi)]))  # mw-25
    assert keys(found.unmapped(RequestMapper({"GET /private/{p:path}": ("a:B", "*")}))) == {"* /private/{path:path}"}
    assert not found.unmapped(RequestMapper(
        {"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS /private/{p:path}": ("a:B", "*")}))


def fastapi_app() -> fastapi.FastAPI:
    application = fastapi.FastAPI(openapi_url=None)
    documents = fastapi.APIRouter(prefix="/documents")
    documents.get("/{doc_id}")(read_document)
    documents.delete("/{doc_id}", dependencies=[fastapi.Depends(GET_DOC), fastapi.Depends(AUDIT)])(bare)
    documents.put("/{doc_id}")(bare)
    outer = fastapi.APIRouter(prefix="/v1")
    outer.include_router(documents)

    @outer.websocket("/feed")
    async def feed(websocket: fastapi.WebSocket) -> None: ...

    application.include_router(outer)
    application.get("/late/{doc_id}")(registered)
    return application


def test_included_routers_of_fastapi_are_walked() -> None:
    found = census(fastapi_app())
    assert keys(found.found) == {"GET /v1/documents/{doc_id}", "DELETE /v1/documents/{doc_id}",
                                 "PUT /v1/documents/{doc_id}", "WS /v1/feed", "GET /late/{doc_id}"}
    assert {one.key: one.checks for one in found.guarded} == {
        "GET /v1/documents/{doc_id}": (GET_DOC_PAIR,),
        "DELETE /v1/documents/{doc_id}": (GET_DOC_PAIR, ("docs:Audit", "arn:app:docs:::log"))}


def test_the_documentation_routes_are_found_too() -> None:
    assert keys(census(fastapi.FastAPI()).unguarded) == {  # mw-26
        "GET /openapi.json", "GET /docs", "GET /docs/oauth2-redirect", "GET /redoc"}


def test_a_check_above_the_route_decorator_is_found() -> None:
    found = census(fastapi_app())  # M13.1
    assert keys(found.shadowed) == {"GET /late/{doc_id}"}
    with pytest.raises(ConfigurationError) as caught:
        found.require_guarded()
    trap = next(fault for fault in caught.value.faults if "/late" in fault.message)
    assert "never runs" in trap.message
    assert trap.file.endswith("test_app_routes.py")
    assert trap.line > 0


def test_a_check_that_never_runs_stops_the_start_even_where_a_middleware_covers() -> None:
    mapper = RequestMapper({"GET /late/{doc_id}": ("a:B", "*")})
    with pytest.raises(ConfigurationError, match="never runs"):
        census(Router([Route("/late/{doc_id}", registered)])).require_guarded(mapper)


def test_the_trap_is_found_in_local_functions_through_the_requirement() -> None:
    requirement = Requirement(CHECK, "docs:Get", "arn:app:docs:::document/1", {})

    async def local() -> None: ...

    requirement(local)
    application = Router([Route("/x", local)])
    assert not census(application).shadowed
    assert keys(census(application, decorated=requirement.functions).shadowed) == {"GET /x"}


def test_partials_objects_and_methods_are_looked_into() -> None:
    class Handler:
        @GET_DOC
        async def __call__(self, doc_id: str) -> None: ...

        @GET_DOC
        async def method(self, doc_id: str) -> None: ...

    handler = Handler()
    found = census(Router([  # M13.4
        Route("/partial", functools.partial(read_document, doc_id="1")), Route("/object", handler),
        Route("/method", handler.method), Route("/wrapped", GET_DOC(functools.partial(bare)))]))
    assert keys(found.guarded) == {"GET /partial", "* /object", "GET /method", "GET /wrapped"}


def test_guarded_routes_become_a_map() -> None:
    routes = routes_from_app(fastapi_app())
    assert [(route.key, route.action) for route in routes] == [
        ("GET /v1/documents/{doc_id}", "docs:Get"), ("DELETE /v1/documents/{doc_id}", "docs:Get")]
    assert routes[1].also == (("docs:Audit", "arn:app:docs:::log"),)
    RequestMapper(routes)


def test_a_middleware_around_the_application_hides_nothing() -> None:
    class Around:
        def __init__(self, application: Any) -> None:
            self.app = application

    assert census(Around(Around(app()))).found == census(app()).found


@pytest.mark.parametrize("nothing", [Router([]), object(), None])
def test_an_empty_census_is_a_fault(nothing: Any) -> None:
    with pytest.raises(ConfigurationError, match="no routes"):
        census(nothing)


def test_a_route_nobody_understands_is_unguarded() -> None:
    class Strange:
        pass

    application: Any = type("App", (), {"routes": [Strange()]})()
    assert keys(census(application).unguarded) == {"* /{path:path}"}


def test_public_routes_count_as_covered() -> None:
    census(Router([Route("/health", endpoint("health"))])).require_guarded(RequestMapper({"GET /health": PUBLIC}))


class Guarding:
    """What a guard looks like from outside."""

    def __init__(self, app: Any, mapper: Any) -> None:
        self.app = app
        self.mapper = mapper


def small() -> Starlette:
    return Starlette(routes=[Route("/a", endpoint("a")), Route("/b", endpoint("b"))])


def test_a_guard_around_the_application_is_found() -> None:
    assert keys(census(Guarding(small(), None)).unguarded) == {"GET /a", "GET /b"}  # some other middleware
    found = census(Guarding(Guarding(small(), None), RequestMapper({"GET /a": ("s:A", "*")})))
    assert keys(found.unguarded) == {"GET /b"}
    with pytest.raises(ConfigurationError) as caught:
        found.require_guarded()
    assert [fault.message.split("'")[1] for fault in caught.value.faults] == ["GET /b"]
    census(Guarding(small(), RequestMapper({"GET /a": ("s:A", "*"), "GET /b": PUBLIC}))).require_guarded()


def test_a_guard_around_a_mounted_application_sees_paths_without_the_mount() -> None:
    mapper = RequestMapper({"GET /a": ("s:A", "*"), "GET /in/b": ("s:B", "*")})
    found = census(Router([Mount("/in", app=Guarding(small(), mapper)), Route("/a", endpoint("outer"))]))
    assert keys(found.found) == {"GET /in/a", "GET /in/b", "GET /a"}
    assert keys(found.unguarded) == {"GET /in/b", "GET /a"}


def test_each_of_two_guards_has_to_know_a_route() -> None:
    inner = RequestMapper({"GET /a": ("s:A", "*"), "GET /b": ("s:B", "*")})
    outer = RequestMapper({"GET /in/a": ("s:Enter", "*")})
    found = census(Guarding(Router([Mount("/in", app=Guarding(small(), inner))]), outer))
    assert keys(found.unguarded) == {"GET /in/b"}
    assert [[front.template for front in one.fronts] for one in found.found] == [["/in/a", "/a"], ["/in/b", "/b"]]


def test_a_guard_that_the_application_adds_itself_is_found_with_its_documentation_pages() -> None:
    application = fastapi.FastAPI()
    application.get("/a")(endpoint("a"))
    mapper = RequestMapper({"GET /a": ("s:A", "*")})
    application.add_middleware(Guarding, mapper=mapper)
    assert {one.template for one in census(application).unguarded} == {
        "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
    application.user_middleware[0].kwargs["docs_public"] = True
    assert census(application).unguarded == ()
