"""Signed requests: time, scope, keys, coverage, replays and hostile spellings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest
from signing import (
    ADA,
    HOST,
    KEY,
    REGION,
    RULES,
    SECRET,
    SERVICE,
    Clock,
    Keys,
    Sent,
    ask,
    door,
    presigned,
    sent,
    signed,
    with_body,
)

from iam_guard.errors import (
    AuthenticationError,
    BodyNeededError,
    ConfigurationError,
    RequestRefusedError,
    UnavailableError,
)
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.access_keys import KnownKey
from iam_guard.identity.one_credential import OneCredential
from iam_guard.identity.replay import MemoryReplayCache
from iam_guard.identity.sigv4.authenticator import SigV4Authenticator
from iam_guard.identity.sigv4.rules import SignatureRules
from iam_guard.model import Principal

PRESIGNED = replace(RULES, presigned=True)


def refusal(one: Sent, **more: object) -> AuthenticationError:
    with pytest.raises(AuthenticationError) as refused:
        ask(one, **more)  # type: ignore[arg-type]
    return refused.value


# --- time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_clocks_may_differ_by_five_minutes(late: float) -> None:
    assert ask(signed(), at=late) is ADA


@pytest.mark.parametrize("late", [-301, 301, 86_400, -86_400])
def test_and_not_by_more(late: float) -> None:
    assert "not made now" in refusal(signed(), at=late).detail


def test_the_skew_is_a_setting() -> None:
    assert ask(signed(), rules=replace(RULES, max_skew=10), at=10) is ADA
    assert "not made now" in refusal(signed(), rules=replace(RULES, max_skew=10), at=11).detail


@pytest.mark.parametrize("late", [-300, 0, 60])
def test_a_presigned_url_is_good_for_its_time(late: float) -> None:
    assert ask(presigned(expires=60), rules=PRESIGNED, at=late) is ADA


@pytest.mark.parametrize("late", [-301, 61, 86_400])
def test_a_presigned_url_expires(late: float) -> None:
    assert "not made now" in refusal(presigned(expires=60), rules=PRESIGNED, at=late).detail


def test_a_presigned_url_may_not_be_good_for_too_long() -> None:
    assert ask(presigned(expires=3600), rules=PRESIGNED, at=3600) is ADA
    assert "not for so long" in refusal(presigned(expires=3601), rules=PRESIGNED).detail


def test_presigned_urls_are_off_by_default() -> None:
    assert "not accepted here" in refusal(presigned()).detail


@pytest.mark.parametrize("stamp", [
    "20150830T123600", "20150830 123600Z", "2015-08-30T12:36:00Z", "20151330T123600Z", "20150830T253600Z", "",
    "\u0662\u0660150830T123600Z", "20150830T123660Z", "Sun, 30 Feb 2015 12:36:00 GMT",
])
def test_a_date_that_is_none(stamp: str) -> None:
    one = signed()
    headers = [(name, stamp.encode("utf-8") if name == b"x-amz-date" else value) for name, value in one["headers"]]
    with pytest.raises(AuthenticationError):
        asyncio.run(door(now=one.made).authenticate(with_body(sent({**one, "headers": headers}, one.pieces))))


def test_the_date_header_dates_a_request_that_has_no_other() -> None:
    """botocore writes the time into ``Date`` when a request has that, and signs it (with ``-0000`` for the zone)."""
    one = signed(headers={"Date": "Mon, 01 Jan 2001 00:00:00 GMT"})
    assert one.header("x-amz-date") == ""
    made = parsedate_to_datetime(one.header("date")).timestamp()
    assert asyncio.run(door(now=made).authenticate(with_body(one))) is ADA
    with pytest.raises(AuthenticationError, match="not made now"):
        asyncio.run(door(now=made + 301).authenticate(with_body(one)))
    other_zone = one.with_headers(date=one.header("date").replace("-0000", "+0100"))
    with pytest.raises(AuthenticationError, match="not written like one"):
        asyncio.run(door(now=made).authenticate(with_body(other_zone)))


def test_a_request_without_a_date() -> None:
    one = signed()
    bare = one.with_headers(x_amz_date=None)
    with pytest.raises(AuthenticationError, match="one date"):
        asyncio.run(door(now=one.made).authenticate(with_body(bare)))


# --- scope and keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("elsewhere", [{"region": "us-east-1"}, {"service": "billing"}])
def test_a_signature_for_another_service_or_region(elsewhere: dict[str, str]) -> None:
    assert "scope" in refusal(signed(**elsewhere)).detail  # type: ignore[arg-type]


def test_a_scope_of_another_day() -> None:
    one = signed()
    day = one.header("x-amz-date")[:8]
    other = one.header("authorization").replace(f"/{day}/", f"/{int(day) - 1}/")
    assert "scope" in refusal(one.with_headers(authorization=other)).detail


def known(**changes: object) -> Keys:
    return Keys(KnownKey(KEY, SECRET, **{"principal": ADA, **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("body", [b"", b"x"])
def test_nobody_learns_whether_a_key_exists(declared: bool, body: bytes) -> None:
    """An unknown key, one that is switched off, a wrong secret and a changed request are answered alike."""
    def one(**more: str) -> Sent:
        return signed("POST", body=body, declared=declared, **more)  # type: ignore[arg-type]

    answers = [refusal(one(key="AKIAUNKNOWNUNKNOWN00")), refusal(one(secret="wrong")),
               refusal(one(), keys=known(active=False)), refusal(one().with_headers(x_amz_date=one().header(
                   "x-amz-date"), host="other.example"))]
    assert {(error.description, error.code) for error in answers} == {
        ("The request signature is not valid", "invalid_token")}
    assert len({error.detail for error in answers}) == 2  # the log tells more


def test_a_wrong_signature_and_an_unknown_key_cost_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both derive a signing key, sign and compare once."""
    from iam_guard.identity.sigv4 import authenticator

    def steps(one: Sent) -> list[str]:
        taken = []

        def watched(name: str) -> None:
            real = getattr(authenticator, name)
            monkeypatch.setattr(authenticator, name, lambda *given: (taken.append(name), real(*given))[1])

        with monkeypatch.context():
            for name in ("signing_key", "sign", "is_same"):
                watched(name)
            refusal(one)
        monkeypatch.undo()
        return taken

    assert steps(signed(key="AKIAUNKNOWNUNKNOWN00")) == steps(signed(secret="wrong")) == [
        "signing_key", "sign", "is_same"]


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import hmac

    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: (compared.append(pair), real(*pair))[1])
    assert ask(signed()) is ADA
    [(mine, theirs)] = compared
    assert mine == theirs
    assert len(mine) == 64


