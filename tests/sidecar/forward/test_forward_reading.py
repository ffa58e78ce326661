"""Each family of headers, and nothing but what it says (wire contracts, sections 2 and 6 to 10)."""

from __future__ import annotations

from typing import Any

import pytest

from iam_guard.errors import ConfigurationError, RequestRefusedError
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.request import HTTPRequest
from iam_guard.sidecar.forward.reading import Reader
from iam_guard.sidecar.forward.settings import ForwardDoor, check_doors
from iam_guard.sidecar.original import OriginalRequest

EDGE = EdgeSettings(trusted_proxies=("10.9.0.0/16",))
NGINX = {"x-original-method": "DELETE", "x-original-uri": "/a%20b?q=1", "x-forwarded-proto": "https",
         "x-forwarded-host": "shop.example:8443", "x-real-ip": "203.0.113.7"}
INGRESS = {"x-original-method": "DELETE", "x-original-url": "https://shop.example:8443/a%20b?q=1",
           "x-real-ip": "203.0.113.7", "x-forwarded-proto": "", "x-sent-from": "nginx-ingress-controller"}
FORWARDED = {"x-forwarded-method": "DELETE", "x-forwarded-uri": "/a%20b?q=1", "x-forwarded-proto": "https",
             "x-forwarded-host": "shop.example:8443", "x-forwarded-for": "203.0.113.7"}
FAMILIES = {"nginx": NGINX, "ingress-nginx": INGRESS, "traefik": FORWARDED, "caddy": FORWARDED,
            "haproxy": FORWARDED, "apisix": FORWARDED, "oathkeeper": FORWARDED}
OTHER = {**dict.fromkeys(FORWARDED, "other"), **dict.fromkeys(NGINX, "other"), **dict.fromkeys(INGRESS, "other")}
HANDSHAKE = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13"}


def scope(headers: Any, **more: Any) -> dict[str, Any]:
    pairs = headers.items() if isinstance(headers, dict) else headers
    return {"type": "http", "method": "GET", "query_string": b"", "client": ("10.9.0.1", 1),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs], **more}


def read(door: ForwardDoor, headers: Any, edge: EdgeSettings = EDGE, **more: Any) -> OriginalRequest:
    place = {"path": door.at, "raw_path": door.at.encode()}
    return Reader(door, edge).read(scope(headers, **{**place, **more}))


def refused(door: ForwardDoor, headers: Any, **more: Any) -> str:
    with pytest.raises(RequestRefusedError) as caught:
        read(door, headers, **more)
    assert caught.value.status == 403
    return caught.value.description


@pytest.mark.parametrize("proxy", FAMILIES)
def test_a_family_tells_the_whole_request(proxy: Any) -> None:
    call = {"host": "guard:9191", **FAMILIES[proxy], "authorization": "Bearer t", "cookie": "a=b"}
    found = read(ForwardDoor(proxy), call)
    assert (found.method, found.target, found.scheme, found.host, found.peer, found.websocket) == (
        "DELETE", b"/a%20b?q=1", "https", "shop.example:8443", "203.0.113.7", False)
    assert dict(found.headers) == {b"authorization": b"Bearer t", b"cookie": b"a=b",
                                   **({b"x-sent-from": b"nginx-ingress-controller"} if "x-sent-from" in call else {})}


@pytest.mark.parametrize("proxy", FAMILIES)
def test_what_another_family_says_changes_nothing(proxy: Any) -> None:
    own = FAMILIES[proxy]
    assert read(ForwardDoor(proxy), {**OTHER, **own}).target == b"/a%20b?q=1"
    assert read(ForwardDoor(proxy), {**OTHER, **own}).method == "DELETE"


NEEDED = [(proxy, name) for proxy, family in FAMILIES.items() for name in family
          if not (proxy == "ingress-nginx" and name in ("x-forwarded-proto", "x-sent-from"))]


@pytest.mark.parametrize(("proxy", "name"), NEEDED)
def test_nothing_is_assumed_of_what_is_missing(proxy: Any, name: str) -> None:
    rest = {key: value for key, value in FAMILIES[proxy].items() if key != name}
    assert f"{name} is missing" in refused(ForwardDoor(proxy), rest)
    assert f"{name} is missing" in refused(ForwardDoor(proxy), {**rest, name: ""})
    spoofed = {**OTHER, **rest}
    spoofed.pop(name)
    assert refused(ForwardDoor(proxy), spoofed)


@pytest.mark.parametrize(("proxy", "name"), NEEDED)
def test_what_is_said_twice_says_nothing(proxy: Any, name: str) -> None:
    call = [*FAMILIES[proxy].items(), (name.upper(), FAMILIES[proxy][name])]
    assert "twice" in refused(ForwardDoor(proxy), call)


@pytest.mark.parametrize("proxy", FAMILIES)
def test_an_alias_with_underscores_is_not_the_header(proxy: Any) -> None:
    aliases = {name.replace("-", "_"): "other" for name in FAMILIES[proxy]}
    found = read(ForwardDoor(proxy), {**aliases, **FAMILIES[proxy]})
    assert (found.method, found.target) == ("DELETE", b"/a%20b?q=1")
    assert refused(ForwardDoor(proxy), aliases)


