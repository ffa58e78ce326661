"""Application A of the threat catalogue, section 2: its map, its router, and how a server describes a request."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router, WebSocketRoute

from iam_guard.http.mapper import PUBLIC, RequestMapper
from iam_guard.http.request import EdgeSettings, HTTPRequest

TRUSTING = EdgeSettings(trusted_proxies=("10.9.0.0/16",),
                        identity_headers=("X-IAM-Principal", "X-IAM-Groups", "X-IAM-Role"))

ROUTES = {
    "GET /health": PUBLIC,
    "GET /public/{p:path}": PUBLIC,
    "GET /items": ("app:ListItems", "arn:iamg:items:eu:t1:items"),
    "POST /items": ("app:CreateItem", "arn:iamg:items:eu:t1:items"),
    "GET /items/{id}": ("app:GetItem", "arn:iamg:items:eu:t1:item/{id}"),
    "PUT /items/{id}": ("app:PutItem", "arn:iamg:items:eu:t1:item/{id}"),
    "DELETE /items/{id}": ("app:DeleteItem", "arn:iamg:items:eu:t1:item/{id}"),
    "GET /files/{p:path}": ("app:GetFile", "arn:iamg:files:eu:t1:file/{p:path}"),
    "GET /tenants/{t}/docs/{d}": ("app:GetDoc", "arn:iamg:docs:eu:{t}:doc/{d}"),
    "GET,POST /admin": ("app:Admin", "arn:iamg:admin:eu:t1:console/"),
    "GET,POST /admin/{p:path}": ("app:Admin", "arn:iamg:admin:eu:t1:console/{p:path}"),
    "WS /ws/feed": ("app:Subscribe", "arn:iamg:feed:eu:t1:feed/main"),
    "GET /sub/x": ("app:SubX", "arn:iamg:sub:eu:t1:sub/x"),
    "GET /sub/admin": ("app:SubAdmin", "arn:iamg:sub:eu:t1:sub/admin"),
    "GET /num/{n:int}": ("app:GetNum", "arn:iamg:num:eu:t1:num/{n}"),
    "GET /events": ("app:Subscribe", "arn:iamg:feed:eu:t1:feed/main"),
}
MAPPER = RequestMapper(ROUTES)


def endpoint(name: str) -> Any:
    async def handler(request: Any) -> PlainTextResponse:
        return PlainTextResponse(name)

    handler.__name__ = name
    return handler


def router() -> Router:
    """The router of application A."""
    return Router([
        Route("/health", endpoint("health")),
        Route("/public/{p:path}", endpoint("public")),
        Route("/items", endpoint("items"), methods=["GET", "POST"]),
        Route("/items/{id}", endpoint("item"), methods=["GET", "PUT", "DELETE"]),
        Route("/files/{p:path}", endpoint("file")),
        Route("/tenants/{t}/docs/{d}", endpoint("doc")),
        Route("/admin", endpoint("admin"), methods=["GET", "POST"]),
        Route("/admin/{p:path}", endpoint("admin_tree"), methods=["GET", "POST"]),
        WebSocketRoute("/ws/feed", endpoint("feed")),
        Mount("/sub", routes=[Route("/x", endpoint("sub_x")), Route("/admin", endpoint("sub_admin"))]),
        Route("/num/{n:int}", endpoint("num")),
        Route("/events", endpoint("events")),
        Route("/forgot", endpoint("forgot")),
    ])


def app() -> Starlette:
    """Application A."""
    return Starlette(routes=router().routes)


def scope_of(target: str | bytes, method: str = "GET", *headers: tuple[str, str | bytes],
             **more: Any) -> dict[str, Any]:
    """Describe a request line as uvicorn with h11 does: split at the first ``?``, decoded leniently."""
    raw = target if isinstance(target, bytes) else target.encode()
    raw_path, _, query = raw.partition(b"?")
    fields = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
    if not any(name.lower() == b"host" for name, _ in fields):
        fields.insert(0, (b"host", b"app.example"))
    return {"type": "http", "method": method, "path": unquote(raw_path.decode("latin-1")), "raw_path": raw_path,
            "query_string": query, "headers": fields, "scheme": "http", "http_version": "1.1",
            "client": ("203.0.113.7", 4711), "root_path": "", **more}


def take(target: str | bytes, method: str = "GET", *headers: tuple[str, str | bytes], edge: EdgeSettings = TRUSTING,
         **more: Any) -> HTTPRequest:
    """The snapshot of a request line."""
    return HTTPRequest.from_scope(scope_of(target, method, *headers, **more), edge)
