"""The route map: which action a request asks for, and maps that are refused."""

from __future__ import annotations

from typing import Any

import pytest
from http_fixture import MAPPER, take

from iam_guard.errors import ConfigurationError, RequestRefusedError
from iam_guard.http.mapper import PUBLIC, Match, RequestMapper, Route, Unmapped
from iam_guard.http.naming import ResourceNames


def row(number: str, *values: Any) -> Any:
    return pytest.param(*values, id=number)


def asked(target: str, method: str = "GET", mapper: RequestMapper = MAPPER, claims: Any = None,
          *headers: tuple[str, str]) -> Any:
    """What a request asks for: its checks, or the methods that its path has."""
    request = take(target, method, *headers)
    found = mapper.match(request)
    return found.checks(request, claims or {}) if isinstance(found, Match) else found.allow


@pytest.mark.parametrize(("method", "target", "action", "resource"), [
    row("items", "GET", "/items", "app:ListItems", "arn:iamg:items:eu:t1:items"),
    row("item", "DELETE", "/items/7", "app:DeleteItem", "arn:iamg:items:eu:t1:item/7"),
    row("file", "GET", "/files/pub/a/b", "app:GetFile", "arn:iamg:files:eu:t1:file/pub/a/b"),
    row("empty-rest", "GET", "/files/", "app:GetFile", "arn:iamg:files:eu:t1:file/"),
    row("doc", "GET", "/tenants/t2/docs/9", "app:GetDoc", "arn:iamg:docs:eu:t2:doc/9"),
    row("P09.1", "GET", "/admin/", "app:Admin", "arn:iamg:admin:eu:t1:console/"),
    row("P16.3", "GET", "/sub/admin", "app:SubAdmin", "arn:iamg:sub:eu:t1:sub/admin"),
    row("num", "GET", "/num/5", "app:GetNum", "arn:iamg:num:eu:t1:num/5"),
    row("M01.1", "HEAD", "/admin", "app:Admin", "arn:iamg:admin:eu:t1:console/"),
    row("M01.2", "HEAD", "/items/secret1", "app:GetItem", "arn:iamg:items:eu:t1:item/secret1"),
    row("M04.2", "GET", "/items/1?_method=DELETE", "app:GetItem", "arn:iamg:items:eu:t1:item/1"),
    row("P15.4a", "GET", "/files/pub.bak/x", "app:GetFile", "arn:iamg:files:eu:t1:file/pub.bak/x"),
    row("P15.4b", "GET", "/files/publish/x", "app:GetFile", "arn:iamg:files:eu:t1:file/publish/x"),
    row("mw-22", "GET", "/items/*", "app:GetItem", "arn:iamg:items:eu:t1:item/*"),
])
def test_a_request_asks_for_an_action(method: str, target: str, action: str, resource: str) -> None:
    assert asked(target, method) == ((action, resource),)


def test_an_override_header_changes_nothing() -> None:
    assert asked("/items", "POST", MAPPER, None, ("X-HTTP-Method-Override", "DELETE")) == (  # M04.1
        ("app:CreateItem", "arn:iamg:items:eu:t1:items"),)


@pytest.mark.parametrize("target", ["/health", "/public/", "/public/x", "/public/x/y"])
def test_public_routes_ask_for_nothing(target: str) -> None:
    found = MAPPER.match(take(target))
    assert isinstance(found, Match)
    assert found.route.public
    assert found.checks(take(target), {}) == ()


@pytest.mark.parametrize(("method", "target"), [
    row("P03.1", "GET", "/%2561dmin"), row("P08.2", "GET", "/admin%3F/public/"), row("P08.3", "GET", "/?/health"),
    row("P09.2", "GET", "/items/"), row("P09.3", "GET", "/items/secret1/"), row("P12.1", "GET", "/Admin"),
    row("P12.3", "GET", "/%41dmin"), row("P14.2", "GET", "/%EF%BD%81dmin"), row("P15.1", "GET", "/publicity"),
    row("P15.2", "GET", "/healthz"), row("P15.5", "GET", "/public"), row("P17.1", "GET", "/api../admin"),
    row("P22.1", "GET", "/forgot"), row("mw-18", "GET", "/health%3F/x"), row("mw-27", "GET", "/health/secrets"),
    row("num", "GET", "/num/five"), row("num-sign", "GET", "/num/-5"), row("num-digits", "GET", "/num/%D9%A3"),
    row("M05.3", "GET", "/sub/ws"), row("M05.2", "GET", "/ws/feed")])
def test_what_nobody_mapped_is_unmapped(method: str, target: str) -> None:
    assert MAPPER.match(take(target, method)) == Unmapped()


