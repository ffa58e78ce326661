"""What a real Envoy tells upstreams of callers, and what it tells operators of itself."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import jwt
import pytest
from envoy_engine import Engine, get, shop_and_orders
from forward_client import SECONDS, http_call
from sidecar_process import bearer

from iam_guard.sts.key_file import SigningKeyFile

ANN = "arn:app:iam::000000000000:user/ann"
ISSUER = "https://gateway.example"
HEADER = "x-caller-proof"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    SigningKeyFile(keys).make(int(time.time()))
    more = {"assertion": {"keys": str(keys), "issuer": ISSUER, "header": "X-Caller-Proof", "seconds": 30}}
    with shop_and_orders(more, names={"orders": "orders 100% ä"}) as found:
        yield found


def claims(engine: Engine, text: str, audience: str) -> dict[str, object]:
    """What a statement says, checked as an upstream does: with the keys that are served."""
    keys = jwt.PyJWKSet.from_dict(json.loads(engine.status("/jwks.json").body))
    key = keys[jwt.get_unverified_header(text)["kid"]]
    found: dict[str, object] = jwt.decode(text, key, ["EdDSA"], audience=audience, issuer=ISSUER,
                                          options={"require": ["iss", "aud", "sub", "iat", "exp"]})
    return found


@pytest.mark.parametrize(("target", "upstream"), [("/documents/1", "shop"), ("/orders/1", "orders 100% ä"),
                                                  ("/ordersome/1", "shop")])
def test_an_upstream_gets_a_statement_that_is_for_it_and_can_be_checked(engine: Engine, target: str,
                                                                       upstream: str) -> None:
    assert get(engine, target) == 200
    (text,) = engine.apps[upstream.partition(" ")[0]].header(HEADER)
    said = claims(engine, text, upstream)
    assert (said["sub"], said["account"]) == (ANN, "000000000000")
    assert int(str(said["exp"])) - int(str(said["iat"])) == 30


@pytest.mark.parametrize("name", ["X-Caller-Proof", HEADER, "X_Caller_Proof", "X.Caller.Proof",
                                  "X-Caller_Proof", "X-Guard-Upstream", "X_Guard_Upstream", "X!Guard!Upstream"])
def test_what_a_client_says_in_its_place_reaches_nobody(engine: Engine, name: str) -> None:
    """Promise S9: in any spelling that an application may take for it."""
    sent = [*bearer("ann").items(), (name, "orders"), (name, "forged")]
    assert get(engine, "/documents/1", sent) == 200
    assert len(engine.shop.header(HEADER)) == 1
    assert claims(engine, engine.shop.header(HEADER)[0], "shop")["sub"] == ANN
    assert "forged" not in json.dumps(engine.shop.seen)
    assert engine.shop.header("x-guard-upstream") == []


@pytest.mark.parametrize("sign", "!#$%&'*+-.^_`|~")
@pytest.mark.parametrize("name", ["x-guard-principal", "x-guard-any", "x-iam-role", "x-original-url", "x-rewrite-url",
                                  "x-http-method", "x-http-method-override", "x-method-override", "x-caller-proof"])
def test_no_spelling_of_a_name_that_is_ours_passes(engine: Engine, sign: str, name: str) -> None:
    """Every sign that a name may have (RFC 9110 section 5.6.2)."""
    assert get(engine, "/documents/1", [*bearer("ann").items(), (name.replace("-", sign), "forged")]) == 200
    assert [value for _, value in engine.shop.seen[-1]["headers"] if value == "forged"] == []


def test_connection_names_no_header_away_that_is_ours(engine: Engine) -> None:
    sent = [*bearer("ann").items(), ("Connection", "close, X-Caller-Proof, X-Guard-Principal, X-Guard-Upstream")]
    assert get(engine, "/documents/1", sent) in (200, 400, 403)
    if engine.shop.seen:
        assert len(engine.shop.header(HEADER)) == 1
        assert engine.shop.header("x-guard-principal") == [ANN]


def test_nothing_is_stated_about_nobody(engine: Engine) -> None:
    assert get(engine, "/health", [("Accept", "*/*"), ("X-Caller-Proof", "forged")]) == 200
    assert engine.shop.header(HEADER) in ([], [""])


def test_a_client_does_not_tell_envoy_what_to_do(engine: Engine) -> None:
    """Threat G08: who could have a request asked again could have it done twice."""
    sent = [*bearer("ann").items(), ("X-Envoy-Retry-On", "retriable-status-codes"), ("X-Envoy-Max-Retries", "3"),
            ("X-Envoy-Retriable-Status-Codes", "200"), ("X-Envoy-Upstream-Rq-Timeout-Ms", "1")]
    assert get(engine, "/documents/1", sent) == 200
    assert len(engine.shop.seen) == 1
    assert [name for name, _ in engine.shop.seen[-1]["headers"] if "envoy" in name.lower()] == []


def test_where_a_request_came_from_is_written_anew(engine: Engine) -> None:
    sent = [*bearer("ann").items(), ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Proto", "https"), ("Forwarded", "for=6.6.6.6"), ("X-Forwarded-For", "7.7.7.7")]
    assert get(engine, "/orders/1", sent) == 200
    told = {name: engine.orders.header(name) for name in ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
                                                          "forwarded")}
    assert told == {"x-forwarded-for": ["127.0.0.1"], "x-forwarded-host": ["shop.example"],
                    "x-forwarded-proto": ["http"], "forwarded": []}


@pytest.mark.parametrize("host", ["shop.example.", "SHOP.example", "shop.example:8080"])
def test_spellings_of_a_host_lead_to_the_same_upstream(engine: Engine, host: str) -> None:
    """Threat G17: the guard takes them for one."""
    assert get(engine, "/documents/1", host=host) == 200
    assert claims(engine, engine.shop.header(HEADER)[0], "shop")["sub"] == ANN


def test_a_host_that_is_not_served_is_misdirected(engine: Engine) -> None:
    """RFC 9110 section 15.5.20, as from the gateway's own engine; a stranger is not told."""
    assert get(engine, "/documents/1", host="other.example") == 421
    assert get(engine, "/documents/1", [("Accept", "*/*")], host="other.example") == 401


