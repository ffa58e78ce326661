"""S10: at most one credential in a request, whatever its kind, and nobody is anonymous who sent one."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.errors import AuthenticationError, ConfigurationError
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.one_credential import OneCredential
from iam_guard.model import Principal


class Reader:
    """A way that reads one header, and whose credentials are good when they say so."""

    def __init__(self, header: str, *, scheme: str = "", answer: Principal | None = None) -> None:
        self.name, self.schemes = header.encode(), (scheme,) if scheme else ()
        self.answer = answer or Principal.user(header)
        self.asked, self.log = 0, []
        self.fails_to_start = self.fails_to_close = False

    def carries(self, request: HTTPRequest) -> bool:
        value = request.field(self.name)
        return value is not None and value.lower().startswith(self.schemes or ("",))

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        self.asked += 1
        if "bad" in (request.field(self.name) or ""):
            raise AuthenticationError("bad")
        return None if "lost" in (request.field(self.name) or "") else self.answer

    def challenges(self) -> tuple[str, ...]:
        return ("Bearer", self.name.decode())

    async def start(self) -> None:
        self.log.append("started")
        if self.fails_to_start:
            raise OSError("no")

    async def close(self) -> None:
        self.log.append("closed")
        if self.fails_to_close:
            raise OSError("no")


def sent(*headers: tuple[str, str], query: bytes = b"") -> HTTPRequest:
    return HTTPRequest(headers=tuple((name.encode(), value.encode()) for name, value in headers), query_string=query)


def ask(request: HTTPRequest, *ways: Reader) -> Principal | None:
    return asyncio.run(OneCredential(*ways).authenticate(request))


def refused(request: HTTPRequest, *ways: Reader) -> AuthenticationError:
    with pytest.raises(AuthenticationError) as caught:
        ask(request, *ways)
    return caught.value


def test_the_way_whose_credentials_are_there_answers() -> None:
    bearer, key = Reader("authorization", scheme="bearer"), Reader("x-api-key")
    assert ask(sent(("x-api-key", "k")), bearer, key) == key.answer
    assert ask(sent(("authorization", "Bearer t")), bearer, key) == bearer.answer
    assert (bearer.asked, key.asked) == (1, 1)


def test_who_sends_nothing_is_nobody() -> None:
    assert ask(sent(("accept", "*/*")), Reader("x-api-key")) is None


@pytest.mark.parametrize("request_", [
    sent(("x-api-key", "good"), ("authorization", "Bearer bad")),
    sent(("x-api-key", "bad"), ("authorization", "Bearer good")),
    sent(("x-api-key", "k"), ("authorization", "Basic YTpi")),  # a kind that nobody reads is one too
    sent(("x-api-key", "k"), query=b"access_token=t"),
    sent(("authorization", "Bearer t"), query=b"access_token=t"),
])
def test_two_credentials_are_refused_before_either_is_judged(request_: HTTPRequest) -> None:
    ways = Reader("authorization", scheme="bearer"), Reader("x-api-key")
    assert refused(request_, *ways).code == "invalid_request"
    assert [way.asked for way in ways] == [0, 0]


@pytest.mark.parametrize("request_", [
    sent(("authorization", "Basic YTpi")),
    sent(("authorization", "")),
    sent(query=b"access_token=t"),  # J20.1, also where anonymous callers are welcome
])
def test_credentials_that_nobody_reads_make_nobody_anonymous(request_: HTTPRequest) -> None:
    assert refused(request_, Reader("x-api-key")).code == "invalid_token"


def test_bad_credentials_are_final() -> None:
    second = Reader("x-other")
    assert str(refused(sent(("x-api-key", "bad")), Reader("x-api-key"), second)) == "bad"
    assert second.asked == 0


def test_a_way_that_finds_nobody_in_its_credentials_does_not_make_them_anonymous() -> None:
    assert "none of what it announced" in refused(sent(("x-api-key", "lost")), Reader("x-api-key")).detail


def test_challenges_and_schemes_are_merged_once_each() -> None:
    door = OneCredential(Reader("a", scheme="bearer"), Reader("b"), Reader("c", scheme="dpop"))
    assert door.challenges() == ("Bearer", "a", "b", "c")
    assert door.schemes == ("bearer", "dpop")


def test_without_a_way_there_is_no_door() -> None:
    with pytest.raises(ConfigurationError, match="no way"):
        OneCredential()


def test_two_ways_with_one_scheme_cannot_be_told_apart() -> None:
    with pytest.raises(ConfigurationError, match="same scheme"):
        OneCredential(Reader("authorization", scheme="bearer"), Reader("authorization", scheme="bearer"))


def test_a_failing_start_closes_those_already_started() -> None:
    first, second = Reader("a"), Reader("b")
    second.fails_to_start = True
    with pytest.raises(OSError, match="no"):
        asyncio.run(OneCredential(first, second).start())
    assert first.log == second.log == ["started", "closed"]


def test_closing_reaches_all_though_one_fails() -> None:
    async def run(door: OneCredential) -> None:
        await door.start()
        await door.close()

    first, second = Reader("a"), Reader("b")
    second.fails_to_close = True
    with pytest.raises(OSError, match="no"):
        asyncio.run(run(OneCredential(first, second)))
    assert first.log == second.log == ["started", "closed"]


NAMES = ("x-one", "x-two", "x-three")


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["good", "bad", "lost"])), max_size=4),
       st.lists(st.sampled_from(["Basic x", "Bearer good", "Bearer bad", "Negotiate y"]), max_size=1))
def test_at_most_one_way_ever_judges_a_request(headers: list[tuple[str, str]], authorization: list[str]) -> None:
    ways = [*(Reader(name) for name in NAMES), Reader("authorization", scheme="bearer")]
    request = sent(*headers, *(("authorization", value) for value in authorization))
    kinds = {name for name, _ in headers} | {value.partition(" ")[0] for value in authorization}
    try:
        caller = ask(request, *ways)
    except AuthenticationError:
        caller, is_refused = None, True
    else:
        is_refused = False
    assert sum(way.asked for way in ways) <= 1
    assert (caller is not None) <= (len(kinds) == 1)
    assert is_refused or (caller is None) == (not kinds)
