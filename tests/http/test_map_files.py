"""Route maps as files: read whole or not at all, faults with their place."""

from __future__ import annotations

from pathlib import Path

import pytest
from http_fixture import take

from iam_guard.errors import ConfigurationError
from iam_guard.http.map_file import mapper_from_text, mapper_from_yaml
from iam_guard.http.mapper import Match, RequestMapper
from iam_guard.http.openapi import OperationNaming, mapper_from_openapi

GOOD = """\
version: 1
resources: {partition: acme, region: eu, account: 123456789012}
routes:
  GET /health: public
  GET /public/{p:path}: {public: true}
  GET,POST /orders/{id}: {action: orders:GetOrder, resource: "order/{id}"}
  WS /feed: {action: orders:Subscribe, resource: "feed/main"}
  POST /orders/{id}/copy:
    action: orders:CreateOrder
    resource: order/{id}
    also:
      - {action: orders:GetOrder, resource: "order/{query.from}"}
    context: {"orders:Status": query.status}
    trailing_slash: ignore
"""


def checks(mapper: RequestMapper, target: str, method: str = "GET") -> tuple[tuple[str, str], ...]:
    request = take(target, method)
    found = mapper.match(request)
    assert isinstance(found, Match)
    return found.checks(request, {})


def test_a_map_is_read(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(GOOD)
    mapper = mapper_from_yaml(file)
    assert checks(mapper, "/health") == checks(mapper, "/public/x") == ()
    assert checks(mapper, "/orders/7", "POST") == (("orders:GetOrder", "arn:acme:orders:eu:123456789012:order/7"),)
    assert [pair[1][-7:] for pair in checks(mapper, "/orders/7/copy/?from=8", "POST")] == ["order/7", "order/8"]
    route = mapper.routes[-1]
    assert (route.file, route.line, route.context) == (str(file), 8, (("orders:Status", "query.status"),))


def test_routes_may_be_a_list() -> None:
    mapper = mapper_from_text("version: 1\nroutes:\n- {route: GET /x, action: a:B, resource: x}\n"
                              "- {route: GET /y, public: true}\n")
    assert [route.key for route in mapper.routes] == ["GET /x", "GET /y"]


def test_json_is_yaml() -> None:
    assert mapper_from_text('{"version": 1, "routes": {"GET /x": "public"}}').routes[0].public


FAULTS = [
    ("version: 1\nroutes:\n  GET /x: {acton: a:B, resource: x}", 3, 12, "'acton' is not a key",
     "did you mean 'action'?"),
    ("version: 1\nroute:\n  GET /x: public", 2, 1, "'route' is not a key", "did you mean 'routes'?"),
    ("version: 1\nresources: {acount: a}\nroutes: {GET /x: public}", 2, 13, "'acount'", "did you mean 'account'?"),
    ("version: 1\nroutes:\n  GET /x: public\n  GET /x: public", 4, 3, "'GET /x' is given twice", "keep one"),
    ("version: 1\nroutes:\n  GET /x: pubic", 3, 11, "'pubic' is not what a route can be", "'public'"),
    ("version: 1\nroutes:\n  GET /x: {action: a:B}", 3, 3, "'GET /x' has no resource", "'*'"),
    ("version: 1\nroutes:\n  GET /x: {resource: x}", 3, 11, "no action", "'action: service:Name'"),
    ("version: 1\nroutes:\n  /x: public", 3, 3, "'/x' does not name a method", "GET /items/{id}"),
    ("version: 1\nroutes:\n  GET /x/{i: public", 3, 3, "'/x/{i'", "/items/{id}"),
    ("version: 1\nroutes:\n  GET /{any}: public", 3, 3, "too wide to be public", "/public/{p:path}"),
    ("version: 1\nroutes:\n  GET /items/.*: public", 3, 3, "not plain text", "/items/{id}"),
    ("version: 1\nroutes:\n  GET /a/{x}: {action: a:B, resource: x}\n  GET /a/{y}: {action: a:B, resource: x}", 4, 3,
     "'GET /a/{x}' (line 3) and 'GET /a/{y}'", "remove one"),
    ("version: 1\nroutes:\n  GET /x: {action: a:B, resource: '{y}'}", 3, 3, "'{y}', which the path does not have",
     "query"),
    ("version: 2\nroutes: {GET /x: public}", 1, 10, "version", "version: 1"),
    ("routes: {GET /x: public}", 1, 1, "version", "version: 1"),
    ("version: 1", 1, 1, "no routes", "public"),
    ("version: 1\nroutes: []", 2, 9, "no routes", "public"),
    ("version: 1\nroutes: [GET /x]", 2, 10, "no 'route'", "route:"),
    ("version: 1\nroutes: {GET /x: {action: a:B, resource: x, also: {a: b}}}", 2, 51, "'also' has to be a list", ""),
    ("version: 1\nroutes: {GET /x: {action: a:B, resource: x, trailing_slash: no}}", 2, 61, "trailing_slash", ""),
    ("version: 1\nroutes: {GET /x: {public: 'yes'}}", 2, 27, "true or false", ""),
    ("version: 1\nroutes: {GET /x: {action: [a], resource: x}}", 2, 27, "'action' has to be text", "quotes"),
    ("version: 1\nroutes: &r\n  GET /x: public\nmore: *r", 2, 9, "anchors and aliases", ""),
    ("version: 1\nroutes: {GET /x: public}}\n", 2, 25, "not valid YAML", ""),
    ("[]", 1, 1, "a route map has to be a mapping", ""),
]


@pytest.mark.parametrize(("text", "line", "column", "message", "mend"), FAULTS)
def test_a_fault_says_where_it_is_and_what_to_write(text: str, line: int, column: int, message: str, mend: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        mapper_from_text(text, file="routes.yaml")
    fault = next(one for one in caught.value.faults if message in one.message)
    assert (fault.file, fault.line) == ("routes.yaml", line)
    assert fault.column == column
    assert mend in fault.mend


def test_every_fault_is_told_at_once() -> None:
    text = "version: 1\nroutes:\n  GET /x: {acton: a:B, action: a:B, resource: x}\n  /y: public\n  GET /z: closed\n"
    with pytest.raises(ConfigurationError) as caught:
        mapper_from_text(text)
    assert [fault.line for fault in caught.value.faults] == [3, 4, 5]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        mapper_from_yaml(tmp_path / "none.yaml")


DOCUMENT = {"openapi": "3.1.0", "paths": {
    "/orders": {"get": {"operationId": "list_orders"}, "parameters": []},
    "/orders/{order_id}": {
        "get": {"operationId": "get_order", "x-iam-action": "orders:Read", "x-iam-resource": "order/{order_id}"},
        "delete": {"operationId": "deleteOrder", "x-iam-resource": "order/{order_id}"}},
    "/files/{p}": {
        "get": {"operationId": "get-file", "x-iam-path": "/files/{p:path}", "x-iam-resource": "file/{p:path}"}},
    "/health": {"get": {"x-iam-public": True}},
}}


def test_an_openapi_document_is_mapped() -> None:
    mapper = mapper_from_openapi(DOCUMENT, naming={"service": "orders", "style": "pascal"})
    arn = "arn:app:orders::000000000000:"
    assert checks(mapper, "/orders") == (("orders:ListOrders", arn + "orders"),)
    assert checks(mapper, "/orders/7") == (("orders:Read", arn + "order/7"),)
    assert checks(mapper, "/orders/7", "DELETE") == (("orders:DeleteOrder", arn + "order/7"),)
    assert checks(mapper, "/files/a/b") == (("orders:GetFile", arn + "file/a/b"),)
    assert checks(mapper, "/health") == ()


def test_operations_without_an_action_are_refused_or_stay_closed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        mapper_from_openapi(DOCUMENT, file="openapi.json")
    assert [(fault.pointer, fault.file) for fault in caught.value.faults] == [
        ("/paths/~1orders/get", "openapi.json"), ("/paths/~1orders~1{order_id}/delete", "openapi.json"),
        ("/paths/~1files~1{p}/get", "openapi.json")]
    mapper = mapper_from_openapi(DOCUMENT, unmapped="deny")
    assert not mapper.match(take("/orders"))
    assert mapper.match(take("/health"))


@pytest.mark.parametrize("operation", [
    {"x-iam-public": "yes"}, {"x-iam-public": True, "x-iam-action": "a:B"}, {"x-iam-action": "a:B"},
    {"x-iam-action": 7, "x-iam-resource": "x"}, {"x-iam-action": "a:*", "x-iam-resource": "x"}])
def test_operations_that_contradict_themselves_are_refused(operation: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        mapper_from_openapi({"paths": {"/x": {"get": operation}}}, unmapped="deny")


@pytest.mark.parametrize("document", [{}, {"paths": {}}, {"paths": []}])
def test_a_document_without_paths_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        mapper_from_openapi(document)


@pytest.mark.parametrize(("style", "operation", "action"), [
    ("pascal", "get_order", "s:GetOrder"), ("pascal", "getOrder", "s:GetOrder"),
    ("pascal", "get-order.v2", "s:GetOrderV2"), ("keep", "getOrder", "s:getOrder")])
def test_actions_are_named_after_operations(style: str, operation: str, action: str) -> None:
    assert OperationNaming("s", style).action(operation) == action  # type: ignore[arg-type]


@pytest.mark.parametrize("naming", [{"service": "S:x"}, {"service": "s", "style": "camel"}])
def test_a_rule_that_names_nothing_is_refused(naming: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        OperationNaming(**naming)  # type: ignore[arg-type]
