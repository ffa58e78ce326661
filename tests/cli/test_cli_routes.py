"""``iam-guard routes``: what guards each route of an application, and the order trap."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SHOP = """\
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.mapper import PUBLIC, RequestMapper


class Nobody:
    async def authenticate(self, request):
        return None

    def challenges(self):
        return ("Bearer",)

    async def start(self): ...

    async def close(self): ...


guard = Guard(PolicySet())
trap = []


def route(function):  # a framework's decorator, as it keeps what it is given
    trap.append(function)
    return function


@guard.requires("shop:GetItem", resource="item/{item_id}")
@route
async def trapped(request, item_id):
    return JSONResponse({})


@guard.requires("shop:ListItems", resource="items")
async def listed(request):
    return JSONResponse([])


async def plain(request):
    return JSONResponse({})


async def feed(socket):
    await socket.accept()


def create_app():
    return Starlette(routes=[
        Route("/items", listed),
        Route("/items/{item_id}", trap[0]),
        Route("/items", plain, methods=["POST"]),
        Route("/health", plain),
        WebSocketRoute("/feed", feed),
        Mount("/v2", routes=[Route("/items", plain)]),
    ])


app = create_app()
mapped = RequestMapper({"GET /health": PUBLIC, "GET /items": ("shop:ListItems", "items"),
                        "POST /items": ("shop:CreateItem", "items"), "GET /items/{id}": ("shop:GetItem", "item/{id}"),
                        "WS /feed": ("shop:Follow", "feed"), "GET /v2/items": ("shop:ListItems", "items")})
inside = IAMGuardMiddleware(create_app(), guard=guard, authenticator=Nobody(), mapper=mapped)
mounting = Starlette(routes=[Mount("/shop", app=inside), Route("/health", plain)])
documented = IAMGuardMiddleware(Starlette(routes=[Route("/docs", plain)]), guard=guard, authenticator=Nobody(),
                                mapper=RequestMapper({"GET /x": PUBLIC}), docs_public=True)
