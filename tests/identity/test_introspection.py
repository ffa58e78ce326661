"""Opaque tokens: what is asked, what is believed and for how long, and what happens when nobody answers."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from certificates import certificate, pem, x5t
from tokens import IDP, NOW, FakeClock, authenticator, claims_of, request, token

from iam_guard.errors import AuthenticationError, ConfigurationError, UnavailableError
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.bearer_tokens import BearerTokens, Readers
from iam_guard.identity.certificate_proof import CertificateProof
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.identity.client_certificate import CertificateSource, Place
from iam_guard.identity.introspection import Introspection, IntrospectionReader
from iam_guard.identity.introspection_call import ClientSecret
from iam_guard.identity.token_identity import TokenIdentity
from iam_guard.model import Principal

URL = "https://server.example.com/introspect"
#: RFC 7662 section 2.2.
PUBLISHED = {
    "active": True, "client_id": "l238j323ds-23ij4", "username": "jdoe", "scope": "read write dolphin",
    "sub": "Z5O3upPC88QrAjx00dis", "aud": "https://protected.example.net/resource",
    "iss": "https://server.example.com/", "exp": 1419356238, "iat": 1419350238, "extension_field": "twenty-seven",
}


class Issuer:
    """An issuer that remembers what it was asked."""

    def __init__(self, answer: Any = None, status: int = 200) -> None:
        self.answer, self.status, self.asked = answer, status, []
        self.gate: asyncio.Event | None = None

    async def __call__(self, asked: httpx.Request) -> httpx.Response:
        self.asked.append(asked)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        content = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return httpx.Response(self.status, stream=httpx.ByteStream(content))


def told(**more: Any) -> Introspection:
    settings: dict[str, Any] = {"url": URL, "issuer": IDP, "client": ClientSecret("orders", "s3cret"),
                                "audience": ("iam-guard",), "claims": ClaimMapping(account="t1")}
    return Introspection(**(settings | more))


def reader(server: Issuer, /, clock: FakeClock | None = None, **more: Any) -> IntrospectionReader:
    return IntrospectionReader(told(**more), clock=clock or FakeClock(),
                               http=httpx.AsyncClient(transport=httpx.MockTransport(server)))


def active(**more: Any) -> dict[str, Any]:
    return {"active": True, **claims_of(**more)}


def ask(asked: IntrospectionReader, text: str = "mF_9.B5f-4.1JqM", **more: Any) -> Principal:
    async def run() -> Principal | None:
        return await BearerTokens(Readers(asked), **more).authenticate(request(f"Bearer {text}"))
    found = asyncio.run(run())
    assert found is not None
    return found


def refusal(asked: IntrospectionReader, text: str = "opaque", **more: Any) -> AuthenticationError:
    with pytest.raises(AuthenticationError) as caught:
        ask(asked, text, **more)
    assert text not in caught.value.detail
    return caught.value


def test_the_published_example() -> None:
    issuer = Issuer(PUBLISHED)
    asked = reader(issuer, FakeClock(1419350300), issuer="https://server.example.com/",
                   audience=("https://protected.example.net/resource",),
                   claims=ClaimMapping(account="t1", context={"extension": Claim("extension_field")}))
    caller = ask(asked, "2YotnFZFEjr1zCsicMWpAA")
    assert caller.subject == "Z5O3upPC88QrAjx00dis"
    assert caller.issuer == "https://server.example.com/"
    assert caller.expires_at == 1419356238 + 30
    assert caller.context["jwt:scope"] == ("read", "write", "dolphin")
    assert caller.context["jwt:client_id"] == "l238j323ds-23ij4"
    assert caller.context["jwt:extension"] == "twenty-seven"
    sent, = issuer.asked
    assert sent.method == "POST"
    assert parse_qs(sent.content.decode()) == {"token": ["2YotnFZFEjr1zCsicMWpAA"],
                                               "token_type_hint": ["access_token"]}
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sent.headers["accept"] == "application/json"


def test_the_published_answer_about_an_inactive_token() -> None:
    assert refusal(reader(Issuer({"active": False}))).description == "The access token is not valid"


def test_it_asks_in_its_own_name() -> None:
    issuer = Issuer(active())
    # RFC 6749 sections 2.3.1 and appendix B: both are encoded like forms before they are joined.
    ask(reader(issuer, client=ClientSecret("a:b", "p w+")))
    assert issuer.asked[0].headers["authorization"] == "Basic " + base64.b64encode(b"a%3Ab:p+w%2B").decode()
    ask(reader(issuer, client=ClientSecret("", "23410913-abewfq.123483")))
    assert issuer.asked[1].headers["authorization"] == "Bearer 23410913-abewfq.123483"  # RFC 7662 section 2.1


@pytest.mark.parametrize("answer", [
    {}, {"active": "true"}, {"active": 1}, {"active": None}, active() | {"active": False},
    active(iss="https://other.example"), active(aud="other"), active(aud=[]), active(aud=7), active(without=("aud",)),
    active(exp=NOW - 30), active(exp="9999999999"), active(without=("exp",)), active(exp=True),
    active(nbf=NOW + 31), active(iat=NOW + 31), active(sub=""), active(sub=42), active(without=("sub",)),
    active(token_type="refresh_token"), active(token_type=["Bearer"]), active(scope=7),
    active(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),  # J24.1: bound, and sent as Bearer
    active(cnf={"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
    active(cnf={}), active(cnf=None), active(token_type="DPoP"),
])
def test_answers_that_name_no_caller(answer: dict[str, Any]) -> None:
    refusal(reader(Issuer(answer)))


@pytest.mark.parametrize("issuer", [
    Issuer({"error": "invalid_client"}, 401), Issuer(active(), 201), Issuer(active(), 302), Issuer({}, 500),
    Issuer(httpx.ConnectError("down")), Issuer(httpx.ReadTimeout("slow")), Issuer(b""), Issuer(b"[true]"),
    Issuer(b'{"active":false,"active":true}'), Issuer(b"{" + b" " * 300_000 + b"}"),
    Issuer(b"[" * 20_000),
])
def test_who_cannot_be_asked_makes_nobody_good_or_bad(issuer: Issuer) -> None:
    asked = reader(issuer)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            ask(asked)
    assert len(issuer.asked) == 2  # a failure is not remembered


def test_an_answer_is_believed_for_a_while_and_then_asked_again() -> None:
    issuer, clock = Issuer(active()), FakeClock()
    asked = reader(issuer, clock)
    ask(asked)
    clock.now += 4.9
    ask(asked)
    assert len(issuer.asked) == 1
    issuer.answer = {"active": False}  # J18.2: revoked at the issuer
    clock.now += 0.1
    refusal(asked, "mF_9.B5f-4.1JqM")
    assert len(issuer.asked) == 2


def test_j18_1_no_answer_is_believed_past_the_end_of_its_token() -> None:
    issuer, clock = Issuer(active(exp=NOW + 100)), FakeClock()
    asked = reader(issuer, clock, cache_seconds=300)
    ask(asked)
    clock.now = NOW + 100
    issuer.answer = {"active": False}
    refusal(asked, "mF_9.B5f-4.1JqM")


def test_bad_tokens_are_remembered_apart_from_good_ones() -> None:
    issuer = Issuer(active())
    asked = IntrospectionReader(told(), clock=FakeClock(), cache_size=2,
                                http=httpx.AsyncClient(transport=httpx.MockTransport(issuer)))
    ask(asked, "good")
    issuer.answer = {"active": False}
    for name in "abcdefgh":
        refusal(asked, f"invented-{name}")
        refusal(asked, f"invented-{name}")
    assert len(issuer.asked) == 9
    ask(asked, "good")
    assert len(issuer.asked) == 9


def test_many_requests_with_one_token_are_one_question() -> None:
    issuer = Issuer(active())

    async def run() -> None:
        issuer.gate = asyncio.Event()
        asked = reader(issuer)
        door = BearerTokens(Readers(asked))
        waiting = [asyncio.create_task(door.authenticate(request("Bearer t"))) for _ in range(20)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # one client that goes away takes nobody with it
        issuer.gate.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(one, Principal) for one in results) == 19
        await door.close()

    asyncio.run(run())
    assert len(issuer.asked) == 1


def test_s18_no_more_than_so_many_questions_are_open() -> None:
    issuer = Issuer(active())

    async def run() -> None:
        issuer.gate = asyncio.Event()
        door = BearerTokens(Readers(reader(issuer)))
        waiting = [asyncio.create_task(door.authenticate(request(f"Bearer t{n}"))) for n in range(70)]
        for _ in range(5):
            await asyncio.sleep(0)
        issuer.gate.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(one, UnavailableError) for one in results) == 6
        await door.close()

    asyncio.run(run())
    assert len(issuer.asked) == 64


@pytest.mark.parametrize("text", ["a b", "ümlaut", "a,b", "=", 'a"b'])
def test_what_cannot_be_a_token_costs_no_question(text: str) -> None:
    issuer = Issuer(active())
    refusal(reader(issuer), text)
    assert not issuer.asked


def test_signed_tokens_are_not_sent_to_anybody() -> None:
    issuer = Issuer(active(sub="somebody-else"))
    opaque = reader(issuer)
    door = BearerTokens(Readers(authenticator(), opaque))

    async def run(text: str) -> Principal | None:
        return await door.authenticate(request(f"Bearer {text}"))

    signed = asyncio.run(run(token()))
    assert signed is not None
    assert signed.subject == "alice"
    with pytest.raises(AuthenticationError):
        asyncio.run(run(token(kid="unknown")))
    assert not issuer.asked
    opaque_caller = asyncio.run(run("opaque"))
    assert opaque_caller is not None
    assert opaque_caller.subject == "somebody-else"


def test_a_token_that_is_bound_to_a_certificate_needs_it() -> None:
    made, other = certificate(dns=("a.example",)), certificate(dns=("b.example",))
    issuer = Issuer(active(cnf={"x5t#S256": x5t(made)}))
    proof = CertificateProof(CertificateSource(Place.TLS, clock=FakeClock()))

    def run(*chain: str) -> Principal | None:
        asked = request("Bearer t")
        door = BearerTokens(Readers(reader(issuer)), certificates=proof)
        return asyncio.run(door.authenticate(HTTPRequest(headers=asked.headers, tls_chain=chain)))

    assert run(pem(made)) is not None
    for chain in ((), (pem(other),), (pem(other), pem(made))):
        with pytest.raises(AuthenticationError, match="not shown"):
            run(*chain)


@pytest.mark.parametrize(("names_callers", "bound", "passes"), [
    (True, True, True), (False, False, True), (False, True, True), (True, False, False),
])
def test_s10_a_certificate_that_names_somebody_is_no_bystander(names_callers: bool, bound: bool, passes: bool) -> None:
    made = certificate(dns=("a.example",))
    answer = active(cnf={"x5t#S256": x5t(made)}) if bound else active()
    door = BearerTokens(Readers(reader(Issuer(answer))),
                        certificates=CertificateProof(CertificateSource(Place.TLS, clock=FakeClock()), names_callers))
    asked = HTTPRequest(headers=request("Bearer t").headers, tls_chain=(pem(made),))
    if passes:
        assert asyncio.run(door.authenticate(asked)) is not None
    else:
        with pytest.raises(AuthenticationError) as caught:
            asyncio.run(door.authenticate(asked))
        assert caught.value.code == "invalid_request"


def test_the_example_of_a_confirmation_in_an_answer() -> None:
    # RFC 8705 section 3.2, figure 4: the token and its certificate are told apart from any other.
    answer = {"active": True, "iss": IDP, "sub": "ty.webb@example.com", "exp": NOW + 9, "nbf": NOW, "aud": "iam-guard",
              "cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}
    assert "not shown" in refusal(reader(Issuer(answer))).detail


@pytest.mark.parametrize("more", [
    {"url": "http://idp.example/introspect"}, {"url": "idp.example"}, {"issuer": ""}, {"audience": ()},
    {"any_audience": True}, {"leeway": 61}, {"cache_seconds": 301}, {"cache_seconds": -1},
])
def test_settings_that_would_ask_the_wrong_thing(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        told(**more)


def test_a_client_without_a_secret_is_none() -> None:
    for secret in ("", "x\n", "ü"):
        with pytest.raises(ConfigurationError):
            ClientSecret("orders", secret)
    assert "s3cret" not in repr(told())
    assert "s3cret" not in repr(ClientSecret("orders", "s3cret"))


def test_any_audience_has_to_be_said() -> None:
    assert ask(reader(Issuer(active(without=("aud",))), audience=(), any_audience=True)).subject == "alice"


def test_its_own_client_is_closed() -> None:
    async def run() -> None:
        own = IntrospectionReader(told(), clock=FakeClock())
        await own.start()
        await own.close()
        with pytest.raises(RuntimeError, match="closed"):
            await own._http.get(URL)

    asyncio.run(run())


def test_a_token_that_was_revoked_here() -> None:
    """The issuer may not hear of it for a while; what is revoked is named by the answer, not by the token's text."""
    asked: list[TokenIdentity] = []

    def is_revoked(identity: TokenIdentity) -> bool:
        asked.append(identity)
        return len(asked) > 1

    server = Issuer(active(jti="t-1"))
    door = IntrospectionReader(told(), is_revoked=is_revoked, clock=FakeClock(),
                               http=httpx.AsyncClient(transport=httpx.MockTransport(server)))
    assert ask(door).subject == "alice"
    assert refusal(door, "mF_9.B5f-4.1JqM").description == "The access token was revoked"
    assert len(server.asked) == 1  # an answer that is believed is no excuse
    assert asked == [TokenIdentity(IDP, "t-1", "alice", NOW - 10)] * 2


def test_a_list_that_cannot_be_read_lets_nobody_in() -> None:
    def is_revoked(identity: TokenIdentity) -> bool:
        raise OSError

    door = IntrospectionReader(told(), is_revoked=is_revoked, clock=FakeClock(),
                               http=httpx.AsyncClient(transport=httpx.MockTransport(Issuer(active()))))
    with pytest.raises(UnavailableError):
        ask(door)


def test_a_name_that_nobody_could_revoke() -> None:
    refusal(reader(Issuer(active(jti=7))))