def test_unmapped_is_false_and_a_match_is_not() -> None:
    assert not MAPPER.match(take("/forgot"))
    assert MAPPER.match(take("/health"))


@pytest.mark.parametrize(("method", "target", "allow"), [
    row("P22.2", "PATCH", "/items/1", ("DELETE", "GET", "HEAD", "PUT")),
    row("M02.2", "OPTIONS", "/admin", ("GET", "HEAD", "POST")),
    row("mw-27", "POST", "/health", ("GET", "HEAD")),
    row("P24.3", "DELETE", "/items", ("GET", "HEAD", "POST"))])
def test_another_method_of_a_path_is_told_apart(method: str, target: str, allow: tuple[str, ...]) -> None:
    assert asked(target, method) == allow


def test_a_path_longer_than_the_route_is_another_path() -> None:
    mapper = RequestMapper({"POST /process": ("app:Process", "process")})
    assert asked("/process/approve", "POST", mapper) == ()  # P24.3


def test_websockets_have_routes_of_their_own() -> None:
    feed = take("/ws/feed", type="websocket", scheme="ws")
    assert MAPPER.match(feed).checks(feed, {}) == (("app:Subscribe", "arn:iamg:feed:eu:t1:feed/main"),)
    for target in ("/admin", "/sub/ws", "/health"):  # M05.2, M05.3
        assert MAPPER.match(take(target, type="websocket", scheme="ws")) == Unmapped()


def test_head_can_be_mapped_on_its_own() -> None:
    mapper = RequestMapper({"GET /x": ("a:Get", "x"), "HEAD /x": ("a:Head", "x")})
    assert asked("/x", "HEAD", mapper)[0][0] == "a:Head"


NARROWER = RequestMapper({
    "GET /a/{x}": ("t:Free", "{x}"), "GET /a/b": ("t:Literal", "b"), "GET /a/{n:int}": ("t:Int", "{n}"),
    "GET /a/{p:path}": ("t:Path", "{p:path}"), "GET /a/{x}/c": ("t:Deep", "{x}"),
    "GET /f/{name}.json": ("t:Json", "{name}"), "GET /f/{name}": ("t:Any", "{name}"),
    "GET /{p:path}": ("t:Rest", "{p:path}"), "GET /{x}/y/": ("t:Slash", "{x}"), "GET /a/y/": ("t:Both", "x"),
    "GET /f/y/": ("t:Both", "x")})


@pytest.mark.parametrize(("target", "action", "name"), [
    ("/a/b", "t:Literal", "b"), ("/a/7", "t:Int", "7"), ("/a/x", "t:Free", "x"), ("/a/x/d", "t:Path", "x/d"),
    ("/a/", "t:Path", ""), ("/a/x/c", "t:Deep", "x"), ("/f/x.json", "t:Json", "x"), ("/f/.json", "t:Any", ".json"),
    ("/", "t:Rest", ""), ("/z/y/z", "t:Rest", "z/y/z"), ("/z/y/", "t:Slash", "z"), ("/a/y/", "t:Both", "x")])
def test_the_narrower_template_wins_in_any_order(target: str, action: str, name: str) -> None:
    assert asked(target, "GET", NARROWER) == ((action, f"arn:app:t::000000000000:{name}"),)
    backwards = RequestMapper(NARROWER.routes[::-1])
    assert asked(target, "GET", backwards) == ((action, f"arn:app:t::000000000000:{name}"),)


@pytest.mark.parametrize(("first", "second"), [
    ("/a/{x}", "/a/{y}"), ("/{a}/x", "/y/{b}"), ("/a/{x}", "/a/{x}"), ("/{a}/b", "/files/{p:path}"),
    ("/n/{i:int}", "/n/{f:float}"), ("/{a}/b/{p:path}", "/c/{p:path}"), ("/f/a{x}", "/f/{x}b"),
    ("/a/{p:path}", "/a/{q:path}")])
def test_a_pair_that_a_path_cannot_choose_between_is_refused(first: str, second: str) -> None:
    routes = [Route("GET", first, "t:A", "*", file="map.yaml", line=3),
              Route("GET", second, "t:B", "*", file="map.yaml", line=9)]
    for order in (routes, routes[::-1]):
        with pytest.raises(ConfigurationError) as caught:
            RequestMapper(order)
        fault = caught.value.faults[0]
        assert fault.file == "map.yaml"
        assert f"'GET {order[0].template}' (line {order[0].line})" in fault.message
        assert f"'GET {order[1].template}'" in fault.message
        assert fault.line == order[1].line