number = 7
"""
MAP = """\
version: 1
routes:
  GET /health: public
  POST /items: {action: shop:CreateItem, resource: items}
  GET /{p:path}: {action: shop:Other, resource: "other/{p}"}
  GET /v2/items: {action: shop:ListItems, resource: items}
  GET /gone: {action: shop:Gone, resource: gone}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an application, which is the current one."""
    (tmp_path / "shop_of_test.py").write_text(SHOP)
    (tmp_path / "routes.yaml").write_text(MAP)
    (tmp_path / "broken_shop.py").write_text("raise RuntimeError('no database')\n")
    (tmp_path / "needy_shop.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("shop_of_test", "broken_shop", "needy_shop"):
        sys.modules.pop(name, None)


def listed(run: Any, *arguments: Any) -> dict[str, dict[str, Any]]:
    result = run("routes", *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return {f"{line['method']} {line['template']}": line for line in json.loads(result.stdout)}


def test_without_a_map_only_decorators_guard(run: Any, shop: Path) -> None:
    lines = listed(run, "shop_of_test:app")
    assert {key: line["state"] for key, line in lines.items()} == {
        "GET /items": "guarded", "GET /items/{item_id}": "unguarded", "POST /items": "unguarded",
        "GET /health": "unguarded", "WS /feed": "unguarded", "GET /v2/items": "unguarded"}
    assert (lines["GET /items"]["action"], lines["GET /items"]["by"]) == ("shop:ListItems", "decorator")


def test_a_check_above_the_route_decorator_is_found(run: Any, shop: Path) -> None:
    line = listed(run, "shop_of_test:app")["GET /items/{item_id}"]
    assert "never runs" in line["remark"]
    assert (Path(line["file"]).name, line["line"] > 0) == ("shop_of_test.py", True)


def test_a_map_guards_opens_and_may_hold_too_much(run: Any, shop: Path) -> None:
    lines = listed(run, "shop_of_test:create_app", "--factory", "--map", "routes.yaml")
    assert {key: line["state"] for key, line in lines.items() if "{item_id}" not in key} == {
        "GET /items": "guarded", "POST /items": "guarded", "GET /health": "public", "WS /feed": "unguarded",
        "GET /v2/items": "guarded", "GET /gone": "unused"}
    assert lines["GET /v2/items"]["action"] == "shop:ListItems"  # the narrowest line decides, not the widest
    assert lines["GET /items"]["by"] == "map and decorator"


def test_the_map_of_the_middleware_is_taken(run: Any, shop: Path) -> None:
    lines = listed(run, "shop_of_test:inside")
    assert [line["state"] for line in lines.values()].count("unguarded") == 0
    assert lines["GET /health"]["state"] == "public"


def test_the_map_of_a_mounted_guard_is_taken_for_what_is_mounted(run: Any, shop: Path) -> None:
    lines = listed(run, "shop_of_test:mounting")
    assert {key: line["state"] for key, line in lines.items()} == {
        "GET /shop/items": "guarded", "GET /shop/items/{item_id}": "guarded", "POST /shop/items": "guarded",
        "GET /shop/health": "public", "WS /shop/feed": "guarded", "GET /shop/v2/items": "guarded",
        "GET /health": "unguarded"}
    assert lines["POST /shop/items"]["action"] == "shop:CreateItem"


def test_documentation_pages_that_the_guard_opened_are_public(run: Any, shop: Path) -> None:
    assert listed(run, "shop_of_test:documented")["GET /docs"]["state"] == "public"


def test_strict_fails_when_anything_is_unguarded(run: Any, shop: Path) -> None:
    assert run("routes", "shop_of_test:app", "--strict").exit_code == 1
    assert run("routes", "shop_of_test:inside", "--strict").exit_code == 0
    assert run("routes", "shop_of_test:app").exit_code == 0


def test_the_table_lists_every_route(run: Any, shop: Path) -> None:
    result = run("routes", "shop_of_test:app", "--map", "routes.yaml")
    assert "public" in result.stdout
    assert "shop:CreateItem on items" in result.stdout
    assert "WS /feed: nothing guards this route" in result.stderr
    assert "1 public" in result.stderr


def test_settings_name_the_map(run: Any, shop: Path) -> None:
    (shop / "iam/everyone").mkdir(parents=True)
    (shop / "iam/everyone/none.yaml").write_text(
        'Version: "2012-10-17"\nStatement: {Effect: Deny, Action: "*", Resource: "*"}\n')
    (shop / "iam-guard.yaml").write_text(
        "policies: iam/\nroutes: {file: routes.yaml}\nissuers:\n"
        '  - {issuer: "https://idp.example", audience: shop, algorithms: [RS256], discovery: true}\n')
    assert listed(run, "shop_of_test:app", "--config", "iam-guard.yaml")["GET /health"]["state"] == "public"
    assert run("routes", "shop_of_test:app", "--config", "iam-guard.yaml", "--map", "routes.yaml").exit_code == 2


CANNOT = {
    "shop_of_test": "module:app", "nothing_here:app": "there is no module 'nothing_here'",
    "shop_of_test:nothing": "there is no 'nothing' in 'shop_of_test'", "broken_shop:app": "no database",
    "needy_shop:app": "needs 'nowhere_to_be_found'", "shop_of_test:number": "no routes were found",
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_is_no_application_is_told(run: Any, shop: Path, name: str) -> None:
    result = run("routes", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert CANNOT[name] in result.stderr
    assert "Traceback" not in result.output


def test_a_map_with_a_typo_is_refused_with_its_place(run: Any, shop: Path) -> None:
    (shop / "routes.yaml").write_text("version: 1\nroutes:\n  GET /a: {acton: a:B, resource: x}\n")
    result = run("routes", "shop_of_test:app", "--map", "routes.yaml")
    assert result.exit_code == 1
    assert result.stderr.startswith("routes.yaml:3:")