class Sessions:
    """Knows one session."""

    def __init__(self, principal: Principal = ADA) -> None:
        self.principal = principal

    async def find(self, access_key_id: str, session_token: str) -> KnownKey | None:
        return KnownKey(KEY, SECRET, self.principal) if session_token == "token" else None


def test_temporary_credentials_come_with_a_token() -> None:
    one = signed(token="token")
    assert ask(one, temporary=Sessions()) is ADA
    assert "no such access key" in refusal(one).detail  # a long-term key has no token
    assert "no such access key" in refusal(signed(token="another"), temporary=Sessions()).detail
    assert ask(presigned(token="token"), rules=PRESIGNED, temporary=Sessions()) is ADA


def test_a_session_token_cannot_be_added_or_changed() -> None:
    assert "cover" in refusal(signed().with_headers(x_amz_security_token="token"), temporary=Sessions()).detail
    assert refusal(signed(token="token").with_headers(x_amz_security_token="other"), temporary=Sessions())
    both = presigned(token="token").with_headers(x_amz_security_token="token")
    assert "in the query" in refusal(both, rules=PRESIGNED, temporary=Sessions()).detail


def test_a_session_that_is_over() -> None:
    one = signed(token="token")
    assert ask(one, temporary=Sessions(replace(ADA, expires_at=one.made + 1))) is not None
    assert "over" in refusal(one, temporary=Sessions(replace(ADA, expires_at=one.made))).detail


def test_a_key_that_cannot_be_looked_up_is_no_wrong_key() -> None:
    class Down(Keys):
        async def find(self, access_key_id: str) -> KnownKey | None:
            raise UnavailableError("down")

    with pytest.raises(UnavailableError):
        ask(signed(), keys=Down())


# --- what has to be signed ----------------------------------------------------------------------------------


