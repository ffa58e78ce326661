"""Rows of the threat catalogue about one request: what is refused before anybody is asked who sent it."""

from __future__ import annotations

from typing import Any

import pytest
from http_fixture import MAPPER, TRUSTING, scope_of, take

from iam_guard.errors import ConfigurationError, RequestRefusedError
from iam_guard.http.request import EdgeSettings, HTTPRequest

NORMALIZE = EdgeSettings(path_mode="normalize")


def row(number: str, *values: Any) -> Any:
    return pytest.param(*values, id=number)


AMBIGUOUS = [
    row("P01.1", "/public/../admin"),
    row("P01.2", "/items/1/../secret1"),
    row("P01.3", "/public/./../admin/."),
    row("P01.4", "/../admin"),
    row("P02.1", "/public/%2e%2e/admin"),
    row("P02.2", "/public/..%2fadmin"),
    row("P02.3", "/items/a%2Fb"),
    row("P02.4", "/public/.%2e/admin"),
    row("P03.2", "/public/%252e%252e%252fadmin"),
    row("P04.1", "//admin"),
    row("P04.2", "//public/x/admin"),
    row("P04.3a", "/public//../admin"),
    row("P04.3b", "///admin"),
    row("P05.1", "/public/..%5cadmin"),
    row("P05.2", b"/public\\..\\admin"),
    row("P06.1", "/admin;x=1"),
    row("P06.2", "/public/..;/admin"),
    row("P07.1", "/admin#/public/"),
    row("P10.1", "/admin%0A"),
    row("P10.2", "/items/secret1%0A"),
    row("P10.3a", "/num/5%0A"),
    row("P10.3b", "/files/pub/a%0Ab"),
    row("P10.4a", b"/ad\tmin"),
    row("P10.4b", b"/ad\rmin"),
    row("P11.1", "/items/secret1%00.png"),
    row("P13.1", "/items/%FF"),
    row("P13.2", "/public/%C0%AE%C0%AE/admin"),
    row("P13.3", "/items/%FE"),
    row("P14.1", "/public/%EF%BC%8E%EF%BC%8E%EF%BC%8Fadmin"),
    row("P14.3", "/items/%EF%BC%8A"),
    row("P15.6", "/public/../pub_private/key"),
    row("P17.2", "/api%2e/../admin/secret"),
    row("P18.1", "http://evil.example/admin"),
    row("P18.2", "*"),
    row("P18.5", "*"),
    row("P19.1", "admin"),
    row("M09.1", b"/public/x HTTP/1.1\r\nX: y"),
    row("mw-20a", "/api/../admin"),
    row("mw-20b", "/api/%2e%2e/admin"),
    row("mw-20c", "/api/%252e%252e/admin"),
    row("broken-triplet", "/items/%zz"),
    row("C1-control", "/items/%C2%85"),
    row("line-separator", "/items/%E2%80%A8"),
    row("division-slash", "/public/..%E2%88%95admin"),
]


@pytest.mark.parametrize("target", AMBIGUOUS)
def test_a_target_that_can_be_read_in_two_ways_is_refused(target: str | bytes) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        take(target)
    assert caught.value.status == 400


@pytest.mark.parametrize("target", [one for one in AMBIGUOUS if one.id not in {
    "P02.2", "P02.3", "P05.1", "P07.1", "P11.1", "P13.1", "P13.2", "P13.3", "P18.1", "broken-triplet", "M09.1"}])
def test_a_server_that_sends_no_raw_path_changes_nothing_that_can_still_be_seen(target: str | bytes) -> None:
    with pytest.raises(RequestRefusedError):
        HTTPRequest.from_scope({**scope_of(target), "raw_path": None}, TRUSTING)


