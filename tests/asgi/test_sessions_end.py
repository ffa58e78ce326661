"""Sessions end (S7, S17): whoever is disabled, deleted or revoked in a directory is served no longer than it takes a
guard to notice, by new requests and on what is open. Time is virtual; the guard asks the directory every 3 seconds.

Source: language specification, section 6.10; wire contracts, section 14.4 and acceptance check 9.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from driver import http_scope, socket_scope
from fixture_app import NOW, Guarded
from starlette.requests import ClientDisconnect
from virtual_time import Peer, run

from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import Group, ResourcePolicy, Role, Settings, User
from iam_guard.directory.operation import Operation, Work
from iam_guard.directory.operations.groups import DeleteGroup, RemoveUserFromGroup
from iam_guard.directory.operations.inline import (
    DeleteGroupPolicy,
    DeleteRolePolicy,
    DeleteUserPolicy,
    PutGroupPolicy,
    PutRolePolicy,
    PutUserPolicy,
)
from iam_guard.directory.operations.roles import DeleteRole
from iam_guard.directory.operations.users import DeleteUser
from iam_guard.directory.port import Note
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.keys import KeySet
from iam_guard.identity.revocation import RevocationList, Revocations, RevokedSessions, RevokedToken, TokenFacts
from iam_guard.model import Principal
from iam_guard.store.following import DirectoryPolicyStore
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.refresh import PolicyRefresher

POLL, RECHECK = 3.0, 5.0
#: When something happens, and for how long everything is watched.
THEN, END = 7.0, 30
SECRETS = {"https://idp.example": "s" * 64, "https://ci.example": "c" * 64}
ADMIN = Principal.from_arn("arn:iamg:iam::t1:user/admin")
FEED = "arn:iamg:feed:eu:t1:feed/main"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


MAY = {"Effect": "Allow", "Action": ["app:Subscribe", "app:GetItem"], "Resource": "*"}
MAY_NOT = {"Effect": "Deny", "Action": "*", "Resource": "*"}


def revoking(second: float) -> str:
    """What AWS attaches to a role to revoke its older sessions."""
    when = (NOW + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return document(MAY_NOT | {"Condition": {"DateLessThan": {"aws:TokenIssueTime": when}}})


def people() -> list[Any]:
    def named(kind: str, name: str) -> dict[str, str]:
        return {"account": "t1", "name": name, "arn": f"arn:iamg:iam::t1:{kind}/{name}", "id": f"ID{name.upper()}"}

    grant = {"may": document(MAY)}
    named_in_resource = document({"Effect": "Allow", "Principal": {"AWS": "arn:iamg:iam::t1:user/zoe"},
                                  "Action": "app:Subscribe", "Resource": "*"})
    return [Settings(partition="iamg", default_account="t1"),
            User(**named("user", "ann"), inline=grant), User(**named("user", "bob"), groups=("readers",)),
            User(**named("user", "zoe")), Group(**named("group", "readers"), inline=grant),
            Role(**named("role", "worker"), inline=grant),
            ResourcePolicy(account="t1", arn=FEED, document=named_in_resource)]


def token(who: str, issued: float = 0) -> str:
    """A token of a user, or of a session of the role ``worker``."""
    issuer = "https://ci.example" if who == "worker" else "https://idp.example"
    now = NOW.timestamp() + issued
    claims = {"iss": issuer, "aud": "iam-guard", "sub": who, "iat": now, "exp": now + 3600, "role": "worker",
              "jti": f"{who}-{issued:g}"}
    return jwt.encode(claims, SECRETS[issuer], "HS256")


def authenticator(clock: Callable[[], float], **more: Any) -> JWTAuthenticator:
    def trust(name: str, **mapping: Any) -> Issuer:
        return Issuer(name, audience="iam-guard", algorithms="HS256", secret=SECRETS[name], leeway=0,
                      claims=ClaimMapping(account="t1", partition="iamg", **mapping))

    return JWTAuthenticator([trust("https://idp.example"), trust("https://ci.example", role=Claim("role"))],
                            clock=clock, **more)


class Anyone:
    """A referee that lets everybody do everything."""

    def before(self, operation: Operation, work: Work) -> None: ...

    def after(self, operation: Operation, work: Work) -> None: ...


class Story:
    """What became of a caller: when new requests were allowed, and when what was open ended."""

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.later: dict[int, int] = {}
        self.socket: tuple[float, dict[str, Any]] | None = None
        self.stream: tuple[float, dict[str, Any]] | None = None


class Scene:
    """A guard that follows a directory in virtual time.

    Args:
        clock: The time.
        known_only: Of the store.
        more: Of the authenticator.
    """

    def __init__(self, clock: Callable[[], datetime], known_only: bool = False, **more: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.store = MemoryDirectoryStore()
        with self.store.write(Note(ADMIN.arn, "Import", "2026-01-01T12:00:00Z")) as tx:
            for one in people():
                tx.put(one)
        self.directory = Directory(self.store, referee=Anyone(), secrets=None, clock=clock)  # type: ignore[arg-type]
        followed = DirectoryPolicyStore(lambda: self.store, known_only=known_only)
        self.refresher = PolicyRefresher(followed, clock=self.loop.time)
        self.authenticator = authenticator(lambda: clock().timestamp(), **more)
        self.guarded = Guarded(policies=self.refresher, clock=clock, recheck_seconds=RECHECK,
                               authenticator=self.authenticator)
        self._poll()

    def _poll(self) -> None:
        self.refresher.check()
        self.loop.call_later(POLL, self._poll)

    def perform(self, operations: Sequence[Operation]) -> None:
        for one in operations:
            self.directory.perform(one, by=ADMIN)

    async def get(self, text: str) -> int:
        peer = Peer((self.loop.time(), {"type": "http.request", "body": b"", "more_body": False}))
        await self.guarded.app(http_scope("GET", "/items/1", _bearer(text)), peer.receive, peer.send)
        return int(peer.sent[0][1]["status"])

    async def ask(self, text: str, into: dict[int, int], since: float = 0) -> None:
        for second in range(END):
            if second >= since:
                into[second] = await self.get(text)
            await asyncio.sleep(1)

    async def open(self, scope: dict[str, Any], first: dict[str, Any], leave: dict[str, Any]) -> Any:
        """Open a connection; what was sent last while its client was there, or nothing when it stayed open."""
        peer = Peer((0.0, first), (END, leave))
        with contextlib.suppress(ClientDisconnect):
            await self.guarded.app(scope, peer.receive, peer.send)
        when, message = peer.sent[-1]
        return (when, message) if message["type"] == "websocket.close" or message.get("more_body") is False else None

    async def story(self, who: str, later: float | None = None) -> Story:
        """Everything that *who* does; also with a token that was issued *later*."""
        story, text = Story(), token(who)
        ask_later = [] if later is None else [self.ask(token(who, later), story.later, later)]
        story.socket, story.stream, *_ = await asyncio.gather(
            self.open(socket_scope("/ws/feed", _bearer(text)), {"type": "websocket.connect"},
                      {"type": "websocket.disconnect", "code": 1000}),
            self.open(http_scope("GET", "/events", _bearer(text)),
                      {"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}),
            self.ask(text, story.statuses), *ask_later)
        return story


def _bearer(text: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {text}")]


def tell(who: str, act: Callable[[Scene], None], *, later: float | None = None, **more: Any) -> Story:
    async def whole(clock: Callable[[], datetime]) -> Story:
        scene = Scene(clock, **more)
        scene.loop.call_at(THEN, act, scene)
        return await scene.story(who, later)

    return run(whole, NOW)


def check_open_ones_ended(story: Story, bound: float = POLL + RECHECK) -> None:
    assert story.socket is not None
    assert (story.socket[1]["type"], story.socket[1]["code"]) == ("websocket.close", 1008)
    assert THEN <= story.socket[0] <= THEN + bound
    assert story.stream is not None
    assert story.stream[1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert THEN <= story.stream[0] <= THEN + bound


def check_requests_ended(story: Story, status: int = 403, bound: float = POLL) -> None:
    assert {story.statuses[second] for second in range(int(THEN))} == {200}
    assert {seen for second, seen in story.statuses.items() if second > THEN + bound} == {status}


GONE: dict[str, tuple[str, list[Operation]]] = {
    "a user is denied everything": ("ann", [
        PutUserPolicy(user_name="ann", policy_name="stop", policy_document=document(MAY_NOT))]),
    "a user's policy is taken away": ("ann", [DeleteUserPolicy(user_name="ann", policy_name="may")]),
    "a user is deleted": ("ann", [DeleteUserPolicy(user_name="ann", policy_name="may"), DeleteUser(user_name="ann")]),
    "a user leaves a group": ("bob", [RemoveUserFromGroup(group_name="readers", user_name="bob")]),
    "a group is denied everything": ("bob", [
        PutGroupPolicy(group_name="readers", policy_name="stop", policy_document=document(MAY_NOT))]),
    "a group is deleted": ("bob", [
        RemoveUserFromGroup(group_name="readers", user_name="bob"),
        DeleteGroupPolicy(group_name="readers", policy_name="may"), DeleteGroup(group_name="readers")]),
    "a role is denied everything": ("worker", [
        PutRolePolicy(role_name="worker", policy_name="stop", policy_document=document(MAY_NOT))]),
    "a role is deleted": ("worker", [
        DeleteRolePolicy(role_name="worker", policy_name="may"), DeleteRole(role_name="worker")]),
    "the older sessions of a role are revoked": ("worker", [
        PutRolePolicy(role_name="worker", policy_name="AWSRevokeOlderSessions", policy_document=revoking(THEN))]),
    "the older tokens of a user are revoked": ("ann", [
        PutUserPolicy(user_name="ann", policy_name="AWSRevokeOlderSessions", policy_document=revoking(THEN))]),
}


@pytest.mark.parametrize(("who", "operations"), GONE.values(), ids=GONE)
def test_s17_what_ends_in_the_directory_ends_at_the_guard(who: str, operations: list[Operation]) -> None:
    story = tell(who, lambda scene: scene.perform(operations))
    check_requests_ended(story)
    check_open_ones_ended(story)


@pytest.mark.parametrize("who", ["ann", "bob", "worker"])
def test_nothing_ends_by_itself(who: str) -> None:
    story = tell(who, lambda scene: None)
    assert set(story.statuses.values()) == {200}
    assert (story.socket, story.stream) == (None, None)


@pytest.mark.parametrize("name", [name for name in GONE if "older" in name])
def test_whoever_comes_again_after_a_revocation_is_served(name: str) -> None:
    who, operations = GONE[name]
    story = tell(who, lambda scene: scene.perform(operations), later=THEN + 1)
    check_requests_ended(story)
    assert set(story.later.values()) == {200}


# --- users and roles that a directory does not have -------------------------------------------------------


def _delete_zoe(scene: Scene) -> None:
    scene.perform([DeleteUser(user_name="zoe")])
    with scene.store.write(Note(ADMIN.arn, "Import", "2026-01-01T12:00:00Z")) as tx:
        # Written by hand, as an import would: nothing ties the name in it to the user that is gone.
        tx.put(next(one for one in people() if isinstance(one, ResourcePolicy)))


def test_a_deleted_user_whom_a_resource_still_names_is_denied_where_only_known_ones_are_served() -> None:
    story = tell("zoe", _delete_zoe, known_only=True)
    check_open_ones_ended(story)
    story = tell("zoe", _delete_zoe)
    assert (story.socket, story.stream) == (None, None)  # an issuer may vouch for users the directory never had


@pytest.mark.parametrize(("who", "operations"), GONE.values(), ids=GONE)
def test_s17_where_only_known_ones_are_served(who: str, operations: list[Operation]) -> None:
    story = tell(who, lambda scene: scene.perform(operations), known_only=True)
    check_requests_ended(story)
    check_open_ones_ended(story)


# --- credentials that are over before they expire ---------------------------------------------------------


def _revoking(*entries: RevokedToken | RevokedSessions) -> tuple[Callable[[TokenFacts], bool], Callable[[Scene], None]]:
    """What an authenticator asks, and what makes it answer otherwise."""
    current = [Revocations(RevocationList())]

    def act(scene: Scene) -> None:
        current[0] = revocations_of(*entries)

    return lambda token: current[0].cover(token), act


def revocations_of(*entries: RevokedToken | RevokedSessions) -> Revocations:
    return Revocations(RevocationList(tokens=tuple(one for one in entries if isinstance(one, RevokedToken)),
                                      sessions=tuple(one for one in entries if isinstance(one, RevokedSessions))))


@pytest.mark.parametrize("entry", [
    RevokedToken(issuer="https://idp.example", id="ann-0"),
    RevokedSessions(issuer="https://idp.example", subject="ann", before=NOW + timedelta(seconds=THEN)),
    RevokedSessions(issuer="https://idp.example", before=NOW + timedelta(seconds=THEN)),
], ids=["a token", "a subject", "an issuer"])
def test_s7_a_revoked_token_ends_requests_and_what_it_opened(entry: RevokedToken | RevokedSessions) -> None:
    is_revoked, act = _revoking(entry)
    story = tell("ann", act, later=THEN + 1, is_revoked=is_revoked)
    check_requests_ended(story, 401, bound=0)
    check_open_ones_ended(story, RECHECK)
    assert set(story.later.values()) == {200}


def test_the_revocation_of_somebody_else_ends_nothing() -> None:
    is_revoked, act = _revoking(RevokedToken(issuer="https://idp.example", id="bob-0"),
                                RevokedSessions(issuer="https://ci.example", before=NOW + timedelta(days=1)))
    story = tell("ann", act, is_revoked=is_revoked)
    assert set(story.statuses.values()) == {200}
    assert (story.socket, story.stream) == (None, None)


def test_what_cannot_be_known_to_be_unrevoked_ends() -> None:
    broken: list[bool] = []

    def is_revoked(token: TokenFacts) -> bool:
        if broken:
            raise OSError("the list is gone")
        return False

    story = tell("ann", lambda scene: broken.append(True), is_revoked=is_revoked)
    check_requests_ended(story, 503, bound=0)
    check_open_ones_ended(story, RECHECK)


def test_j18_3_a_withdrawn_key_ends_what_its_tokens_opened() -> None:
    def act(scene: Scene) -> None:
        for source in scene.authenticator.key_sources.values():
            source.current = KeySet()

    story = tell("ann", act)
    check_requests_ended(story, 401, bound=0)
    check_open_ones_ended(story, RECHECK)