@pytest.mark.parametrize(("said", "cache", "vary"), [
    ({}, ["private, no-store"], "Authorization"),
    ({"cache-control": "public, max-age=60"}, ["private, no-store"], "Authorization"),
    ({"Cache-Control": "private, max-age=60"}, ["private, max-age=60"], "Authorization"),
    ({"cache-control": "No-Store", "vary": "Accept"}, ["No-Store"], "Accept, Authorization"),
    ({"vary": "authorization, Accept"}, ["private, no-store"], "authorization, Accept"),
])
def test_an_answer_for_one_caller_is_kept_out_of_shared_caches(engine: Engine, said: dict[str, str], cache: list[str],
                                                               vary: str) -> None:
    """Threat G09, as the gateway's own engine does it (RFC 9111 sections 3.5 and 5.2.2)."""
    target = f"/documents/said?{urlencode(said)}"
    reply = http_call(engine.port, "GET", target, bearer("ann").items())
    assert (reply.status, reply.values("cache-control")) == (200, cache)
    assert [name.strip() for name in reply.header("vary").split(",")] == vary.split(", ")


def test_an_answer_for_everybody_may_be_kept(engine: Engine) -> None:
    reply = http_call(engine.port, "GET", "/open/said?cache-control=public", bearer("ann").items())
    assert (reply.status, reply.values("cache-control"), reply.values("vary")) == (200, ["public"], [])


def test_the_status_tells_that_it_serves(engine: Engine) -> None:
    assert engine.status("/healthz").status == 200
    ready = engine.status("/readyz")
    assert (ready.status, json.loads(ready.body)["ready"]) == (200, True)
    assert engine.status("/jwks.json").header("cache-control") == "public, max-age=300"
    assert engine.status("/nothing").status == 404
    assert engine.status("/readyz", "POST").status == 405


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/jwks.json", "/stats", "/config_dump", "/quitquitquit"])
def test_the_status_and_the_administration_are_not_where_clients_are(engine: Engine, path: str) -> None:
    assert http_call(engine.port, "GET", path, bearer("ann").items()).status == 403
    assert engine.shop.seen == []


def test_nobody_else_reaches_the_administration(engine: Engine) -> None:
    (folder,) = (engine.settings.parent / "tmp").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "admin.sock").stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as opened:
        opened.settimeout(SECONDS)
        opened.connect(str(folder / "admin.sock"))
        opened.sendall(b"GET /ready HTTP/1.1\r\nHost: envoy\r\nConnection: close\r\n\r\n")
        assert b"LIVE" in opened.recv(65_536)