@pytest.mark.parametrize(("target", "path"), [
    row("P03.1", "/%2561dmin", "/%61dmin"),
    row("P03.3", "/%25%36%31dmin", "/%61dmin"),
    row("P08.1", "/admin?x=/public/", "/admin"),
    row("P08.2", "/admin%3F/public/", "/admin?/public/"),
    row("P08.3", "/?/health", "/"),
    row("P09.1", "/admin/", "/admin/"),
    row("P12.1", "/Admin", "/Admin"),
    row("P12.3", "/%41dmin", "/Admin"),
    row("P14.2", "/%EF%BD%81dmin", "/\uff41dmin"),
    row("mw-18a", "/health%3F/x", "/health?/x"),
    row("mw-18b", "/health%23/x", "/health#/x"),
    row("mw-22", "/docs/*", "/docs/*"),
    row("dots-in-a-name", "/files/..a/b..", "/files/..a/b.."),
    row("well-known", "/.well-known/x", "/.well-known/x"),
    row("percent", "/items/100%25", "/items/100%"),
    row("space", "/items/a%20b", "/items/a b"),
    row("umlaut", "/items/%C3%A4", "/items/\u00e4"),
])
def test_data_stays_data(target: str, path: str) -> None:
    assert take(target).path == path


def test_a_gateway_refuses_every_residue() -> None:
    with pytest.raises(RequestRefusedError):  # P03.1, gateway mode
        take("/%2561dmin", edge=EdgeSettings(refuse_any_residue=True))


@pytest.mark.parametrize(("target", "path"), [
    row("P01.1", "/public/../admin", "/admin"),
    row("P01.2", "/items/1/../secret1", "/items/secret1"),
    row("P01.3", "/public/./../admin/.", "/admin/"),
    row("P02.1", "/public/%2e%2e/admin", "/admin"),
    row("P04.1", "//admin", "/admin"),
    row("root", "/public/..", "/"),
])
def test_normalize_resolves_and_the_application_gets_the_resolved_form(target: str, path: str) -> None:
    scope = scope_of(target)
    request = HTTPRequest.from_scope(scope, NORMALIZE)
    assert request.path == path
    assert request.for_app(scope)["path"] == path
    assert request.for_app(scope)["raw_path"] == path.encode()


@pytest.mark.parametrize("target", [
    row("P01.4", "/../admin"), row("P02.2", "/public/..%2fadmin"), row("P05.1", "/public/..%5cadmin"),
    row("P10.1", "/admin%0A")])
def test_normalize_refuses_what_cannot_be_resolved(target: str) -> None:
    with pytest.raises(RequestRefusedError):
        take(target, edge=NORMALIZE)


@pytest.mark.parametrize(("root_path", "path", "expected"), [
    row("P16.1", "/ad", "/admin", "/admin"),
    row("P16.2", "/svc", "/svc/admin", "/admin"),
    row("P16.4", "/v", "/v1/items", "/v1/items"),
    row("mw-15a", "/svc", "/svc/items/7", "/items/7"),
    row("mw-15b", "/svc", "/items/7", "/items/7"),
    row("mw-16", "/product", "/products/7", "/products/7"),
    row("nothing-left", "/svc", "/svc", ""),
])
def test_a_prefix_is_cut_where_the_router_cuts_it(root_path: str, path: str, expected: str) -> None:
    request = take(path, root_path=root_path)
    assert request.path == expected
    assert request.scope_path == path


@pytest.mark.parametrize("path", ["/svc/items/a%2Fb", "/svc//admin"])
def test_a_prefix_hides_nothing(path: str) -> None:
    with pytest.raises(RequestRefusedError):
        take(path, root_path="/svc")


def test_a_server_whose_two_paths_disagree_is_not_believed() -> None:
    with pytest.raises(RequestRefusedError):
        HTTPRequest.from_scope({**scope_of("/health"), "path": "/admin"})


def test_a_mount_that_cut_the_decoded_path_only_is_understood() -> None:
    scope = {**scope_of("/sub/x"), "path": "/x", "root_path": "/sub"}
    assert HTTPRequest.from_scope(scope).path == "/x"


