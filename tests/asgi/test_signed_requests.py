"""Signed requests through the middleware: bodies that are right, wrong, large, in chunks, and not read at all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from driver import Answer, answer_of
from signing import ADA, KEY, REGION, RULES, SECRET, SERVICE, Clock, Keys, Sent, presigned, sent, signed
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import AuthenticationError
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.caller import current_principal
from iam_guard.identity.one_credential import OneCredential
from iam_guard.identity.sigv4.authenticator import SigV4Authenticator
from iam_guard.policy.parse import parse_policy

ALLOW = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "orders:*", "Resource": "*"}}'
MAPPER = RequestMapper({"GET,PUT,POST /orders/{id}": ("orders:Use", "arn:app:orders:::order/{id}")})
SMALL = replace(RULES, held_bytes=64, replays="none")
POLICIES = PolicySet(Attachments(holders={ADA.arn: Holder(ADA.arn, (Policy("own", parse_policy(ALLOW)),),
                                                          unique_id=ADA.unique_id)}), revision="1")


class Shop:
    """An application, what it has read, and how its reading ended."""

    def __init__(self, handler: Callable[[Request], Any] | None = None) -> None:
        self.read: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.ran = self.completed = False
        self.app = Starlette(routes=[Route("/orders/{id}", handler or self._order, methods=["GET", "PUT", "POST"])])

    async def _order(self, request: Request) -> Response:
        self.ran, self.headers = True, dict(request.headers)
        async for piece in request.stream():
            self.read.append(piece)
        self.completed = True
        return PlainTextResponse(f"{current_principal().name} sent {len(self.body)}")

    @property
    def body(self) -> bytes:
        return b"".join(self.read)


def guarded(app: Any, one: Sent, rules: Any = SMALL, **more: Any) -> IAMGuardMiddleware:
    authenticator = SigV4Authenticator(Keys(), rules, clock=Clock(one.made))
    return IAMGuardMiddleware(app, guard=Guard(POLICIES), authenticator=OneCredential(authenticator), mapper=MAPPER,
                              **more)


def send(app: Any, one: Sent) -> Answer:
    """Send a request whose body comes in pieces; after it the client leaves."""
    last = len(one.pieces) - 1
    messages: list[Any] = [{"type": "http.request", "body": piece, "more_body": index < last}
                           for index, piece in enumerate(one.pieces)]
    answered: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def answer(message: Any) -> None:
        answered.append(message)

    raised: BaseException | None = None
    try:
        asyncio.run(app(one, receive, answer))
    except Exception as error:
        raised = error
    result = answer_of(answered)
    result.raised = raised
    return result


def in_pieces(one: Sent, size: int, changed: Callable[[bytes], bytes] = bytes) -> Sent:
    [body] = one.pieces
    body = changed(body)
    return sent(one, [body[at:at + size] for at in range(0, len(body), size)] or [b""])


BODIES = [b"", b"x", b"y" * 64, b"z" * 65, bytes(range(256)) * 20]


@pytest.mark.parametrize("body", BODIES, ids=len)
@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_the_application_reads_the_body_that_was_signed(body: bytes, size: int) -> None:
    shop, one = Shop(), signed("POST", body=body)
    answer = send(guarded(shop.app, one), in_pieces(one, size))
    assert (answer.status, answer.body) == (200, f"ada sent {len(body)}".encode())
    assert shop.body == body


def last_bit(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


def first_bit(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


WRONG = [last_bit, first_bit, lambda body: body[:-1], lambda body: body + b"!", lambda body: b""]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize("body", BODIES[1:], ids=len)
@pytest.mark.parametrize("size", [7, 64, 100_000])
def test_a_wrong_body_is_never_completed(body: bytes, size: int, wrong: Callable[[bytes], bytes]) -> None:
    shop, one = Shop(), signed("POST", body=body)
    answer = send(guarded(shop.app, one), in_pieces(one, size, wrong))
    assert answer.status == 401
    assert answer.json()["detail"] == "The request signature is not valid."
    assert answer.headers["www-authenticate"].startswith('AWS4-HMAC-SHA256 realm="api", error="invalid_token"')
    assert not shop.completed
    if len(wrong(body)) <= SMALL.held_bytes:
        assert not shop.ran
    assert len(shop.body) < len(wrong(body)) or not wrong(body)  # the last piece is held back to the end


def test_a_body_is_held_up_to_the_limit_and_by_one_piece_from_there_on() -> None:
    """What the server handed over, less what the application got, is what is held."""
    one = signed("POST", body=b"a" * 1000)
    held, handed, got = [], 0, 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal got
        held.append(handed - got)
        more = True
        while more:
            message = await receive()
            got += len(message["body"])
            held.append(handed - got)
            more = message["more_body"]
        await Response("done")(scope, receive, send)

    async def receive() -> Any:
        nonlocal handed
        handed += 10
        return {"type": "http.request", "body": b"a" * 10, "more_body": handed < 1000}

    answered: list[Any] = []

    async def answer(message: Any) -> None:
        answered.append(message)

    asyncio.run(guarded(app, one)(one, receive, answer))
    assert answer_of(answered).status == 200
    assert got == 1000
    assert max(held) == 70  # the limit of 64, and the message that went beyond it


@pytest.mark.parametrize("declared", [True, False])
def test_larger_bodies_can_be_refused(declared: bool) -> None:
    """Those that no hash was sent of always are: the signature could only be checked at their end."""
    shop, one = Shop(), signed("POST", body=b"a" * 65, declared=declared)
    rules = replace(SMALL, larger_bodies="refuse" if declared else "stream")
    assert send(guarded(shop.app, one, rules), one).status == 413
    assert not shop.ran


def test_a_body_of_which_no_hash_was_sent_is_checked_before_anything_runs() -> None:
    shop, one = Shop(), signed("POST", body=b"a" * 64, declared=False)
    assert send(guarded(shop.app, one), one).status == 200
    shop = Shop()
    assert send(guarded(shop.app, one), in_pieces(one, 10, last_bit)).status == 401
    assert not shop.ran


def test_a_body_is_not_waited_for_when_the_signature_is_wrong() -> None:
    one = signed("POST", body=b"x", secret="wrong")
    answered: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was asked for")

    async def answer(message: Any) -> None:
        answered.append(message)

    asyncio.run(guarded(Shop().app, one)(one, receive, answer))
    assert answer_of(answered).status == 401


def test_a_client_that_leaves_before_its_body_is_here() -> None:
    shop, one = Shop(), signed("POST", body=b"x")
    assert send(guarded(shop.app, one), sent(one, [])).status == 400
    assert not shop.ran


# --- applications that make little of a wrong body ----------------------------------------------------------


def large() -> Sent:
    return in_pieces(signed("POST", body=b"a" * 1000), 100, last_bit)


def test_an_application_that_swallows_the_refusal_is_answered_for() -> None:
    async def order(request: Request) -> Response:
        try:
            await request.body()
        except Exception:
            return PlainTextResponse("all is well")
        raise AssertionError("a wrong body was completed")

    one = large()
    answer = send(guarded(Shop(order).app, one), one)
    assert answer.status == 401
    assert b"all is well" not in answer.body


def test_an_application_that_fails_on_the_refusal_is_answered_for() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            while (await receive()).get("more_body"):
                pass
        finally:
            raise RuntimeError("no body")

    one = large()
    answer = send(guarded(app, one), one)
    assert (answer.status, answer.raised) == (401, None)


def test_an_answer_that_has_begun_is_cut() -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})

    one = large()
    answer = send(guarded(echo, one), one)
    assert isinstance(answer.raised, AuthenticationError)  # the server closes, and the client sees half an answer
    # Of ten pieces the last came with the end, and the one before it was held back till then.
    assert (answer.status, answer.body) == (200, b"a" * 800)


def test_after_the_refusal_there_is_nothing_to_read() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(20):
            try:
                seen.append((await receive())["type"])
            except Exception as refused:
                seen.append(type(refused).__name__)

    one = large()
    assert send(guarded(app, one), one).status == 401
    at = seen.index("AuthenticationError")
    assert set(seen[:at]) == {"http.request"}
    assert set(seen[at + 1:]) == {"http.disconnect"}


def test_a_body_that_nobody_reads_is_nobodys_concern() -> None:
    async def order(request: Request) -> Response:
        return PlainTextResponse("not read")

    one = in_pieces(signed("POST", body=b"a" * 1000), 100)
    assert send(guarded(Shop(order).app, one), one).status == 200


def test_the_end_of_the_connection_is_told_after_the_body() -> None:
    told = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        told.append((await receive())["type"])
        await Response("done")(scope, receive, send)

    for body in (b"small", b"a" * 1000):
        one = in_pieces(signed("POST", body=body), 100)
        assert send(guarded(app, one), one).status == 200
    assert told == ["http.disconnect", "http.disconnect"]


# --- bodies that are not signed, and bodies in chunks -------------------------------------------------------


def unsigned(method: str, body: bytes) -> Sent:
    return signed(method, body=body, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, declared=False)


def test_a_body_that_is_not_signed_is_refused_unless_that_is_asked_for() -> None:
    one = unsigned("POST", b"anything")
    assert send(guarded(Shop().app, one), one).status == 401
    assert send(guarded(Shop().app, one, replace(SMALL, unsigned_payload=True)), one).status == 200
    nothing = unsigned("POST", b"")  # somebody may have taken a body away
    assert send(guarded(Shop().app, nothing), nothing).status == 401


def test_a_presigned_url_of_s3_reads_and_has_no_body() -> None:
    rules = replace(SMALL, service="s3", presigned=True)
    one = presigned(service="s3")
    assert send(guarded(Shop().app, one, rules), one).status == 200
    assert send(guarded(Shop().app, one, rules), sent(one, [b"", b"x"])).status == 401
    put = presigned("PUT", service="s3")
    assert send(guarded(Shop().app, put, rules), put).status == 401
    assert send(guarded(Shop().app, put, replace(rules, unsigned_payload=True)), sent(put, [b"x"])).status == 200


@pytest.mark.parametrize("declared", [
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "unsigned-payload", "", "0" * 63,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    hashlib.sha256(b"").hexdigest().upper(),
])
def test_other_words_for_the_body_are_refused(declared: str) -> None:
    one = signed("POST", body=b"", headers={"X-Amz-Content-SHA256": declared}, declared=False)
    shop = Shop()
    assert send(guarded(shop.app, one), one).status == 401
    assert not shop.ran


CHUNKED = replace(SMALL, signed_chunks=True)


def in_chunks(contents: Iterable[bytes], *, length: int | None = None) -> tuple[Sent, list[bytes]]:
    """A request in signed chunks, and the chunks. Written from the S3 reference, whose example the unit tests hold."""
    import hmac

    contents = [*contents, b""]
    total = sum(map(len, contents)) if length is None else length
    one = signed("PUT", headers={"X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                                 "X-Amz-Decoded-Content-Length": str(total), "Content-Encoding": "aws-chunked, gzip"},
                 body=b"", declared=False)
    stamp, before = one.header("x-amz-date"), one.header("authorization")[-64:]
    key = f"AWS4{SECRET}".encode()
    for part in (stamp[:8], REGION, SERVICE, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    chunks, empty = [], hashlib.sha256(b"").hexdigest()
    for content in contents:
        text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", stamp, f"{stamp[:8]}/{REGION}/{SERVICE}/aws4_request", before,
                          empty, hashlib.sha256(content).hexdigest()))
        before = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        chunks.append(b"%x;chunk-signature=%s\r\n%s\r\n" % (len(content), before.encode(), content))
    return one.with_headers(content_length=str(sum(map(len, chunks)))), chunks


def chunked(one: Sent, chunks: Iterable[bytes], size: int = 50) -> Sent:
    return in_pieces(sent(one, [b"".join(chunks)]), size)


@pytest.mark.parametrize("size", [1, 13, 1000])
@pytest.mark.parametrize("contents", [[], [b"a"], [b"first", b"second" * 10, b"3"], [b"x" * 64] * 20])
def test_the_application_reads_what_is_in_the_chunks(contents: list[bytes], size: int) -> None:
    one, chunks = in_chunks(contents)
    shop = Shop()
    assert send(guarded(shop.app, one, CHUNKED), chunked(one, chunks, size)).status == 200
    assert shop.body == b"".join(contents)
    assert shop.headers["content-length"] == str(len(b"".join(contents)))
    assert shop.headers["content-encoding"] == "gzip"
    assert "x-amz-decoded-content-length" not in shop.headers


FIRST, SECOND, THIRD = b"first part ", b"second part ", b"third part"


def test_chunks_are_all_there_once_and_in_order() -> None:
    one, (first, second, third, end) = in_chunks([FIRST, SECOND, THIRD])
    for chunks, passed in [
        ([second, first, third, end], b""), ([first, third, end], FIRST), ([first, first, second, third, end], FIRST),
        ([first, second, third], FIRST + SECOND + THIRD), ([first, second, end], FIRST + SECOND), ([end], b""),
        ([], b""),
        ([first, second, third, end, b"0"], FIRST + SECOND + THIRD), ([first, second, third, end, end],
                                                                      FIRST + SECOND + THIRD),
        ([first.replace(b"first", b"worst"), second, third, end], b""),
        ([first, second, third[:-1], end], FIRST + SECOND), ([b"0" + first, second, third, end], b""),
        ([first.replace(b";", b"; "), second, third, end], b""), ([b"\r\n", first, second, third, end], b""),
    ]:
        shop = Shop()
        assert send(guarded(shop.app, one, CHUNKED), chunked(one, chunks)).status == 401, chunks
        assert not shop.completed
        assert passed.startswith(shop.body)


def test_no_changed_bit_of_a_chunk_is_passed_on() -> None:
    one, chunks = in_chunks([FIRST, SECOND])
    whole = b"".join(chunks)
    for place in range(len(whole)):
        for bit in range(8):
            changed = whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1:]
            shop = Shop()
            answer = send(guarded(shop.app, one, CHUNKED), in_pieces(sent(one, [changed]), 60))
            assert answer.status in (401, 413), (place, bit)
            assert not shop.completed
            assert (FIRST + SECOND).startswith(shop.body)


def test_a_chunk_is_no_larger_than_may_be_held() -> None:
    one, chunks = in_chunks([b"x" * 65])
    assert send(guarded(Shop().app, one, CHUNKED), chunked(one, chunks)).status == 413


@pytest.mark.parametrize("length", [0, 1, 33])
def test_chunks_hold_as_much_as_was_said(length: int) -> None:
    one, chunks = in_chunks([FIRST, SECOND, THIRD][:2], length=length)
    shop = Shop()
    assert send(guarded(shop.app, one, CHUNKED), chunked(one, chunks)).status == 401
    assert not shop.completed
    assert len(shop.body) <= length


@pytest.mark.parametrize("length", ["-1", "+1", "1_0", "", "9" * 19, "0x1"])
def test_the_length_of_the_chunks_is_a_number(length: str) -> None:
    one = signed("PUT", headers={"X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                                 "X-Amz-Decoded-Content-Length": length}, declared=False)
    assert send(guarded(Shop().app, one, CHUNKED), one).status == 401


# --- at the door --------------------------------------------------------------------------------------------


def test_answers_ask_for_signatures() -> None:
    one = signed()
    bare = one.with_headers(authorization=None)
    answer = send(guarded(Shop().app, one), bare)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'AWS4-HMAC-SHA256 realm="api"')


def test_a_wrong_signature_is_never_anonymous() -> None:
    one = signed(secret="wrong")
    assert send(guarded(Shop().app, one, allow_anonymous=True), one).status == 401


def test_who_is_known_and_may_not_is_denied() -> None:
    one = signed("GET", "/orders/7")
    app = IAMGuardMiddleware(Shop().app, guard=Guard(PolicySet(revision="none")), mapper=MAPPER,
                             authenticator=SigV4Authenticator(Keys(), SMALL, clock=Clock(one.made)))
    assert send(app, one).status == 403


def test_no_secret_and_no_signature_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    one = signed("POST", body=b"x")
    caplog.clear()
    caplog.set_level("DEBUG")
    for pieces in ([b"x"], [b"y"]):
        send(guarded(Shop().app, one), sent(one, pieces))
    written = caplog.text
    assert SECRET not in written
    assert one.header("authorization")[-64:] not in written
    assert KEY not in written