@pytest.mark.parametrize(("first", "second"), [
    ("/a/{x}/c", "/a/{y}/d"), ("/a/{x}", "/b/{x}"), ("/n/{i:int}", "/n/{u:uuid}"), ("/f/{x}.json", "/f/{x}.xml"),
    ("/a/{x}", "/a/{x}/"), ("/a", "/a/{p:path}"), ("/a/{p:path}", "/a/b/{p:path}")])
def test_a_pair_that_no_path_confuses_is_fine(first: str, second: str) -> None:
    RequestMapper([Route("GET", first, "t:A", "*"), Route("GET", second, "t:B", "*")])


def test_a_third_route_for_what_two_share_settles_it() -> None:
    mapper = RequestMapper({"GET /{a}/x": ("t:A", "*"), "GET /y/{b}": ("t:B", "*"), "GET /y/x": ("t:C", "*")})
    assert [asked(path, "GET", mapper)[0][0] for path in ("/y/x", "/z/x", "/y/z")] == ["t:C", "t:A", "t:B"]


def test_the_same_template_for_two_methods_is_fine() -> None:
    RequestMapper({"GET /a/{x}": ("t:A", "*"), "POST /a/{y}": ("t:B", "*"), "WS /a/{z}": ("t:C", "*")})


def test_a_trailing_slash_means_something_unless_the_route_says_otherwise() -> None:
    mapper = RequestMapper([Route("GET", "/x/{i}", "t:X", "{i}", trailing_slash="ignore"),
                            Route("GET", "/y", "t:Y", "y")])
    assert asked("/x/1", "GET", mapper) == asked("/x/1/", "GET", mapper) == (("t:X", "arn:app:t::000000000000:1"),)
    assert asked("/y/", "GET", mapper) == ()
    with pytest.raises(ConfigurationError):
        RequestMapper([Route("GET", "/x", "t:X", "x", trailing_slash="ignore"), Route("GET", "/x/", "t:Y", "y")])


@pytest.mark.parametrize("template", [
    row("P24.1", "/items/.*"), row("P24.2", "*/admin/*"), row("P24.4a", "/files/**/logo.png"), row("P24.4b", "/{any}"),
    row("P07.2", "^/foo/.*/bar$"), row("tree-of-all", "/{p:path}"), row("typed", "/x/{n:int}"), row("empty", ""),
    row("dollar", "/health$"), row("inside", "/x/{a}/y"), row("group", "/(a|b)"), row("class", "/[ab]"),
    row("partly", "/public/x{p:path}"), row("tree-below-a-gap", "/{t}/public/{p:path}")])
def test_loose_public_rules_are_refused(template: str) -> None:
    with pytest.raises(ConfigurationError):
        RequestMapper([Route("GET", template, public=True)])


@pytest.mark.parametrize("template", ["/", "/health", "/public/{p:path}", "/a/b/{rest:path}", "/public/"])
def test_exact_paths_and_trees_may_be_public(template: str) -> None:
    assert RequestMapper([Route("GET", template, public=True)]).routes[0].public


@pytest.mark.parametrize("template", [
    "x", "/a//b", "/a/../b", "/a/{x}{y}", "/a/{x}/{x}", "/{p:path}/x", "/a/{x:slug}", "/a/{x", "/a/x}", "/a%20b",
    "/a;b", "/a\\b", "/a?b", "/a#b", "/a\n", "/a/\uff0f", "/{1x}"])
def test_bad_templates_are_refused(template: str) -> None:
    with pytest.raises(ConfigurationError):
        RequestMapper([Route("GET", template, "t:A", "*")])


@pytest.mark.parametrize("key", ["/x", "GET", "get /x", "GET,/x", "", "GET, /x", "M-SEARCH /x"])
def test_bad_keys_are_refused(key: str) -> None:
    with pytest.raises(ConfigurationError):
        RequestMapper({key: PUBLIC})


@pytest.mark.parametrize("route", [
    Route("GET", "/x"), Route("GET", "/x", "t:A"), Route("GET", "/x", "A", "*"), Route("GET", "/x", "t:*", "*"),
    Route("GET", "/x", "t:A", "x", public=True), Route("GET", "/x", "t:A", "x/{y}"), Route("GET", "/x", "t:A", "x/*"),
    Route("GET", "/x", "t:A", "x", also=(("t:B", ""),)), Route("GET", "/x", "t:A", "x", also=(("b", "x"),)),
    Route("GET", "/x", "t:A", "x", context=(("aws:SourceIp", "header.x"),)),
    Route("GET", "/x", "t:A", "x", context=(("Status", "query.status"),)),
    Route("GET", "/x", "t:A", "x", context=(("t:Status", "body.status"),)),
    Route("GET", "/x", "t:A", "x", context=(("t:Status", "id"),)),
    Route("GET", "/{p:path}", "t:A", "x", trailing_slash="ignore")])