@pytest.mark.parametrize("authority", ["app.example", "APP.example.", "app.example:80"])
def test_an_absolute_target_for_the_asked_host_is_its_path(authority: str) -> None:
    scope = scope_of(f"http://{authority}/health")  # P18.4
    request = HTTPRequest.from_scope(scope)
    assert (request.path, request.raw_path) == ("/health", b"/health")
    assert request.for_app(scope)["path"] == "/health"


def test_an_absolute_target_hides_nothing() -> None:
    with pytest.raises(RequestRefusedError):
        take("http://app.example/items/a%2Fb")


@pytest.mark.parametrize("method", [
    row("P18.3", "CONNECT"), row("M03.1", "TRACE"), row("M03.2", "get"), row("M03.3", "_DO_DELETE"),
    row("unknown", "PURGE"), row("empty", "")])
def test_methods_are_a_closed_set(method: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        take("/admin", method)
    assert caught.value.status == 405


@pytest.mark.parametrize("kind", ["foo", "webtransport", "lifespan"])
def test_other_kinds_of_scope_are_no_requests(kind: str) -> None:
    with pytest.raises(RequestRefusedError):  # M07.2; doors pass lifespan on without asking
        HTTPRequest.from_scope({"type": kind})


@pytest.mark.parametrize(("version", "fine"), [
    ("1.0", True), ("1.1", True), ("2", True), ("3", True), ("0.9", False), ("1.2", False), ("", False)])
def test_other_versions_of_http_are_refused(version: str, fine: bool) -> None:
    if fine:
        assert take("/health", http_version=version).http_version == version
    else:
        with pytest.raises(RequestRefusedError) as caught:
            take("/health", http_version=version)
        assert caught.value.status == 505


@pytest.mark.parametrize("value", [
    row("P20.1", "app.example/public/?"), row("P20.2", "app.example#"), row("at", "a@b"), row("space", "a b"),
    row("empty", ""), row("dots", "a..b"), row("dot", "."), row("port", "a:b"), row("bytes", b"\xff"),
    row("kelvin", "\u212aelvin.example")])
def test_a_host_that_is_no_host_is_refused(value: str | bytes) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        take("/admin", "GET", ("host", value))
    assert caught.value.status == 400


@pytest.mark.parametrize(("value", "scheme", "host"), [
    row("P21.1", "ADMIN.example.", "http", "admin.example"), ("a.example:80", "http", "a.example"),
    ("a.example:443", "https", "a.example"), ("a.example:443", "http", "a.example:443"),
    ("[::1]:8000", "http", "[::1]:8000"), ("a.example:80", "ws", "a.example"), ("localhost", "http", "localhost")])
def test_a_host_has_one_spelling(value: str, scheme: str, host: str) -> None:
    assert take("/", "GET", ("host", value), scheme=scheme).host == host


def test_http_1_0_needs_no_host() -> None:
    scope = {**scope_of("/admin", http_version="1.0"), "headers": []}  # P20.3
    assert HTTPRequest.from_scope(scope).host == ""
    with pytest.raises(RequestRefusedError):
        HTTPRequest.from_scope({**scope, "http_version": "1.1"})


def test_only_allowed_hosts_are_served() -> None:
    edge = EdgeSettings(allowed_hosts=("app.example",))
    assert take("/", "GET", ("host", "APP.example.:8000"), edge=edge).host == "app.example:8000"
    with pytest.raises(RequestRefusedError):
        take("/", "GET", ("host", "admin.example"), edge=edge)


@pytest.mark.parametrize("fields", [
    row("P21.2", [("host", "app.example"), ("host", "admin.example")]),
    row("M09.2", [("host", "app.example"), ("host", "app.example")]),
    row("H04.1", [("authorization", "Bearer a"), ("authorization", "Bearer b")]),
    row("H04.1-case", [("authorization", "Bearer a"), ("Authorization", "Bearer b")]),
    row("origin", [("origin", "https://a"), ("origin", "https://b")]),
    row("F01.1", [("content-length", "4"), ("transfer-encoding", "chunked")]),
    row("F02.1", [("transfer-encoding", "xchunked")]),
    row("F02.2", [("transfer-encoding", "gzip, chunked")]),
    row("F03.1", [("content-length", "+5")]),
    row("F03.2", [("content-length", "5"), ("content-length", "6")]),
    row("H09-crlf", [("x-a", "a\r\nx-iam-role: root")]),
    row("nul", [("x-a", "a\0")]),
    row("name", [("x a", "1")]),
    row("empty-name", [("", "1")]),
])
def test_malformed_and_repeated_fields_are_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        take("/items", "POST", *fields)
    assert (caught.value.status, caught.value.code) == (400, "invalid-request")


def test_too_many_header_bytes() -> None:
    with pytest.raises(RequestRefusedError) as caught:  # F05.1
        take("/", "GET", *[(f"x-{number}", "a" * 1024) for number in range(200)])
    assert caught.value.status == 431


def test_repeated_fields_count_each_time() -> None:
    with pytest.raises(RequestRefusedError) as caught:
        take("/", "GET", *[("cookie", "a" * 1024)] * 16)
    assert caught.value.status == 431


@pytest.mark.parametrize("target", [row("F05.2", "/" + "a" * 70_000), row("query", "/?" + "a" * 8191)])
def test_a_target_that_is_too_long(target: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        take(target)
    assert caught.value.status == 414


def test_a_target_of_the_longest_length_is_fine() -> None:
    assert len(take("/?" + "a" * 8190).query_string) == 8190


REMOVED = [
    row("H01.1", "x-iam-principal"), row("H02.1", "X_IAM_Principal"), row("H02.2", "x-iam_PRINCIPAL"),
    row("H10.1", "X-IAM-Groups"), row("M04.1", "X-HTTP-Method-Override"), row("method-a", "X-HTTP-Method"),
    row("method-b", "X-Method-Override"), row("method-c", "x_http_method_override"),
    row("M10.2", "X-IAM-Guard-Decision"), row("P23.1", "X-Original-URL"), row("P23.2", "X-Rewrite-URL"),
    row("P23.3", "X-Forwarded-Uri"), row("H06.1", "X-Forwarded-Proto"), row("H06.2", "X-Forwarded-Prefix"),
    row("H05.3", "X-Real-IP"), row("H05.5", "Forwarded"), row("alias", "x_forwarded_for"),
    row("certificate", "X-Forwarded-Client-Cert"), row("client-cert", "Client-Cert"),
]


@pytest.mark.parametrize("name", REMOVED)
def test_what_a_client_may_not_say_is_removed(name: str) -> None:
    request = take("/public/x", "GET", (name, "https"), ("accept", "*/*"))
    assert request.headers == ((b"host", b"app.example"), (b"accept", b"*/*"))
    assert request.header(name) is None
    assert not request.secure


@pytest.mark.parametrize("name", ["x-acme-user", "X_ACME_user", "X-Acme-User"])
def test_configured_identity_headers_are_ours_too(name: str) -> None:
    edge = EdgeSettings(identity_headers=("X-Acme-User",), trusted_proxies=("10.9.0.1",))
    assert take("/", "GET", (name, "root"), edge=edge, client=("10.9.0.1", 1)).header("x-acme-user") is None


def test_a_harmless_name_that_is_configured_is_not_harmless() -> None:
    assert take("/", "GET", ("x-api-key", "k"), edge=EdgeSettings(identity_headers=("X-Api-Key",))).headers == (
        (b"host", b"app.example"),)


def test_other_headers_stay_in_their_order() -> None:
    request = take("/", "GET", ("X-Thing", "1"), ("cookie", "a"), ("x-thing", "2"), ("x-a", b"\xff\xfe"))
    assert request.header_values("X-THING") == ("1", "2")
    assert request.header("x-thing") == "1, 2"
    assert request.header("x-a") == "\xff\xfe"  # H09.1
    assert request.header("nothing") is None
    assert [name for name, _ in request.headers] == [b"host", b"x-thing", b"cookie", b"x-thing", b"x-a"]


@pytest.mark.parametrize(("peer", "fields", "source"), [
    row("H05.1", "203.0.113.7", [("X-Forwarded-For", "10.0.0.1")], "203.0.113.7"),
    row("H05.2", "10.9.0.1", [("X-Forwarded-For", "10.0.0.1, 203.0.113.7")], "203.0.113.7"),
    row("H05.3", "10.1.2.3", [("X-Real-IP", "10.0.0.1")], "10.1.2.3"),
    row("H05.4", "10.9.0.1", [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "198.51.100.4")], "198.51.100.4"),
    row("H05.5", "10.9.0.1", [("Forwarded", 'for="[2001:db8::1]:4711";proto=https')], "10.9.0.1"),
    row("mw-57", "10.9.0.2", [("X-Forwarded-For", "203.0.113.7, 198.51.100.9")], "198.51.100.9"),
    row("all-trusted", "10.9.0.1", [("X-Forwarded-For", "10.9.0.3, 10.9.0.2")], "10.9.0.3"),
    row("port", "10.9.0.1", [("X-Forwarded-For", "198.51.100.4:1234")], "198.51.100.4"),
    row("v6-port", "10.9.0.1", [("X-Forwarded-For", "[2001:DB8::0:1]:1234")], "2001:db8::1"),
    row("mapped", "::ffff:10.9.0.1", [("X-Forwarded-For", "::ffff:198.51.100.4")], "198.51.100.4"),
    row("mapped-peer", "::ffff:203.0.113.7", [], "203.0.113.7"),
    row("zone", "fe80::1%eth0", [], "fe80::1"),
    row("junk-left-of-the-client", "10.9.0.1", [("X-Forwarded-For", "unknown, 198.51.100.4")], "198.51.100.4"),
    row("nothing-said", "10.9.0.1", [], "10.9.0.1"),
    row("no-address", "testclient", [], ""),
])
def test_the_client_is_the_last_hop_nobody_vouches_for(peer: str, fields: list[tuple[str, str]], source: str) -> None:
    assert take("/", "GET", *fields, client=(peer, 1)).source_ip == source


def test_a_hop_that_must_be_judged_and_cannot_be_read_is_refused() -> None:
    with pytest.raises(RequestRefusedError):
        take("/", "GET", ("X-Forwarded-For", "198.51.100.4, unknown"), client=("10.9.0.1", 1))


@pytest.mark.parametrize(("value", "source", "secure"), [
    ('for=198.51.100.4;proto=https', "198.51.100.4", True),
    ('for=10.0.0.1, For="[2001:db8::1]:4711";Proto=HTTPS', "2001:db8::1", True),
    ("for=198.51.100.4", "198.51.100.4", False),
    ('for=198.51.100.4;proto=https, for=10.9.0.2;proto=http', "198.51.100.4", False),
])
def test_the_standard_family(value: str, source: str, secure: bool) -> None:
    edge = EdgeSettings(trusted_proxies=("10.9.0.0/16",), forwarded="forwarded")
    request = take("/", "GET", ("Forwarded", value), ("X-Forwarded-For", "1.2.3.4"), edge=edge, client=("10.9.0.1", 1))
    assert (request.source_ip, request.secure) == (source, secure)
    assert request.header("x-forwarded-for") is None
    assert request.header("forwarded") == value


@pytest.mark.parametrize("value", ["for", "for=a for=b", 'for="1.2.3.4', "for=1.2.3.4;for=5.6.7.8", "=x"])
def test_a_forwarded_header_that_cannot_be_read_is_refused(value: str) -> None:
    edge = EdgeSettings(trusted_proxies=("10.9.0.0/16",), forwarded="forwarded")
    with pytest.raises(RequestRefusedError):
        take("/", "GET", ("Forwarded", value), edge=edge, client=("10.9.0.1", 1))


@pytest.mark.parametrize(("scheme", "peer", "told", "secure"), [
    row("H06.1", "http", "203.0.113.7", ["https"], False),
    row("trusted", "http", "10.9.0.1", ["https"], True),
    row("downgrade", "https", "10.9.0.1", ["http"], False),
    row("every-hop", "http", "10.9.0.1", ["https, http"], False),
    row("lines", "http", "10.9.0.1", ["https", "http"], False),
    row("nothing", "https", "10.9.0.1", [], True),
    row("socket", "wss", "203.0.113.7", [], True),
])
def test_secure_transport_is_told_by_those_we_trust(scheme: str, peer: str, told: list[str], secure: bool) -> None:
    fields = [("X-Forwarded-Proto", value) for value in told]
    assert take("/", "GET", *fields, scheme=scheme, client=(peer, 1)).secure is secure


def test_a_trusted_proxy_is_heard_by_the_application_too() -> None:
    request = take("/", "GET", ("X-Forwarded-For", "198.51.100.4"), ("X-Real-IP", "198.51.100.4"),
                   ("X-Original-URL", "/public"), ("X-IAM-Principal", "root"), client=("10.9.0.1", 1))
    assert [name for name, _ in request.headers] == [b"host", b"x-forwarded-for", b"x-real-ip"]


def test_the_application_gets_a_list_that_nobody_else_holds() -> None:
    scope = scope_of("/items", "POST")  # H07.1
    request = HTTPRequest.from_scope(scope)
    given = request.for_app(scope)["headers"]
    scope["headers"].append((b"x-iam-principal", b"root"))
    assert given == [(b"host", b"app.example")]
    assert request.headers == ((b"host", b"app.example"),)


def test_headers_may_arrive_as_any_iterable_of_pairs() -> None:
    scope = {**scope_of("/"), "headers": iter([[b"host", b"app.example"]])}
    assert HTTPRequest.from_scope(scope).headers == ((b"host", b"app.example"),)


def test_a_handshake_is_a_request() -> None:
    scope = {**scope_of("/ws/feed"), "type": "websocket", "scheme": "ws"}
    del scope["method"]
    request = HTTPRequest.from_scope(scope)
    assert (request.kind, request.method, request.path) == ("websocket", "GET", "/ws/feed")


def test_the_query_keeps_every_value() -> None:
    assert dict(take("/?a=1&b=&a=2%20x&c").query) == {"a": ("1", "2 x"), "b": ("",), "c": ("",)}


@pytest.mark.parametrize("target", ["/?a=%FF", b"/?a=\xff"])
def test_a_query_that_is_not_utf_8_is_refused_when_it_is_read(target: str | bytes) -> None:
    request = take(target)
    with pytest.raises(RequestRefusedError):
        _ = request.query


def test_a_snapshot_cannot_be_changed() -> None:
    request = take("/")
    with pytest.raises(AttributeError):
        request.path = "/admin"  # type: ignore[misc]


@pytest.mark.parametrize("settings", [
    {"trusted_proxies": ("10.9.0.1/16",)}, {"trusted_proxies": ("private",)}, {"identity_headers": ("X User",)},
    {"methods": ("get",)}, {"path_mode": "lenient"}, {"forwarded": "both"}])
def test_settings_that_make_no_sense_stop_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        EdgeSettings(**settings)


def test_odd_input_is_no_crash() -> None:
    assert MAPPER.match(take("/items/1", client=None)).route.action == "app:GetItem"
    assert take("/", client=None).source_ip == ""
