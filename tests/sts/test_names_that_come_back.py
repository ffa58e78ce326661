"""E25: whoever gets a name later is somebody else, and what the first one held opens nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from world import ANN, A, World, allow, trust

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.directory.authorization import Authorization
from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import Kind
from iam_guard.directory.hiding import HiddenSecrets, KeyRing
from iam_guard.directory.operations.access_keys import CreateAccessKey, DeleteAccessKey
from iam_guard.directory.operations.inline import DeleteUserPolicy, PutUserPolicy
from iam_guard.directory.operations.users import CreateUser, DeleteUser
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.access_keys import DirectoryAccessKeys
from iam_guard.model import Principal
from iam_guard.sts.parameters import GetSessionToken

QUEUE = f"arn:aws:sqs:us-east-1:{A}:q"


def status_of(world: World, token: str) -> int:
    """What a request with a token is answered by the middleware."""
    said: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        said.extend([message["status"]] if "status" in message else [])

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    door = IAMGuardMiddleware(app, guard=world.guard, authenticator=world.authenticator(),
                              mapper=RequestMapper({"GET /": ("sqs:SendMessage", QUEUE)}))
    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "scheme": "http",
             "headers": [(b"host", b"q.example"), (b"authorization", f"Bearer {token}".encode())],
             "client": ("192.0.2.1", 1)}
    asyncio.run(door(scope, receive, send))
    return said[0]


def test_e25_1_a_session_of_the_first_user_is_no_session_of_the_second(world: World) -> None:
    ann = world.user("ann", allow("sqs:SendMessage"))
    old = world.service.get_session_token(ann, GetSessionToken()).token
    assert status_of(world, old) == 200
    second = world.user("ann", allow("sqs:SendMessage"), id="AIDATHESECOND")
    assert status_of(world, old) == 401
    assert status_of(world, world.service.get_session_token(second, GetSessionToken()).token) == 200


def test_e25_1_a_session_of_the_first_role_is_no_session_of_the_second(world: World) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}), policy=(allow("sqs:SendMessage"),))
    old = world.assume(ann).token
    assert status_of(world, old) == 200
    world.role("T", trust({"AWS": ANN}), policy=(allow("sqs:SendMessage"),), id="AROATHESECOND")
    assert status_of(world, old) == 401
    assert status_of(world, world.assume(ann).token) == 200


def test_e25_1_a_user_who_is_gone_for_good(world: World) -> None:
    ann = world.user("ann", allow("sqs:SendMessage"))
    old = world.service.get_session_token(ann, GetSessionToken()).token
    with world.store.read() as reading:
        [user] = reading.page(Kind.USER, A)
    world.delete(user)
    assert status_of(world, old) == 401


def test_e25_1_an_access_key_of_the_first_user_is_no_key_of_the_second(world: World) -> None:
    hidden = HiddenSecrets(KeyRing(b"k" * 32))
    world.user("chief", allow("*"))
    chief = Principal.root(account=A, partition="aws")
    directory = Directory(world.store, referee=Authorization(), secrets=hidden)

    def do(operation: Any) -> Any:
        return directory.perform(operation, by=chief, account=A)

    document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}'
    do(CreateUser(user_name="dan"))
    do(PutUserPolicy(user_name="dan", policy_name="own", policy_document=document))
    key = do(CreateAccessKey(user_name="dan"))["AccessKey"]["AccessKeyId"]
    keys = DirectoryAccessKeys(lambda: world.store, hidden, clock=world.clock)
    assert asyncio.run(keys.find(key)) is not None
    do(DeleteAccessKey(user_name="dan", access_key_id=key))
    do(DeleteUserPolicy(user_name="dan", policy_name="own"))
    do(DeleteUser(user_name="dan"))
    do(CreateUser(user_name="dan"))
    do(PutUserPolicy(user_name="dan", policy_name="own", policy_document=document))
    world.clock.now += 3600
    assert asyncio.run(keys.find(key)) is None
    asyncio.run(keys.close())