WRONG = {
    "x-original-method": ["GET /", "GET,POST"], "x-forwarded-method": ["G ET", "(GET)"],
    "x-forwarded-proto": ["ftp", "https,http", "HTTPS "], "x-original-url": ["/a", "ftp://shop.example/a", "https:///a"],
    "x-real-ip": ["unix:", "203.0.113.7, 10.9.0.1", "localhost"], "x-forwarded-for": ["unknown", "203.0.113.7, x"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
@pytest.mark.parametrize("proxy", ["nginx", "ingress-nginx", "traefik"])
def test_what_cannot_be_read_is_refused(proxy: Any, name: str, value: str) -> None:
    if FAMILIES[proxy].get(name):
        assert refused(ForwardDoor(proxy), {**FAMILIES[proxy], name: value})


def test_a_proxy_that_names_websocket_schemes_means_the_same_connection() -> None:
    assert read(ForwardDoor("traefik"), {**FORWARDED, "x-forwarded-proto": "wss"}).scheme == "https"
    assert read(ForwardDoor("traefik"), {**FORWARDED, "x-forwarded-proto": "ws"}).scheme == "http"


@pytest.mark.parametrize(("hops", "client"), [
    ("198.51.100.1, 203.0.113.7", "203.0.113.7"), ("203.0.113.7, 10.9.0.4", "203.0.113.7"),
    ("1.2.3.4, 203.0.113.7, 10.9.0.4, 10.9.0.5", "203.0.113.7"), ("2001:db8::1", "2001:db8::1")])
def test_the_client_is_the_nearest_hop_that_nobody_vouches_for(hops: str, client: str) -> None:
    assert read(ForwardDoor("caddy"), {**FORWARDED, "x-forwarded-for": hops}).peer == client


def test_headers_of_the_call_and_of_the_guard_are_not_the_clients() -> None:
    call = {**NGINX, "content-length": "0", "connection": "close", "x-guard-principal": "root", "x_iam_role": "admin",
            "x-http-method-override": "PUT", "ssl-client-cert": "x", "true-client-ip": "10.9.0.1", "forwarded": "for=x"}
    assert read(ForwardDoor("nginx"), call).headers == ()


# --- Client certificates ---

CERTIFICATE = {"ssl-client-cert": "pem", "ssl-client-verify": "SUCCESS"}


@pytest.mark.parametrize("forwarded", ["x-forwarded", "forwarded"])
@pytest.mark.parametrize("client", ["203.0.113.7", "2001:db8::1"])
def test_certificates_are_the_word_of_the_proxy_where_the_operator_says_so(forwarded: Any, client: str) -> None:
    edge = EdgeSettings(trusted_proxies=("10.9.0.0/16",), forwarded=forwarded)
    call = {**INGRESS, **CERTIFICATE, "x-real-ip": client}
    found = HTTPRequest.from_scope(read(ForwardDoor("ingress-nginx", certificates=True), call, edge).scope(), edge)
    assert (found.trusted, found.client, found.source_ip) == (True, "10.9.0.1", client)
    assert found.header("ssl-client-cert") == "pem"
    assert found.scheme == "https"


def test_certificates_are_a_clients_word_otherwise() -> None:
    for client in ("203.0.113.7", "10.9.0.9"):  # even a client that is a proxy of ours somewhere else
        found = read(ForwardDoor("ingress-nginx"), {**INGRESS, **CERTIFICATE, "x-real-ip": client})
        assert [name for name, _ in found.headers] == [b"x-sent-from"]
    assert "TCP" in refused(ForwardDoor("ingress-nginx", certificates=True), INGRESS, client=None)


# --- WebSockets (section 14.3) ---

def test_a_call_that_is_a_handshake_asks_about_a_handshake() -> None:
    call = {**FORWARDED, "x-forwarded-method": "GET", "upgrade": "websocket", "connection": "Upgrade", **HANDSHAKE}
    for kind in ("http", "websocket"):
        found = read(ForwardDoor("caddy"), call, type=kind)
        assert (found.websocket, found.method) == (True, "GET")
        assert found.scope()["scheme"] == "wss"


@pytest.mark.parametrize("change", [{"x-forwarded-method": "POST"}, {"sec-websocket-key": ""}])
def test_half_a_handshake_is_refused(change: dict[str, str]) -> None:
    call = {**FORWARDED, "x-forwarded-method": "GET", "upgrade": "websocket", **HANDSHAKE, **change}
    if not call["sec-websocket-key"]:
        del call["sec-websocket-key"]
    assert "incomplete" in refused(ForwardDoor("caddy"), call)


@pytest.mark.parametrize("upgrade", ["websocket, h2c", "h2c, websocket", "websocket/13", "websockets"])
def test_an_upgrade_that_servers_read_differently_is_refused(upgrade: str) -> None:
    call = {**FORWARDED, "x-forwarded-method": "GET", "connection": "Upgrade", **HANDSHAKE}
    assert "something else" in refused(ForwardDoor("caddy"), {**call, "upgrade": upgrade})
    assert refused(ForwardDoor("caddy"), [*call.items(), ("upgrade", "websocket"), ("upgrade", "h2c")])
    assert not read(ForwardDoor("caddy"), {**call, "upgrade": "h2c"}).websocket
    assert refused(ForwardDoor("caddy"), {**call, "upgrade": "h2c"}, type="websocket")


@pytest.mark.parametrize("sign", [{"upgrade": "websocket"}, {"sec-websocket-key": "x"}, {"upgrade": "h2c, WebSocket"}])
def test_a_door_that_is_not_told_of_handshakes_denies_what_may_be_one(sign: dict[str, str]) -> None:
    for proxy in ("nginx", "ingress-nginx", "haproxy", "apisix", "oathkeeper"):
        assert "WebSocket" in refused(ForwardDoor(proxy), {**FAMILIES[proxy], **sign})  # type: ignore[arg-type]


def test_a_header_tells_of_handshakes_only_where_the_operator_says_so() -> None:
    told = {**NGINX, "x-original-method": "GET", "x-original-upgrade": "websocket", **HANDSHAKE}
    assert read(ForwardDoor("nginx", upgrades="header"), told).websocket
    assert not read(ForwardDoor("nginx", upgrades="header"), {**told, "x-original-upgrade": ""}).websocket
    assert refused(ForwardDoor("nginx"), told)
    del told["sec-websocket-key"]
    assert not read(ForwardDoor("nginx"), told).websocket


def test_the_other_familys_upgrade_is_not_read() -> None:
    told = {**NGINX, "x-original-method": "GET", "x-forwarded-upgrade": "websocket", **HANDSHAKE}
    assert not read(ForwardDoor("nginx", upgrades="header"), told).websocket


def test_a_call_that_is_a_handshake_has_to_agree_with_the_header() -> None:
    call = {**NGINX, "x-original-method": "GET", "upgrade": "websocket", **HANDSHAKE}
    assert refused(ForwardDoor("nginx", upgrades="header"), call)


# --- Callers of Oathkeeper (section 10) ---

def decisions(headers: Any, path: str, query: str = "", **more: Any) -> dict[str, Any]:
    return {"headers": headers, "path": path, "raw_path": path.encode(), "query_string": query.encode(), **more}


def test_a_path_behind_decisions_has_to_be_what_the_headers_say() -> None:
    door = ForwardDoor("oathkeeper")
    assert read(door, **decisions(FORWARDED, "/decisions")).target == b"/a%20b?q=1"
    assert read(door, **decisions(FORWARDED, "/decisions/a%20b", "q=1")).target == b"/a%20b?q=1"
    assert "different targets" in refused(door, **decisions(FORWARDED, "/decisions/other"))


def test_the_request_line_counts_where_the_operator_says_so_and_nobody_contradicts_it() -> None:
    door = ForwardDoor("oathkeeper", request_line=True)
    rest = {name: value for name, value in FORWARDED.items() if name not in ("x-forwarded-method", "x-forwarded-uri")}
    found = read(door, **decisions(rest, "/decisions/a%2Fb", "q=/x", method="PATCH"))
    assert (found.method, found.target, found.host) == ("PATCH", b"/a%2Fb?q=/x", "shop.example:8443")
    for name in ("x-forwarded-method", "x-forwarded-uri"):
        assert refused(door, **decisions({**rest, name: FORWARDED[name]}, "/decisions/a"))
    assert "no target" in refused(door, **decisions(rest, "/decisions"))
    for raw in (b"/%64ecisions/docs/1", b"/decision%73/docs/1"):
        assert "in another way" in refused(door, **{**decisions(rest, "/decisions/docs/1"), "raw_path": raw})


# --- Settings ---

def test_every_proxy_has_a_path_of_its_own() -> None:
    doors = [ForwardDoor(proxy) for proxy in FAMILIES]  # type: ignore[arg-type]
    check_doors(doors)
    assert [door.at for door in doors] == [*(f"/forward-auth/{name}" for name in FAMILIES if name != "oathkeeper"),
                                           "/decisions"]


@pytest.mark.parametrize("paths", [("/a", "/a"), ("/decisions/a", ""), ("/x", "/x")])
def test_doors_that_share_a_path_are_refused(paths: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="share the path"):
        check_doors([ForwardDoor("nginx", paths[0]), ForwardDoor("oathkeeper", paths[1])])


@pytest.mark.parametrize("path", ["auth", "/auth/", "/a?b", "/a//b", "/%61", "/a b", " /a"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError):
        ForwardDoor("nginx", path)


def test_only_callers_of_oathkeeper_repeat_the_request_line() -> None:
    with pytest.raises(ConfigurationError, match="request_line"):
        ForwardDoor("traefik", request_line=True)
