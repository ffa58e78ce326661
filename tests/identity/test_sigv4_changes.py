"""A request that botocore signed, with every bit of it changed in turn: none of them is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from urllib.parse import unquote_to_bytes

import pytest
from signing import ADA, SECRET, Keys, Sent, ask, door, presigned, sent, signed, with_body

from iam_guard.errors import AuthenticationError, RequestRefusedError
from iam_guard.identity.sigv4.rules import SignatureRules

BODY = b'{"amount": 17}'
HEADERS = {"Content-Type": "application/json", "X-Channel": "web  shop"}
Change = Callable[[Sent], Iterator[Sent]]
#: The methods that are a bit away from one that exists are all none; the guard lets none of them through.
REFUSED = (AuthenticationError, RequestRefusedError)


def flipped(text: bytes) -> Iterator[bytes]:
    """*text* with each of its bits changed."""
    for place in range(len(text)):
        for bit in range(8):
            yield text[:place] + bytes([text[place] ^ 1 << bit]) + text[place + 1:]


def of_method(one: Sent) -> Iterator[Sent]:
    for method in flipped(one["method"].encode()):
        yield sent({**one, "method": method.decode("latin-1")}, one.pieces)


def of_path(one: Sent) -> Iterator[Sent]:
    """A server decodes what it was sent; the decoded path alone is changed, too."""
    for raw in flipped(one["raw_path"]):
        yield sent({**one, "raw_path": raw, "path": unquote_to_bytes(raw).decode("utf-8", "replace")}, one.pieces)
    for path in flipped(one["path"].encode()):
        yield sent({**one, "path": path.decode("utf-8", "replace")}, one.pieces)


def of_query(one: Sent) -> Iterator[Sent]:
    for query in flipped(one["query_string"]):
        yield sent({**one, "query_string": query}, one.pieces)


def of_headers(one: Sent) -> Iterator[Sent]:
    for index, (name, value) in enumerate(one["headers"]):
        changed = [(other, value) for other in flipped(name) if other.lower() != name]  # case is no part of a name
        changed += [(name, other) for other in flipped(value)]
        if name == b"content-length":
            continue  # framing: a server that reads another length reads another body
        for pair in changed:
            yield sent({**one, "headers": [*one["headers"][:index], pair, *one["headers"][index + 1:]]}, one.pieces)


def of_body(one: Sent) -> Iterator[Sent]:
    [body] = one.pieces
    for changed in flipped(body):
        yield sent(one, [changed])
    for changed in (b"", body[:-1], body + b" ", body + body):
        yield sent(one, [changed])


PARTS = [of_method, of_path, of_query, of_headers, of_body]


@pytest.mark.parametrize("change", PARTS)
@pytest.mark.parametrize("declared", [True, False], ids=["hash in a header", "hash in the signature alone"])
def test_no_changed_bit_is_accepted(change: Change, declared: bool) -> None:
    one = signed("POST", "/orders/%C3%A9t%C3%A9/a~b?status=open&tag=a%2Fb&tag=%C3%A9", HEADERS, BODY,
                 declared=declared)
    assert ask(one) is ADA
    tried = refuse_all(change(one), SignatureRules("eu-central-1", "orders", replays="none"), one.made)
    assert tried > 20


@pytest.mark.parametrize("change", [of_method, of_path, of_query, of_headers])
@pytest.mark.parametrize("service", ["orders", "s3"])
def test_no_changed_bit_of_a_presigned_url_is_accepted(change: Change, service: str) -> None:
    one = presigned("GET", "/orders/7?status=open", service=service)
    rules = SignatureRules("eu-central-1", service, presigned=True)
    assert ask(one, rules=rules) is ADA
    assert refuse_all(change(one), rules, one.made) > 20


def refuse_all(changes: Iterator[Sent], rules: SignatureRules, now: float) -> int:
    """Ask about every one of them; nobody is named, and nobody is taken for anonymous while a signature is there."""
    keys = Keys()

    async def run() -> int:
        tried = 0
        for change in changes:
            tried += 1
            try:
                caller = await door(rules, keys=keys, now=now).authenticate(with_body(change))
            except REFUSED:
                continue
            # What is left is a header that is no longer called so: a request without a signature.
            assert caller is None, change
            assert not is_signed(change), change
        return tried

    return asyncio.run(run())


def is_signed(one: Sent) -> bool:
    """Whether a signature still stands where signatures stand."""
    query = one["query_string"].decode("latin-1").lower()
    marks = ("x-amz-signature=", "x-amz-credential=", "x-amz-algorithm=")
    return one.header("authorization").lower().startswith("aws4") or any(mark in query for mark in marks)


def test_what_a_signature_does_not_see_is_left_alone() -> None:
    """Signature Version 4 covers neither the order of parameters nor headers that it does not name."""
    one = signed("GET", "/orders?a=1&b=2")
    assert ask(sent({**one, "query_string": b"b=2&a=1"}, one.pieces)) is ADA
    assert ask(one.with_headers(accept="text/html")) is ADA


def test_a_bit_of_the_secret() -> None:
    for other in flipped(SECRET.encode()):
        with pytest.raises(AuthenticationError, match="wrong"):
            ask(signed(secret=other.decode("latin-1")))
