"""Whatever botocore signs is accepted as it was signed, and as nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from signing import ADA, RULES, Sent, ask, door, sent, signed, with_body

from iam_guard.errors import AuthenticationError, RequestRefusedError
from iam_guard.http.request import HTTPRequest

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
SAFE = st.sampled_from(["", "~", "-_.~", "!$&'()*+,=:@", "/?:@!$'()*,"])
SEGMENTS = st.builds(lambda text, safe: quote(text, safe=safe.replace("/", "").replace("?", "")), TEXTS, SAFE)
PARTS = st.builds(lambda text, safe: quote(text, safe=safe.replace("&", "").replace("=", "")), TEXTS, SAFE)
PAIRS = st.builds(lambda name, sign, value: f"{name}{sign}{value if sign else ''}", PARTS, st.sampled_from(["=", ""]),
                  st.one_of(st.just(""), PARTS))
TARGETS = st.builds(lambda path, query: "/" + "/".join(path) + (f"?{'&'.join(query)}" if query else ""),
                    st.lists(SEGMENTS, min_size=1, max_size=4), st.lists(PAIRS, max_size=4))
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=20).map(str.strip)
HEADERS = st.dictionaries(st.from_regex(r"\Ax-[a-z]{1,8}(-[a-z0-9]{1,4})?\Z").filter(
    lambda name: not name.startswith(("x-amz-", "x-iam-", "x-forwarded", "x-http-method", "x-original", "x-rewrite"))),
    VALUES.filter(bool), max_size=3)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


def readable(one: Sent) -> bool:
    """Whether the request can be read in one way; others are refused whoever signed them."""
    try:
        return bool(HTTPRequest.from_scope(one).query is not None)
    except RequestRefusedError:
        return False


@given(METHODS, TARGETS, HEADERS, st.binary(max_size=40), st.booleans())
def test_what_botocore_signs_is_accepted(method: str, target: str, headers: dict[str, str], body: bytes,
                                         declared: bool) -> None:
    one = signed(method, target, headers, body, declared=declared)
    assume(readable(one))
    assert ask(one) is ADA


@given(TARGETS, TARGETS)
def test_a_signature_of_one_target_is_of_no_other(target: str, other: str) -> None:
    """But for the order of parameters, which Signature Version 4 does not see."""
    def seen(text: str) -> tuple[str, list[str]]:
        path, _, query = text.partition("?")
        return path, sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&")) if query else []

    assume(seen(target) != seen(other))
    one, there = signed(target=target), signed(target=other)
    assume(readable(one) and readable(there))
    moved = sent({**there, "headers": one["headers"]}, one.pieces)
    with pytest.raises(AuthenticationError):
        ask(moved)


@given(st.one_of(st.text(max_size=200), st.builds(
    lambda head, rest: head + rest, st.sampled_from(["AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=", "aws4"]),
    st.text(max_size=200))))
def test_no_text_in_the_header_makes_a_caller_or_an_error_of_ours(text: str) -> None:
    one = signed()
    headers = [(name, value) for name, value in one["headers"] if name != b"authorization"]
    raw = text.encode("utf-8", "surrogatepass")
    try:
        caller = asyncio.run(door(RULES, now=one.made).authenticate(
            with_body(sent({**one, "headers": [*headers, (b"authorization", raw)]}, one.pieces))))
    except (AuthenticationError, RequestRefusedError):
        return
    assert caller is None
    assert not raw.lstrip().lower().startswith(b"aws4")


@given(st.lists(st.tuples(st.sampled_from(
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
     "x-amz-signature", "a"]), TEXTS), max_size=8))
def test_no_query_makes_a_caller_or_an_error_of_ours(pairs: list[tuple[str, str]]) -> None:
    one = signed().with_headers(authorization=None)
    query = "&".join(f"{name}={quote(value)}" for name, value in pairs).encode()
    try:
        caller = asyncio.run(door(replace(RULES, presigned=True), now=one.made).authenticate(
            with_body(sent({**one, "query_string": query}, one.pieces))))
    except (AuthenticationError, RequestRefusedError):
        return
    assert caller is None