def without_signing(one: Sent, name: str, secret: str = SECRET) -> Sent:
    """The same request, honestly signed but for one header."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signer = SigV4Auth(Credentials(KEY, secret), SERVICE, REGION)
    request = AWSRequest(method=one["method"], url=f"https://{HOST}{one['raw_path'].decode()}", headers={
        key.decode(): value.decode() for key, value in one["headers"] if key not in (b"authorization", name.encode())})
    request.context["timestamp"] = one.header("x-amz-date")
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    signer._inject_signature_to_request(request, signature)
    return one.with_headers(authorization=request.headers["Authorization"])


def test_the_date_and_the_content_type_have_to_be_signed() -> None:
    one = signed(headers={"Content-Type": "text/plain"})
    assert "cover content-type" in refusal(without_signing(one, "content-type")).detail
    assert ask(without_signing(one, "content-type"), rules=replace(RULES, signed_headers=())) is ADA
    assert "cover x-amz-date" in refusal(without_signing(signed(), "x-amz-date")).detail


def test_further_headers_can_be_demanded() -> None:
    rules = replace(RULES, signed_headers=("x-channel",))
    one = signed(headers={"X-Channel": "web"})
    assert ask(one, rules=rules) is ADA
    assert "cover x-channel" in refusal(without_signing(one, "x-channel"), rules=rules).detail
    assert ask(signed(), rules=rules) is ADA  # what is not sent cannot be signed


def test_the_host_has_to_be_signed() -> None:
    one = signed()
    assert "cover host" in refusal(one.with_headers(authorization=one.header("authorization").replace(
        "=host;", "="))).detail


def test_an_amazon_header_that_is_added_is_refused_but_for_the_one_of_their_network() -> None:
    assert "cover x-amz-meta" in refusal(signed().with_headers(x_amz_meta="1")).detail
    assert ask(signed().with_headers(x_amz_cf_id="1", x_amzn_trace_id="Root=1")) is ADA


def test_a_header_that_was_signed_and_not_sent() -> None:
    one = signed(headers={"X-Channel": "web"})
    assert "was not sent" in refusal(one.with_headers(x_channel=None)).detail


# --- spellings ----------------------------------------------------------------------------------------------

REWRITTEN: list[Callable[[str], str]] = [
    lambda text: text.replace("AWS4-HMAC-SHA256", "aws4-hmac-sha256"),
    lambda text: text.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
    lambda text: text.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
    lambda text: f" {text}",
    lambda text: f"{text} ",
    lambda text: f"{text},",
    lambda text: f"{text}, Signature={'0' * 64}",
    lambda text: text.replace(", ", ",  "),
    lambda text: text.replace(" Credential", "  Credential"),
    lambda text: text.replace("Credential", "credential"),
    lambda text: text.replace("aws4_request", "AWS4_REQUEST"),
    lambda text: text.replace("/eu-central-1/", "//eu-central-1/"),
    lambda text: text.replace("host;", "host;host;"),
    lambda text: text.replace("host;x-amz-content-sha256", "x-amz-content-sha256;host"),
    lambda text: text.replace("host;", "Host;"),
    lambda text: text.replace("host;", ";host;"),
    lambda text: text[:-64] + text[-64:].upper(),
    lambda text: text[:-1],
    lambda text: text + "0",
    lambda text: text[:-64],
    lambda text: "AWS4-HMAC-SHA256",
    lambda text: "AWS4-HMAC-SHA256 ",
    lambda text: text.replace(KEY, KEY + "\x00"),
    lambda text: text.replace(KEY, "K" * 129),
    lambda text: text.replace(KEY, "\u00c4KIAIOSFODNN7EXAMPLE"),
]


@pytest.mark.parametrize("rewrite", REWRITTEN, ids=range(len(REWRITTEN)))
def test_a_signature_is_written_in_one_way(rewrite: Callable[[str], str]) -> None:
    one = signed()
    with pytest.raises((AuthenticationError, RequestRefusedError)):
        ask(one.with_headers(authorization=rewrite(one.header("authorization"))))


@pytest.mark.parametrize("names", ["x-amz-date;host", "host;host;x-amz-date", "host;x-amz-date;", ";host;x-amz-date"])
def test_names_of_signed_headers_are_in_order_and_each_once(names: str) -> None:
    one = signed(declared=False)
    with pytest.raises(AuthenticationError, match="not in order, or one is there twice"):
        ask(one.with_headers(authorization=one.header("authorization").replace("host;x-amz-date", names)))


def test_commas_without_blanks_are_the_one_other_way() -> None:
    one = signed()
    assert ask(one.with_headers(authorization=one.header("authorization").replace(", ", ","))) is ADA


@pytest.mark.parametrize("name", [b"authorization", b"x-amz-date", b"x-amz-content-sha256", b"host"])
@pytest.mark.parametrize("again", ["the same", "another"])
def test_what_says_who_asks_is_sent_once(name: bytes, again: str) -> None:
    one = signed()
    twice = [*one["headers"], (name, one.header(name.decode()).encode() if again == "the same" else b"other")]
    with pytest.raises((AuthenticationError, RequestRefusedError)):
        ask(sent({**one, "headers": twice}, one.pieces))


def test_a_token_is_sent_once() -> None:
    one = signed(token="token")
    twice = [*one["headers"], (b"x-amz-security-token", b"token")]
    assert "more than one" in refusal(sent({**one, "headers": twice}, one.pieces), temporary=Sessions()).detail


PARAMETERS = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
              "X-Amz-Signature"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_of_a_presigned_url_is_there_once(name: str) -> None:
    one = presigned(target="/orders/7?x=1")
    pairs = one["query_string"].decode().split("&")
    [own] = [pair for pair in pairs if pair.startswith(f"{name}=")]
    for changed in ([*pairs, own], [*pairs, f"{name}=1"], [pair for pair in pairs if pair != own],
                    [pair.lower() if pair == own else pair for pair in pairs]):
        query = "&".join(changed).encode()
        with pytest.raises(AuthenticationError):
            asyncio.run(door(PRESIGNED, now=one.made).authenticate(with_body(
                sent({**one, "query_string": query}, one.pieces))))


@pytest.mark.parametrize("expires", ["0", "-1", "+60", "060", "60.0", "6e1", "", "9999999", "%36%30%20", "٦٠"])
def test_the_time_of_a_presigned_url_is_a_plain_number(expires: str) -> None:
    one = presigned()
    query = one["query_string"].decode().replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}")
    with pytest.raises((AuthenticationError, RequestRefusedError)):
        asyncio.run(door(PRESIGNED, now=one.made).authenticate(with_body(
            sent({**one, "query_string": query.encode()}, one.pieces))))


def test_a_signature_in_header_and_query_is_two() -> None:
    one, other = presigned(), signed()
    both = sent({**one, "headers": [*one["headers"], (b"authorization", other.header("authorization").encode())]},
                one.pieces)
    assert refusal(both, rules=PRESIGNED).code == "invalid_request"


def test_a_signature_beside_a_bearer_token_is_two() -> None:
    one = presigned()
    both = one.with_headers(authorization="Bearer abc")
    assert refusal(both, rules=PRESIGNED).code == "invalid_request"
    way = OneCredential(door(PRESIGNED, now=one.made))
    with pytest.raises(AuthenticationError, match="More than one"):
        asyncio.run(way.authenticate(with_body(both)))


@pytest.mark.parametrize("target", [
    "/orders/a%20b", "/orders/%C3%A9", "/orders/%E2%82%AC~", "/orders/a+b", "/orders/a@b:c,d", "/orders/(a)!'*",
    "/orders/a%40b", "/orders?x=a+b", "/orders?x=a%20b", "/orders?x=a%2Bb", "/orders?x=a/b:c", "/orders?x=%2F%2f",
    "/orders?x", "/orders?x=", "/orders?x=1&&y=2", "/orders?=1", "/orders?x=1&x=2&x", "/orders?x=a=b",
    "/orders?b=1&a=2&B=3&%61=4",
])
@pytest.mark.parametrize("service", ["orders", "s3"])
def test_spellings_that_one_way_of_reading_them_exists_for(target: str, service: str) -> None:
    assert ask(signed(target=target, service=service), rules=replace(RULES, service=service)) is ADA


@pytest.mark.parametrize(("asked", "signed_for"), [
    ("/orders/a+b", "/orders/a%20b"), ("/orders/a%2Bb", "/orders/a+b"), ("/orders/%C3%A9", "/orders/e%CC%81"),
    ("/orders/%c3%a9", "/orders/%C3%A9"), ("/orders/7/", "/orders/7"), ("/Orders/7", "/orders/7"),
    ("/orders/%37", "/orders/7"), ("/orders?x=a+b", "/orders?x=a%20b"), ("/orders?x=%61", "/orders?x=a"),
    ("/orders?x=1&x=2", "/orders?x=1,2"), ("/orders?x=1%26y=2", "/orders?x=1&y=2"), ("/orders?x=1&", "/orders?x=1"),
    ("/orders?X=1", "/orders?x=1"), ("/orders?x=1&x=1", "/orders?x=1"), ("/orders?x=1;y=2", "/orders?x=1&y=2"),
])
@pytest.mark.parametrize("service", ["orders", "s3"])
def test_another_spelling_is_another_request(asked: str, signed_for: str, service: str) -> None:
    one = signed(target=signed_for, service=service)
    other = signed(target=asked, service=service)
    moved = sent({**other, "headers": one["headers"]}, one.pieces)
    assert refusal(moved, rules=replace(RULES, service=service)).detail == "the signature is wrong"


@pytest.mark.parametrize("target", ["/orders//7", "/orders/%2F7", "/orders/%2f7", "/orders/../7", "/orders/%2e%2e/7",
                                    "/orders/%252F7", "/orders/%00", "/orders/%FF", "/orders/%5c7", "//orders/7",
                                    "/orders;a/7"])
def test_a_path_with_two_readings_is_refused_whoever_signed_it(target: str) -> None:
    with pytest.raises(RequestRefusedError):
        ask(signed(target=target))


def test_where_paths_are_resolved_the_resolved_one_is_signed() -> None:
    """botocore resolves a path before it signs it, but not for S3, which has names with dots and slashes in them."""
    edge = EdgeSettings(path_mode="normalize")
    assert ask(signed(target="/orders//./8/../7"), edge=edge) is ADA
    assert refusal(signed(target="/orders//./8/../7", service="s3"), rules=replace(RULES, service="s3"), edge=edge)


# --- replays ------------------------------------------------------------------------------------------------


def used(one: Sent, times: int, rules: SignatureRules, later: float = 0.0) -> list[str]:
    """What becomes of a request that comes several times."""
    clock = Clock(one.made)
    authenticator, outcomes = door(rules, now=clock), []
    for _ in range(times):
        try:
            asyncio.run(authenticator.authenticate(with_body(one)))
            outcomes.append("in")
        except AuthenticationError as refused:
            outcomes.append(refused.detail)
        clock.now += later
    return outcomes


BEFORE = "the signature was used before"


@pytest.mark.parametrize(("method", "replays", "second"), [
    ("POST", "writes", BEFORE), ("DELETE", "writes", BEFORE), ("GET", "writes", "in"), ("HEAD", "writes", "in"),
    ("GET", "all", BEFORE), ("POST", "all", BEFORE), ("POST", "none", "in"),
])
def test_a_signature_counts_once(method: str, replays: str, second: str) -> None:
    assert used(signed(method), 2, replace(RULES, replays=replays)) == ["in", second]  # type: ignore[arg-type]


def test_a_signature_is_remembered_for_as_long_as_it_is_good() -> None:
    assert used(signed("POST"), 4, RULES, later=150) == ["in", BEFORE, BEFORE, "the signature was not made now"]


def test_two_different_requests_are_no_replay() -> None:
    first, second = signed("POST", body=b"1"), signed("POST", body=b"2")
    authenticator = door(now=first.made)
    for one in (first, second):
        assert asyncio.run(authenticator.authenticate(with_body(one))) is ADA


def test_a_presigned_url_may_be_used_again() -> None:
    assert used(presigned("PUT"), 2, PRESIGNED) == ["in", "in"]


def test_a_wrong_body_does_not_use_a_signature_up() -> None:
    one = signed("POST", body=b"right")
    authenticator = door(now=one.made)
    with pytest.raises(AuthenticationError, match="another than was signed"):
        asyncio.run(authenticator.authenticate(with_body(sent(one, [b"wrong"]))))
    assert asyncio.run(authenticator.authenticate(with_body(one))) is ADA


def test_at_the_same_time_one_of_many_equal_requests_is_let_in() -> None:
    one = signed("POST", body=b"x")
    authenticator = door(now=one.made)

    async def run() -> list[object]:
        return await asyncio.gather(*(authenticator.authenticate(with_body(one)) for _ in range(20)),
                                    return_exceptions=True)

    outcomes = asyncio.run(run())
    assert outcomes.count(ADA) == 1
    assert sum(isinstance(outcome, AuthenticationError) for outcome in outcomes) == 19


def test_a_full_window_lets_nobody_in_and_forgets_nobody() -> None:
    first, second = signed("POST", body=b"1"), signed("POST", body=b"2")
    clock = Clock(first.made)
    authenticator = door(replace(RULES, replay_entries=1), now=clock)
    assert asyncio.run(authenticator.authenticate(with_body(first))) is ADA
    with pytest.raises(UnavailableError):
        asyncio.run(authenticator.authenticate(with_body(second)))
    with pytest.raises(AuthenticationError, match="used before"):
        asyncio.run(authenticator.authenticate(with_body(first)))


def test_a_window_can_be_shared_by_a_fleet() -> None:
    one, used = signed("POST"), MemoryReplayCache()
    for answer in (ADA, None):
        authenticator = door(now=one.made, used=used)
        if answer:
            assert asyncio.run(authenticator.authenticate(with_body(one))) is answer
        else:
            with pytest.raises(AuthenticationError, match="used before"):
                asyncio.run(authenticator.authenticate(with_body(one)))


def test_forged_signatures_do_not_fill_the_window() -> None:
    one = signed("POST")
    authenticator = door(replace(RULES, replay_entries=1), now=one.made)
    for number in range(5):
        with pytest.raises(AuthenticationError):
            asyncio.run(authenticator.authenticate(with_body(signed("POST", f"/orders/{number}", secret="wrong"))))
    assert asyncio.run(authenticator.authenticate(with_body(one))) is ADA


# --- the port -----------------------------------------------------------------------------------------------


def test_a_request_that_is_not_signed_is_not_ours() -> None:
    authenticator = door()
    for header in ((b"accept", b"*"), (b"authorization", b"Bearer abc"), (b"authorization", b"Basic abc"),
                   (b"x-amz-date", b"20150830T123600Z")):
        request = HTTPRequest(headers=((b"host", b"x"), header), query_string=b"a=1&x-amz-meta=2")
        assert not authenticator.carries(request)
        assert asyncio.run(authenticator.authenticate(request)) is None


def test_a_door_that_hands_no_body_over_lets_nobody_in() -> None:
    one = signed()
    with pytest.raises(BodyNeededError):
        asyncio.run(door(now=one.made).authenticate(HTTPRequest.from_scope(one)))


def test_a_handshake_has_no_body() -> None:
    one = signed()
    socket = sent({**one, "type": "websocket", "scheme": "wss"}, [])
    assert ask(socket) is ADA
    with_one = signed(body=b"x")
    assert refusal(sent({**with_one, "type": "websocket", "scheme": "wss"}, []))


def test_keys_are_started_and_closed() -> None:
    keys = Keys()
    authenticator = SigV4Authenticator(keys, RULES, realm="shop")
    asyncio.run(authenticator.start())
    asyncio.run(authenticator.close())
    assert keys.asked == ["start", "close"]
    assert authenticator.challenges() == ('AWS4-HMAC-SHA256 realm="shop"',)
    assert authenticator.schemes == ("aws4-hmac-sha256",)


@pytest.mark.parametrize("wrong", [
    {"region": ""}, {"region": "EU"}, {"service": "a/b"}, {"max_skew": 0}, {"max_skew": 901},
    {"max_skew": float("nan")}, {"max_presigned": 604_801},
    {"held_bytes": -1}, {"replay_entries": 0}, {"signed_headers": ("Content-Type",)},
    {"replays": "some"}, {"larger_bodies": "pass"},
])
def test_rules_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        SignatureRules(**{"region": "eu-central-1", "service": "orders", **wrong})  # type: ignore[arg-type]


def test_a_secret_is_not_shown() -> None:
    assert SECRET not in repr(KnownKey(KEY, SECRET, ADA))
