"""When a role or key was last used: soon in the directory, never in the way of a request."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tokens import NOW
from world import ANN, ISSUER, A, World, trust

from iam_guard.config.tokens import make_token_app
from iam_guard.directory.entities import AccessKey, Key, Kind, Role, Settings, User
from iam_guard.directory.hiding import KEY_VARIABLE, HiddenSecrets, KeyRing, new_key
from iam_guard.directory.port import Note
from iam_guard.errors import TokenServiceError, UnavailableError
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.urls import open_store
from iam_guard.sts.key_file import SigningKeyFile
from iam_guard.sts.last_used import LastUsed

AT = "2027-01-15T08:00:00Z"  # NOW
KEY = "AKIAIOSFODNN7EXAMPLE"


class Uses:
    """A world that remembers uses."""

    def __init__(self) -> None:
        self.world = World()
        self.used = LastUsed(self.world.store, ISSUER, clock=self.world.clock)
        self.world.service._used = self.used.role
        self.ann = self.world.user("ann")
        self.role = self.world.role("T", trust({"AWS": ANN}))

    def found(self, key: Key) -> Any:
        with self.world.store.read() as reading:
            return reading.get(key)

    def last_used(self) -> str:
        return str(self.found(self.role.key).last_used)


@pytest.fixture
def uses() -> Uses:
    return Uses()


def test_many_uses_are_one_write(uses: Uses) -> None:
    before = uses.world.store.revision()
    for _ in range(100):
        uses.world.assume(uses.ann)
    assert uses.world.store.revision() == before
    assert uses.last_used() == ""
    uses.used.flush()
    assert uses.world.store.revision() == before + 1
    assert uses.last_used() == AT
    uses.used.flush()
    assert uses.world.store.revision() == before + 1


def test_who_may_not_has_not_used_it(uses: Uses) -> None:
    with pytest.raises(TokenServiceError):
        uses.world.assume(uses.world.user("bob"))
    uses.used.flush()
    assert uses.last_used() == ""


def test_nothing_else_of_the_role_is_touched(uses: Uses) -> None:
    uses.world.assume(uses.ann)
    uses.world.role("T", trust({"AWS": ANN}), description="changed meanwhile")
    uses.used.flush()
    found = uses.found(uses.role.key)
    assert (found.description, found.last_used) == ("changed meanwhile", AT)


def test_a_role_that_was_made_again_was_not_used(uses: Uses) -> None:
    uses.world.assume(uses.ann)
    uses.world.role("T", trust({"AWS": ANN}), id="AROAOTHER")
    uses.used.flush()
    assert uses.last_used() == ""
    uses.world.assume(uses.ann)
    uses.world.delete(uses.role)
    uses.used.flush()
    assert uses.found(uses.role.key) is None


def test_what_is_known_better_stays(uses: Uses) -> None:
    uses.world.put(msgspec.structs.replace(uses.role, last_used="2027-01-15T09:00:00Z"))
    uses.world.assume(uses.ann)
    uses.used.flush()
    assert uses.last_used() == "2027-01-15T09:00:00Z"


def test_a_store_that_is_away_is_written_later(uses: Uses, caplog: pytest.LogCaptureFixture) -> None:
    class Away(MemoryDirectoryStore):
        @contextmanager
        def write(self, note: Note) -> Any:
            raise UnavailableError("away")
            yield

    uses.used._store = Away()
    uses.world.assume(uses.ann)
    uses.used.flush()
    assert "could not be written" in caplog.text
    uses.world.clock.now += 60
    uses.used._store = uses.world.store
    uses.used.flush()
    assert uses.last_used() == AT


def test_it_is_written_now_and_then_and_at_the_end(uses: Uses) -> None:
    async def run() -> list[float]:
        waits: list[float] = []
        turn = asyncio.Event()

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            turn.set()
            await asyncio.Event().wait()

        used = LastUsed(uses.world.store, ISSUER, clock=uses.world.clock, every=7, sleep=sleep)
        await used.start()
        await turn.wait()
        used.role(uses.role)
        await used.close()
        return waits

    assert asyncio.run(run()) == [7]
    assert uses.last_used() == AT


def test_the_application_writes_both(tmp_path: Path) -> None:
    environment, url = {KEY_VARIABLE: new_key()}, f"sqlite:///{tmp_path}/iam.db"
    secrets = HiddenSecrets(KeyRing.from_environment(environment))
    store = open_store(url)
    try:
        with store.write(Note(f"arn:aws:iam::{A}:root", "Import", AT)) as tx:
            tx.put(Settings(partition="aws", default_account=A))
            tx.put(User(account=A, name="ann", arn=ANN, id="AIDAANN"))
            tx.put(Role(account=A, name="T", arn=f"arn:aws:iam::{A}:role/T", id="AROAT",
                        trust='{"Version": "2012-10-17", "Statement": {"Effect": "Allow", '
                        f'"Principal": {{"AWS": "{ANN}"}}, "Action": "sts:AssumeRole"}}}}'))
            tx.put(AccessKey(account=A, id=KEY, user="ann", user_id="AIDAANN",
                             secret=secrets.encrypt("s3cret-s3cret-s3cret", owner=KEY)))
        SigningKeyFile(tmp_path / "keys.json").make(0)
        app = make_token_app(url, issuer=ISSUER, audience="docs", keys=tmp_path / "keys.json", environment=environment,
                             clock=lambda: NOW)
        answer = asyncio.run(_ask(app))
        assert answer.status_code == 200, answer.text
        with store.read() as reading:
            found = [reading.get(Key(Kind.ACCESS_KEY, "", KEY)), reading.get(Key(Kind.ROLE, A, "t"))]
        assert [one.last_used for one in found if isinstance(one, Role | AccessKey)] == [AT, AT]
    finally:
        store.close()


async def _ask(app: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with (app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=ISSUER) as client):
        return await client.post("/token", auth=(KEY, "s3cret-s3cret-s3cret"), data={
            "grant_type": "client_credentials", "role_arn": f"arn:aws:iam::{A}:role/T", "role_session_name": "s1"})
