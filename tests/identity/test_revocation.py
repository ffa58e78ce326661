"""Revocation before expiry (J18.2, J19, S17): a list in a file, followed by every guard; time passes when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tokens import IDP, NOW, PARTNER, FakeClock, ask, authenticator, claims_of, i1, i2, refusal, token

from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.identity.jwt import TokenIdentity
from iam_guard.identity.revocation import (
    MAX_LIST,
    RevocationFile,
    RevocationList,
    Revocations,
    RevokedSessions,
    RevokedToken,
    read_revocations,
)
from iam_guard.identity.revoking import add_revocations

THEN = datetime.fromtimestamp(NOW, UTC)
ANN = TokenIdentity(IDP, "t-1", "ann", NOW - 10)


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def covers(token: TokenIdentity = ANN, **written: Any) -> bool:
    return Revocations(read_revocations(json.dumps(written).encode())).cover(token)


# --- what a list says -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("issuer", "id", "covered"), [
    (IDP, "t-1", True), (IDP, "t-2", False), (IDP, "T-1", False), (PARTNER, "t-1", False), (f"{IDP}/", "t-1", False),
])
def test_a_token_by_issuer_and_id(issuer: str, id: str, covered: bool) -> None:
    assert covers(tokens=[{"issuer": issuer, "id": id}]) is covered


@pytest.mark.parametrize(("entry", "covered"), [
    ({"subject": "ann", "before": iso(NOW)}, True), ({"subject": "ann", "before": iso(NOW - 10)}, False),
    ({"subject": "ann", "before": iso(NOW - 9.5)}, True), ({"subject": "bob", "before": iso(NOW)}, False),
    ({"before": iso(NOW)}, True), ({"before": iso(NOW - 11)}, False),
    ({"subject": "ann", "before": iso(NOW), "issuer": PARTNER}, False),
])
def test_older_sessions(entry: dict[str, str], covered: bool) -> None:
    assert covers(sessions=[{"issuer": IDP, **entry}]) is covered


def test_the_latest_of_several_moments_counts() -> None:
    sessions = [{"issuer": IDP, "subject": "ann", "before": iso(NOW - ago)} for ago in (100, 5, 50)]
    assert covers(sessions=sessions)


def test_a_token_that_does_not_say_when_it_was_issued_is_an_older_one() -> None:
    assert covers(TokenIdentity(IDP, "", "ann", None), sessions=[{"issuer": IDP, "before": iso(0)}])


def test_a_token_without_an_id_is_none_of_those_with_one() -> None:
    assert not covers(TokenIdentity(IDP, "", "ann", NOW), tokens=[{"issuer": IDP, "id": "t-1"}])


@pytest.mark.parametrize("text", [
    "", "[]", "null", '{"tokens": {}}', '{"token": []}', '{"tokens": [{"issuer": "i"}]}',
    '{"tokens": [{"issuer": "", "id": "x"}]}', '{"tokens": [{"issuer": "i", "id": ""}]}',
    '{"tokens": [{"issuer": "i", "id": 7}]}', '{"tokens": [{"issuer": "i", "id": "x", "subject": "s"}]}',
    '{"tokens": [], "tokens": []}', '{"sessions": [{"issuer": "i"}]}',
    '{"sessions": [{"issuer": "i", "before": "2026-03-01"}]}',
    '{"sessions": [{"issuer": "i", "before": "2026-03-01T12:00:00"}]}',
    '{"sessions": [{"issuer": "i", "before": 1800000000}]}', '{"tokens": [{"issuer": "i", "id": "x"}]',
])
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_revocations(text.encode())


def test_a_list_has_an_end() -> None:
    with pytest.raises(ValueError, match="longer than"):
        read_revocations(b'{"tokens": []}' + b" " * MAX_LIST)


# --- a file that is followed ------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "revoked.json"
    found.write_text("{}")
    return found


def test_j18_2_and_j19_1_a_revoked_token_is_refused_after_the_next_look(path: Path) -> None:
    followed = RevocationFile(path)
    door, text = authenticator(i1(), i2(), is_revoked=followed), token(claims_of(jti="t-1"))
    other = token(claims_of(jti="t-2"))
    assert ask(door, text).subject == "alice"
    add_revocations(path, RevokedToken(issuer=IDP, id="t-1"))
    assert ask(door, text).subject == "alice"
    followed.check()
    assert refusal(door, text).description == "The access token was revoked"
    refusal(door, text + "=")
    assert ask(door, other).subject == "alice"


def test_older_tokens_of_a_subject_are_refused_and_newer_ones_accepted(path: Path) -> None:
    followed = RevocationFile(path)
    door = authenticator(is_revoked=followed)
    add_revocations(path, RevokedSessions(issuer=IDP, subject="alice", before=datetime.fromtimestamp(NOW - 5, UTC)))
    followed.check()
    refusal(door, token(claims_of(iat=NOW - 6)))
    refusal(door, token(claims_of(without=("iat",))))
    assert ask(door, token(claims_of(iat=NOW - 5))).subject == "alice"
    assert ask(door, token(claims_of("bob", iat=NOW - 6))).subject == "bob"


BROKEN: dict[str, Callable[[Path], object]] = {
    "half a list": lambda path: path.write_text('{"tokens": ['), "empty": lambda path: path.write_text(""),
    "another list": lambda path: path.write_text('{"revoked": []}'), "gone": lambda path: path.unlink(),
    "too long": lambda path: path.write_bytes(b"{}" + b" " * MAX_LIST),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "not UTF-8": lambda path: path.write_bytes(b'{"tokens": ["\xff"]}'),
}


@pytest.mark.parametrize("breaking", BROKEN.values(), ids=BROKEN)
def test_a_file_that_breaks_keeps_the_last_list_in_force_and_then_ends_all_trust(
        path: Path, breaking: Callable[[Path], object]) -> None:
    clock = FakeClock(0)
    add_revocations(path, RevokedToken(issuer=IDP, id="t-1"))
    followed = RevocationFile(path, clock=clock, max_unsynced=300)
    door, text, other = authenticator(is_revoked=followed), token(claims_of(jti="t-1")), token(claims_of(jti="t-2"))
    breaking(path)
    clock.now = 300
    followed.check()
    assert followed.last_error
    refusal(door, text)
    assert ask(door, other).subject == "alice"
    clock.now = 301
    followed.check()
    with pytest.raises(UnavailableError):
        ask(door, other)
    if path.is_dir():
        path.rmdir()
    path.write_text("{}")
    followed.check()
    assert (followed.last_error, ask(door, text).subject) == ("", "alice")


@pytest.mark.parametrize("breaking", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_broken_at_the_start_stops_it(path: Path, breaking: Callable[[Path], object]) -> None:
    breaking(path)
    with pytest.raises(ConfigurationError, match="the revocations cannot be read"):
        RevocationFile(path)


def test_it_is_looked_at_until_it_is_closed(path: Path) -> None:
    async def run() -> None:
        looks: asyncio.Queue[float] = asyncio.Queue()
        may_look = asyncio.Semaphore(0)

        async def pause(seconds: float) -> None:
            looks.put_nowait(seconds)
            await may_look.acquire()

        followed = RevocationFile(path, poll_seconds=3, sleep=pause)
        await followed.start()
        await followed.start()
        assert await looks.get() == 3
        add_revocations(path, RevokedToken(issuer=IDP, id="t-1"))
        assert not followed(ANN)
        may_look.release()
        await looks.get()
        assert followed(ANN)
        await followed.close()
        await followed.close()

    asyncio.run(run())


# --- writing ----------------------------------------------------------------------------------------------


def test_entries_are_added_once_and_forgotten_when_their_tokens_are(path: Path) -> None:
    early = RevokedToken(issuer=IDP, id="a", until=datetime.fromtimestamp(NOW + 10, UTC))
    always, group = RevokedToken(issuer=IDP, id="b"), RevokedSessions(issuer=IDP, before=THEN)
    path.unlink()
    assert add_revocations(path, early, always, group, now=THEN) == RevocationList(tokens=(early, always),
                                                                                   sessions=(group,))
    assert add_revocations(path, always, now=THEN).tokens == (early, always)
    later = datetime.fromtimestamp(NOW + 10, UTC)
    assert add_revocations(path, now=later) == read_revocations(path.read_bytes())
    assert read_revocations(path.read_bytes()) == RevocationList(tokens=(always,), sessions=(group,))


def test_what_is_no_list_is_not_written_over(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(ValueError):  # noqa: PT011
        add_revocations(path, RevokedToken(issuer=IDP, id="a"))
    with pytest.raises(ValueError, match="names no issuer"):
        add_revocations(path.with_name("other.json"), RevokedToken(issuer=IDP, id=""))
    assert path.read_text() == "mine"
    assert not path.with_name("other.json").exists()


def test_writers_lose_nothing_of_each_other(path: Path) -> None:
    def write(whose: int) -> None:
        for number in range(10):
            add_revocations(path, RevokedToken(issuer=IDP, id=f"{whose}-{number}"))

    writers = [Thread(target=write, args=(whose,)) for whose in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    found = {one.id for one in read_revocations(path.read_bytes()).tokens}
    assert found == {f"{whose}-{number}" for whose in range(4) for number in range(10)}
    assert sorted(one.name for one in path.parent.iterdir()) == [".revoked.json.lock", "revoked.json"]