def test_routes_that_make_no_sense_are_refused(route: Route) -> None:
    with pytest.raises(ConfigurationError):
        RequestMapper([route])


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        RequestMapper([Route("GET", "x", "t:A", "*"), Route("GET", "/y", "A", "*"), Route("GET", "/z", "t:A", "{q}")])
    assert len(caught.value.faults) == 3


COPY = RequestMapper([Route(
    "POST", "/items/{id}/copy", "app:CreateItem", "item/{id}",
    also=(("app:GetItem", "item/{query.from}"), ("app:Bill", "team/{header.X-Team}"),
          ("app:Use", "tenant/{claim.Tenant}")),
    context=(("app:Reason", "query.reason"), ("app:Item", "id"), ("app:Role", "header.x-role"),
             ("app:Plan", "claim.plan")))])
TEAM = ("X-Team", "red")


def test_several_pairs_must_all_be_allowed() -> None:
    checks = asked("/items/9/copy?from=secret1", "POST", COPY, {"jwt:tenant": "t1"}, TEAM)
    arn = "arn:app:app::000000000000:"
    assert checks == (("app:CreateItem", arn + "item/9"), ("app:GetItem", arn + "item/secret1"),
                      ("app:Bill", arn + "team/red"), ("app:Use", arn + "tenant/t1"))  # M16


@pytest.mark.parametrize(("target", "claims", "headers", "status"), [
    row("query-missing", "/items/9/copy", {"jwt:tenant": "t1"}, [TEAM], 400),
    row("query-twice", "/items/9/copy?from=1&from=secret1", {"jwt:tenant": "t1"}, [TEAM], 400),
    row("query-empty", "/items/9/copy?from=", {"jwt:tenant": "t1"}, [TEAM], 400),
    row("query-dots", "/items/9/copy?from=..", {"jwt:tenant": "t1"}, [TEAM], 400),
    row("header-twice", "/items/9/copy?from=1", {"jwt:tenant": "t1"}, [TEAM, ("x-team", "blue")], 400),
    row("header-missing", "/items/9/copy?from=1", {"jwt:tenant": "t1"}, [], 400),
    row("M12.5", "/items/9/copy?from=1", {}, [TEAM], 403),
    row("claim-set", "/items/9/copy?from=1", {"jwt:tenant": ("t1", "t2")}, [TEAM], 403),
])
def test_a_value_that_names_a_resource_occurs_exactly_once(
        target: str, claims: Any, headers: list[tuple[str, str]], status: int) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        asked(target, "POST", COPY, claims, *headers)
    assert caught.value.status == status


def test_a_route_adds_condition_keys() -> None:
    request = take("/items/9/copy?reason=a%20b", "POST", ("X-Role", "user"), ("X-Role", "admin"))
    assert COPY.match(request).context(request, {"jwt:plan": "gold"}) == {  # H08: two values stay two
        "app:reason": "a b", "app:item": "9", "app:role": ("user", "admin"), "app:plan": "gold"}


def test_an_absent_source_leaves_its_key_out_and_a_repeated_one_is_refused() -> None:
    request = take("/items/9/copy", "POST")
    assert COPY.match(request).context(request, {}) == {"app:item": "9"}
    twice = take("/items/9/copy?reason=a&reason=b", "POST")
    with pytest.raises(RequestRefusedError):
        COPY.match(twice).context(twice, {})


def test_names_complete_short_resources() -> None:
    mapper = RequestMapper({"GET /x": ("docs:Get", "document/1")}, names=ResourceNames("aws", "eu", "123456789012"))
    assert asked("/x", "GET", mapper) == (("docs:Get", "arn:aws:docs:eu:123456789012:document/1"),)


@pytest.mark.parametrize(("method", "template", "covered"), [
    ("GET", "/items/{item_id}", True), ("GET", "/items/{n:int}", True), ("GET", "/files/a/{x}", True),
    ("HEAD", "/items/{i}", True), ("PATCH", "/items/{i}", False), ("GET", "/forgot", False),
    ("GET", "/num/{n}", False), ("WS", "/ws/feed", True), ("WS", "/items", False), ("GET", "/items/{p:path}", False)])
def test_a_census_asks_what_is_covered(method: str, template: str, covered: bool) -> None:
    assert MAPPER.covers(method, template) is covered


def test_the_methods_of_a_path_answer_a_preflight() -> None:
    assert MAPPER.methods("/items/1") == ("DELETE", "GET", "HEAD", "PUT")  # M02.4: PURGE is not among them
    assert MAPPER.methods("/forgot") == ()
