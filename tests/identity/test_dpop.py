"""DPoP: the published examples, every part of a proof changed, replays, nonces and the way down to Bearer."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokens import (
    NOW,
    SECRET,
    FakeClock,
    authenticator,
    b64,
    claims_of,
    compact,
    ec_key,
    ed_key,
    jwk,
    rsa_key,
    signer,
    token,
)

from iam_guard.errors import AuthenticationError, ConfigurationError, UnavailableError
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.bearer_tokens import BearerTokens, Readers
from iam_guard.identity.dpop import DPoP, DPoPTokens
from iam_guard.identity.dpop_proof import jwk_thumbprint, read_proof
from iam_guard.identity.nonces import Nonces
from iam_guard.identity.one_credential import OneCredential
from iam_guard.identity.replay import MemoryReplayCache
from iam_guard.identity.target_uri import normalised
from iam_guard.identity.token_reader import ReadToken
from iam_guard.model import Principal

#: RFC 9449 section 7.1: the request to a protected resource.
TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscE"
    "JoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
    ".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z"
    "WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9"
    ".2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA")
#: Section 6.1: the confirmation of the token for the key of the proof.
JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
ISSUED_AT = 1562262618

KEY = ec_key("client")
URL = "https://api.example/orders/7"


class Known:
    """A reader that knows one token."""

    def __init__(self, text: str, found: ReadToken) -> None:
        self.text, self.found = text, found

    def reads(self, token: bytes) -> bool:
        return True

    async def read(self, token: bytes) -> ReadToken:
        if token != self.text.encode():
            raise AuthenticationError("another token")
        return self.found

    async def start(self) -> None: ...

    async def close(self) -> None: ...


def sent(proof: str | None, text: str, *, method: str = "GET", path: str = "/orders/7", query: bytes = b"",
         host: str = "api.example", scheme: str = "https", authorization: str = "DPoP", **more: Any) -> HTTPRequest:
    headers = [(b"authorization", f"{authorization} {text}".encode())]
    headers += [] if proof is None else [(b"dpop", proof.encode())]
    return HTTPRequest(method=method, headers=tuple(headers), raw_path=path.encode(), query_string=query, host=host,
                       scheme=scheme, **more)


def bound(key: Any = KEY, **more: Any) -> str:
    """A token of I1 that is bound to *key*."""
    return token(claims_of(cnf={"jkt": jwk_thumbprint(jwk(key))}, **more))


def prove(text: str, *, key: Any = KEY, alg: str = "ES256", signed_by: Any = None, header: dict[str, Any] | None = None,
          without: tuple[str, ...] = (), **more: Any) -> str:
    claims = {"jti": "one", "htm": "GET", "htu": URL, "iat": NOW, "ath": b64(sha256(text.encode()).digest())} | more
    head = {"typ": "dpop+jwt", "alg": alg, "jwk": jwk(key)} | (header or {})
    return compact({name: value for name, value in head.items() if name not in without},
                   {name: value for name, value in claims.items() if name not in without},
                   signer(signed_by or key, alg))


def door(clock: FakeClock | None = None, **more: Any) -> DPoPTokens:
    clock = clock or FakeClock()
    settings = {name: more.pop(name) for name in ("replay", "certificates") if name in more}
    return DPoPTokens(Readers(authenticator(clock=clock)), dpop=DPoP(**more), clock=clock, **settings)


def ask(asked: DPoPTokens, request: HTTPRequest) -> Principal:
    found = asyncio.run(OneCredential(asked).authenticate(request))
    assert found is not None
    return found


def refusal(asked: DPoPTokens, request: HTTPRequest, code: str = "invalid_dpop_proof") -> AuthenticationError:
    with pytest.raises(AuthenticationError) as caught:
        ask(asked, request)
    assert caught.value.code == code
    return caught.value


def test_the_published_request_is_accepted_when_it_was_made() -> None:
    caller = Principal.user("ada")
    reader = Known(TOKEN, ReadToken(caller, {"jkt": JKT}))
    asked = DPoPTokens(Readers(reader), clock=FakeClock(ISSUED_AT + 1))
    request = sent(PROOF, TOKEN, host="resource.example.org", path="/protectedresource")
    assert ask(asked, request) is caller
    assert "used before" in refusal(asked, request).detail


def test_the_published_thumbprints() -> None:
    assert read_proof(PROOF.encode(), ("ES256",)).thumbprint == JKT
    # RFC 7638 section 3.1.
    key = {"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZ"
        "Hzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kE"
        "gU8awapJzKnqDKgw")}
    assert jwk_thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(("key", "alg"), [(KEY, "ES256"), (ed_key(), "EdDSA"), (rsa_key(), "PS256")])
def test_a_signed_token_with_its_proof(key: Any, alg: str) -> None:
    text = bound(key)
    assert ask(door(), sent(prove(text, key=key, alg=alg), text)).subject == "alice"


@pytest.mark.parametrize("htu", [
    "https://api.example/orders/7", "HTTPS://API.example:443/orders/7", "https://api.example/orders/%37",
    "https://api.example/orders/7?page=2", "https://api.example/orders/7#top",
])
def test_targets_are_compared_in_one_spelling(htu: str) -> None:
    text = bound()
    assert ask(door(), sent(prove(text, htu=htu), text, query=b"page=3"))


@pytest.mark.parametrize("change", [
    {"htu": "https://api.example/orders/8"}, {"htu": "http://api.example/orders/7"},
    {"htu": "https://evil.example/orders/7"}, {"htu": "https://api.example:8443/orders/7"},
    {"htu": "https://api.example/orders/7/"}, {"htu": "https://api.example/Orders/7"},
    {"htu": "https://api.example/x/../orders/7"}, {"htu": "https://api.example@evil.example/orders/7"},
    {"htu": "/orders/7"}, {"htu": "https://api.example/orders%2F7"}, {"htu": 7}, {"htu": ""},
    {"htm": "POST"}, {"htm": "get"}, {"htm": ["GET"]},
    {"iat": NOW - 60}, {"iat": NOW + 6}, {"iat": str(NOW)}, {"iat": True}, {"iat": None},
    {"jti": ""}, {"jti": 7}, {"jti": "x" * 257},
    {"ath": b64(sha256(b"another").digest())}, {"ath": ""}, {"ath": None},
    {"without": ("jti",)}, {"without": ("htm",)}, {"without": ("htu",)}, {"without": ("iat",)}, {"without": ("ath",)},
    {"without": ("jwk",)}, {"without": ("typ",)}, {"without": ("alg",)},
    {"header": {"typ": "JWT"}}, {"header": {"typ": ["dpop+jwt"]}}, {"header": {"alg": "none"}},
    {"header": {"alg": "HS256"}}, {"header": {"alg": "ES384"}}, {"header": {"alg": ["ES256"]}},
    {"header": {"crit": ["x"], "x": 1}}, {"header": {"b64": False}}, {"header": {"jwk": "key"}},
    {"header": {"jwk": jwk(SECRET)}}, {"header": {"jwk": jwk(KEY) | {"d": "AA"}}}, {"header": {"jwk": jwk(ed_key())}},
    {"header": {"jwk": jwk(KEY, use="enc")}}, {"header": {"jwk": jwk(KEY) | {"x": "AA"}}},
    {"signed_by": ec_key("attacker")},
])
def test_a_proof_that_is_wrong_anywhere(change: dict[str, Any]) -> None:
    text = bound()
    error = refusal(door(), sent(prove(text, **change), text))
    assert error.scheme == "DPoP"
    assert text not in error.detail


def test_a_shared_secret_proves_nothing() -> None:
    text = bound()
    made = compact({"typ": "dpop+jwt", "alg": "HS256", "jwk": jwk(SECRET)},
                   {"jti": "1", "htm": "GET", "htu": URL, "iat": NOW, "ath": b64(sha256(text.encode()).digest())},
                   signer(SECRET, "HS256"))
    refusal(door(), sent(made, text))


@pytest.mark.parametrize("proof", [None, "", "x", "a.b", "a.b.c.d", "e30.e30.", "." * 9000, "[" * 99 + ".e30.AA"])
def test_what_is_no_proof(proof: str | None) -> None:
    refusal(door(), sent(proof, bound()))


def test_two_proofs_are_none() -> None:
    text = bound()
    request = sent(prove(text), text)
    twice = HTTPRequest(headers=(*request.headers, request.headers[-1]), raw_path=request.raw_path, host=request.host,
                        scheme="https")
    assert "exactly one" in refusal(door(), twice).detail


def test_a_token_of_another_key() -> None:
    text = bound(ec_key("somebody-else"))
    refusal(door(), sent(prove(text), text), "invalid_token")


@pytest.mark.parametrize("cnf", [None, {}, {"jkt": 7}, {"jkt": "short"}, {"jwk": jwk(KEY)},
                                 {"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"},
                                 {"jkt": jwk_thumbprint(jwk(KEY)), "x5t#S256": "A" * 43},
                                 {"jkt": jwk_thumbprint(jwk(KEY)), "kid": "1"}])
def test_a_token_that_is_bound_to_something_else_as_well(cnf: Any) -> None:
    text = token(claims_of(cnf=cnf))
    refusal(door(), sent(prove(text), text), "invalid_token")


def test_a_token_that_is_bound_to_nothing_does_not_pass_for_bound() -> None:
    text = token()
    assert "jkt" in refusal(door(), sent(prove(text), text), "invalid_token").detail


@pytest.mark.parametrize("authorization", ["Bearer", "bearer"])
def test_j24_1_a_bound_token_is_no_bearer_token(authorization: str) -> None:
    text = bound()
    jwt = authenticator()
    ways = OneCredential(BearerTokens(Readers(jwt)), DPoPTokens(Readers(jwt), clock=FakeClock()))
    for proof in (None, prove(text)):
        request = sent(proof, text, authorization=authorization)
        with pytest.raises(AuthenticationError, match="cnf"):
            asyncio.run(ways.authenticate(request))
    assert asyncio.run(ways.authenticate(sent(prove(text), text)))  # also after it was accepted with its proof
    with pytest.raises(AuthenticationError, match="cnf"):
        asyncio.run(ways.authenticate(sent(None, text, authorization=authorization)))


@pytest.mark.parametrize("text", ["", "a b", "a,b", " "])
def test_a_scheme_without_its_token(text: str) -> None:
    refusal(door(), sent("x", text), "invalid_token")


def test_a_proof_is_good_once_and_for_a_while() -> None:
    clock, text = FakeClock(), bound()
    asked, proof = door(clock), prove(text)
    ask(asked, sent(proof, text))
    for passed in (0, 1, 59.9):
        clock.now = NOW + passed
        assert "used before" in refusal(asked, sent(proof, text)).detail
    clock.now = NOW + 60
    assert "too long ago" in refusal(asked, sent(proof, text)).detail
    assert ask(asked, sent(prove(text, jti="two", iat=NOW + 60), text))


def test_a_proof_from_a_fast_clock_is_remembered_until_it_is_too_old() -> None:
    clock, text = FakeClock(), bound()
    asked, proof = door(clock), prove(text, iat=NOW + 5)
    ask(asked, sent(proof, text))
    clock.now = NOW + 64.9
    assert "used before" in refusal(asked, sent(proof, text)).detail


def test_bad_proofs_use_nothing_up() -> None:
    replay, text = MemoryReplayCache(), bound()
    asked = door(replay=replay)
    refusal(asked, sent(prove(text, htm="POST"), text))
    other = bound(ec_key("somebody-else"))
    refusal(asked, sent(prove(other), other), "invalid_token")
    assert len(replay) == 0
    ask(asked, sent(prove(text), text))


def test_a_full_memory_forgets_nothing_that_could_be_used_again() -> None:
    clock, text = FakeClock(), bound()
    asked = door(clock, replay=MemoryReplayCache(2))
    proofs = [prove(text, jti=str(n)) for n in range(3)]
    for proof in proofs[:2]:
        ask(asked, sent(proof, text))
    with pytest.raises(UnavailableError):
        ask(asked, sent(proofs[2], text))
    assert "used before" in refusal(asked, sent(proofs[0], text)).detail
    clock.now = NOW + 60
    assert ask(asked, sent(prove(text, jti="later", iat=NOW + 60), text))


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 3)), max_size=40), st.integers(1, 4))
def test_nothing_is_used_twice_while_it_is_remembered(steps: list[tuple[int, float]], size: int) -> None:
    async def run() -> None:
        cache, now, used = MemoryReplayCache(size), 0.0, {}
        for name, passed in steps:
            now += passed
            try:
                fresh = await cache.use(bytes([name]), until=now + 5, now=now)
            except UnavailableError:
                assert sum(until > now for until in used.values()) >= size
                continue
            assert fresh == (used.get(name, 0.0) <= now)
            used[name] = now + 5 if fresh else used[name]
            assert len(cache) <= size

    asyncio.run(run())


def test_a_nonce_is_asked_for_and_then_needed() -> None:
    clock, text = FakeClock(), bound()
    asked = door(clock, nonces=Nonces(60, key=b"k" * 32))
    error = refusal(asked, sent(prove(text), text), "use_dpop_nonce")
    (name, nonce), = error.headers
    assert name == "DPoP-Nonce"
    assert nonce.isascii()
    assert ask(asked, sent(prove(text, nonce=nonce), text))
    clock.now += 60
    again = {"iat": clock.now, "nonce": nonce}
    assert ask(asked, sent(prove(text, jti="two", **again), text))  # the one before is still good
    clock.now += 60
    again["iat"] = clock.now
    assert refusal(asked, sent(prove(text, jti="three", **again), text), "use_dpop_nonce").headers[0][1] != nonce
    for wrong in ("", None, 7, "ü", [nonce]):
        refusal(asked, sent(prove(text, jti="four", iat=clock.now, nonce=wrong), text), "use_dpop_nonce")


def test_nonces_of_one_key_are_the_same_everywhere() -> None:
    one, other, stranger = Nonces(key=b"k" * 32), Nonces(key=b"k" * 32), Nonces()
    assert other.accepts(one.current(NOW), NOW)
    assert not stranger.accepts(one.current(NOW), NOW)


def test_behind_a_proxy_that_changes_the_host() -> None:
    text = bound()
    inner = sent(prove(text), text, host="orders.internal:8080", scheme="http")
    refusal(door(), inner)
    assert ask(door(origin="https://api.example"), inner)


def test_a_handshake_is_proved_like_a_request() -> None:
    text = bound()
    assert ask(door(), sent(prove(text), text, kind="websocket", scheme="wss"))


def test_the_challenge() -> None:
    assert door(algorithms=("ES256", "PS256")).challenges() == ('DPoP algs="ES256 PS256"',)


@pytest.mark.parametrize("more", [{"algorithms": ()}, {"algorithms": ("HS256",)}, {"algorithms": ("none",)},
                                  {"max_age": 0}, {"max_age": 301}, {"leeway": -1}, {"origin": "api.example"},
                                  {"origin": "https://api.example/x"}, {"origin": "https://API.example"}])
def test_settings_that_would_prove_nothing(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        DPoP(**more)


def test_nonces_and_memories_that_are_none() -> None:
    for make in (lambda: Nonces(0), lambda: Nonces(key=b"short"), lambda: MemoryReplayCache(0)):
        with pytest.raises(ConfigurationError):
            make()


@given(st.integers(0, len(PROOF) - 1), st.sampled_from("ABCabc019-_."))
def test_no_single_change_to_the_published_proof_is_accepted(position: int, letter: str) -> None:
    changed = PROOF[:position] + letter + PROOF[position + 1:]
    asked = DPoPTokens(Readers(Known(TOKEN, ReadToken(Principal.user("ada"), {"jkt": JKT}))),
                       clock=FakeClock(ISSUED_AT))
    request = sent(changed, TOKEN, host="resource.example.org", path="/protectedresource")
    if changed == PROOF:
        assert ask(asked, request)
    else:
        with pytest.raises(AuthenticationError):
            ask(asked, request)


def test_normal_forms() -> None:
    assert normalised("HTTP://Example.COM:80") == "http://example.com/"  # RFC 3986 section 6.2.3
    assert normalised("https://[2001:DB8::1]:8443/%7euser/%c3") == "https://[2001:db8::1]:8443/~user/%C3"


def test_it_uses_the_trust_of_the_issuer() -> None:
    text = token(claims_of(cnf={"jkt": jwk_thumbprint(jwk(KEY))}), key=rsa_key("attacker"))
    refusal(door(), sent(prove(text), text), "invalid_token")
