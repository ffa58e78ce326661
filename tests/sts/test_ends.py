"""How sessions end, and what is no session (6.4, 6.10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tokens import NOW, compact
from world import ANN, A, B, World, allow, deny, doc, part, trust

from iam_guard.directory.entities import Kind, StandingPolicy
from iam_guard.errors import AuthenticationError
from iam_guard.model import Principal
from iam_guard.sts.grant import Grant
from iam_guard.sts.parameters import GetSessionToken

Enter = Callable[[Grant], Principal]
QUEUE = f"arn:aws:sqs:us-east-1:{A}:q"
SEND, READ = "sqs:SendMessage", "sqs:ReceiveMessage"


def test_a_session_ends_with_its_role(world: World, enter: Enter) -> None:
    ann = world.user("ann")
    role = world.role("T", trust({"AWS": ANN}), policy=(allow(SEND),))
    who = enter(world.assume(ann))
    assert world.guard.authorize(who, SEND, QUEUE)
    world.delete(role)
    assert not world.guard.authorize(who, SEND, QUEUE)
    world.put(replace_role(role, id="AROATHENEXT"))
    assert not world.guard.authorize(who, SEND, QUEUE)
    world.put(role)
    assert world.guard.authorize(who, SEND, QUEUE)


def test_a_session_ends_with_the_last_role_there_is(world: World, enter: Enter) -> None:
    ann = world.user("ann")
    role = world.role("T", trust({"AWS": ANN}), policy=(allow(SEND),))
    who = enter(world.assume(ann))
    world.put(StandingPolicy(account=A, name="all", reach="everyone", document=doc(allow("*"))))
    world.delete(role)
    with world.store.read() as reading:
        [user] = reading.page(Kind.USER, A)
    world.delete(user)
    assert not world.guard.authorize(who, SEND, QUEUE)


def replace_role(role: Any, **members: Any) -> Any:
    return msgspec.structs.replace(role, **members)


def test_a_users_session_ends_with_the_user(world: World, enter: Enter) -> None:
    ann = world.user("ann", allow(SEND))
    who = enter(world.service.get_session_token(ann, GetSessionToken()))
    world.user("ann", allow(SEND), id="AIDAANOTHER")
    assert not world.guard.authorize(who, SEND, QUEUE)


def test_older_sessions_are_revoked_by_a_policy(world: World, enter: Enter) -> None:
    ann = world.user("ann")
    role = world.role("T", trust({"AWS": ANN}), policy=(allow(SEND),))
    old = enter(world.assume(ann))
    world.clock.now += 60
    world.put(replace_role(role, inline={**role.inline, "AWSRevokeOlderSessions": doc(
        deny("*", Condition={"DateLessThan": {"aws:TokenIssueTime": "2027-01-15T08:00:30Z"}}))}))
    assert str(world.guard.authorize(old, SEND, QUEUE).verdict) == "explicitDeny"
    assert world.guard.authorize(enter(world.assume(ann)), SEND, QUEUE)


def test_a_guard_reads_no_session_after_its_end(world: World) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}))
    grant = world.assume(ann)
    world.clock.now += 3600 + 30  # and the leeway of clocks
    with pytest.raises(AuthenticationError, match="exp"):
        asyncio.run(world.enter(grant))


@pytest.mark.parametrize("changed", [
    {"sub": f"arn:aws:sts::{B}:assumed-role/T/s1"}, {"sub": f"arn:aws:iam::{A}:user/ann"}, {"sub": "ann"},
    {"iam_guard": None}, {"iam_guard": {}}, {"iam_guard": {"kind": "role"}},
    {"iam_guard": {"kind": "user", "id": "AIDAANN"}}, {"iam_guard": {"kind": "admin", "id": "x"}},
    {"iam_guard": {"kind": "role", "id": "AROAT", "holder": "arn:aws:iam::444455556666:role/T"}},
    {"iam_guard": {"kind": "role", "id": "", "holder": f"arn:aws:iam::{A}:role/T"}},
    {"iam_guard": {"kind": "role", "id": "AROAT", "holder": f"arn:aws:iam::{A}:role/T", "policies": ["{"]}},
    {"iam_guard": {"kind": "role", "id": "AROAT", "holder": f"arn:aws:iam::{A}:role/T", "more": 1}},
])
def test_a_session_is_read_whole_or_not_at_all(world: World, changed: dict[str, Any]) -> None:
    """Only we sign these; yet a mistake of ours must not make somebody else of the bearer."""
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}))
    claims = {**part(world.assume(ann).token, 1), **changed}
    with pytest.raises(AuthenticationError):
        asyncio.run(world.enter(world.service._mint._signed(claims, NOW)))


@pytest.mark.parametrize("typ", ["JWT", "", "id_token+jwt"])
def test_no_other_kind_of_token_is_a_session(world: World, typ: str) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}))
    key = world.keys.keys[0]
    forged = compact({"alg": "EdDSA", "kid": key.id, "typ": typ}, part(world.assume(ann).token, 1), key.sign)
    with pytest.raises(AuthenticationError):
        asyncio.run(world.enter(forged))
