"""A head that a server says again is not read again; the body behind it is another one each time."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upstream_peers import Told, answering, ask, scripted, upstream

HEAD = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2015 00:00:00 GMT\r\nX-Tag: a\r\nContent-Length: 6\r\n\r\n"


def told_in_turn(*answers: bytes, methods: tuple[str, ...] = (), then_close: bool = False) -> tuple[list[Told], int]:
    """What clients are told when a server gives one answer after the other, and how many connections that took."""

    async def run() -> tuple[list[Told], int]:
        async with scripted(answering(*answers, then_close=then_close)) as server, \
                upstream(server.url, head_seconds=2, stall_seconds=0.5) as app:
            told = [await ask(app, methods[turn] if methods else "GET") for turn in range(len(answers))]
            return told, server.connections

    return asyncio.run(run())


BODIES = (b"first!", b"\r\n\r\n\r\n", b"HTTP/1", b"\n\n\n\n\n\n")


@given(bodies=st.lists(st.sampled_from(BODIES), min_size=2, max_size=6))
def test_each_body_is_its_own(bodies: list[bytes]) -> None:
    told, connections = told_in_turn(*(HEAD + body for body in bodies))
    assert [(one.complete, one.body, one.header(b"x-tag")) for one in told] == [(True, body, [b"a"]) for body in bodies]
    assert connections == 1


def test_heads_that_differ_in_one_byte_are_told_apart() -> None:
    told, connections = told_in_turn(
        HEAD + b"first!", HEAD + b"again!", HEAD.replace(b"Length: 6", b"Length: 5") + b"hello",
        HEAD.replace(b"X-Tag: a", b"X-Tag: b") + b"other!", HEAD.replace(b"200 OK", b"404 No") + b"wrong!",
        HEAD + b"still!")
    assert [one.body for one in told] == [b"first!", b"again!", b"hello", b"other!", b"wrong!", b"still!"]
    assert [one.status for one in told] == [200, 200, 200, 200, 404, 200]
    assert [one.header(b"x-tag") for one in told] == [[b"a"], [b"a"], [b"a"], [b"b"], [b"a"], [b"a"]]
    assert connections == 1


def test_what_comes_too_much_is_nobodys_answer() -> None:
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    told, connections = told_in_turn(HEAD + b"first!", HEAD + b"again!" + evil, HEAD + b"third!")
    assert [(one.complete, one.body) for one in told][:2] == [(True, b"first!"), (True, b"again!")]
    assert connections == 2
    assert b"evil" not in told[2].body


@pytest.mark.parametrize("rest", [b"", b"fi"])
def test_what_comes_too_little_is_never_completed(rest: bytes) -> None:
    told, _ = told_in_turn(HEAD + b"first!", HEAD + rest)
    assert told[0].complete
    assert not told[1].complete
    assert told[1].body == rest


def test_the_head_of_an_answer_to_head_says_nothing_about_others() -> None:
    told, connections = told_in_turn(HEAD, HEAD + b"first!", HEAD, HEAD + b"again!",
                                     methods=("HEAD", "GET", "HEAD", "GET"))
    assert [(one.complete, one.body) for one in told] == [(True, b""), (True, b"first!"), (True, b""),
                                                          (True, b"again!")]
    assert connections == 1


def test_a_head_whose_lines_end_oddly_is_refused_each_time() -> None:
    odd = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\n"
    told, connections = told_in_turn(odd + b"ab\r\n\r\ncdef", odd + b"xy\r\n\r\ncdef")
    assert [one.status for one in told] == [502, 502]
    assert connections == 2


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"])
def test_heads_that_say_more_are_read_each_time(answer: bytes) -> None:
    told, connections = told_in_turn(answer, answer, answer)
    assert [(one.complete, one.body) for one in told] == [(True, b"ok")] * 3
    assert connections == (3 if b"close" in answer else 1)
