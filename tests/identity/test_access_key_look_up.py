"""Access keys found in a directory: whose they are, that they are believed for seconds only, and what goes wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from signing import Clock

from iam_guard.directory.entities import AccessKey, User
from iam_guard.directory.hiding import HiddenSecrets, KeyRing
from iam_guard.directory.port import DirectoryStore, Note
from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.identity.access_keys import DirectoryAccessKeys, KnownKey
from iam_guard.model import PrincipalKind
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.urls import open_store

NOTE = Note("arn:app:iam::000000000000:user/admin", "Import", "2026-01-01T12:00:00Z")
SECRETS = HiddenSecrets(KeyRing(b"k" * 32))
ID = "AKIA0000000000000001"
ANN = User(account="000000000000", name="ann", arn="arn:app:iam::000000000000:user/staff/ann", path="/staff/",
           id="AIDAANN", tags={"team": "blue"})
KEY = AccessKey(account="000000000000", id=ID, user="ann", user_id="AIDAANN",
                secret=SECRETS.encrypt("the secret", owner=ID))


def put(store: DirectoryStore, *entities: Any) -> None:
    with store.write(NOTE) as tx:
        for one in entities:
            tx.put(one)


class Watched:
    """A store that counts how often it is read, and that may be out of reach."""

    def __init__(self, store: DirectoryStore) -> None:
        self.store, self.reads, self.closed = store, 0, 0
        self.fails: Exception | None = None

    @contextmanager
    def read(self) -> Iterator[Any]:
        self.reads += 1
        if self.fails is not None:
            raise self.fails
        with self.store.read() as reading:
            yield reading

    def close(self) -> None:
        self.closed += 1
        self.store.close()


@pytest.fixture
def watched() -> Watched:
    store = MemoryDirectoryStore()
    put(store, ANN, KEY)
    return Watched(store)


def keys_of(watched: Watched, clock: Clock | None = None, **more: Any) -> DirectoryAccessKeys:
    return DirectoryAccessKeys(lambda: watched, SECRETS, clock=clock or Clock(0), **more)  # type: ignore[arg-type,return-value]


def found(keys: DirectoryAccessKeys, id: str = ID) -> KnownKey | None:
    return asyncio.run(keys.find(id))


def test_a_key_speaks_for_its_user(watched: Watched) -> None:
    key = found(keys_of(watched))
    assert key is not None
    assert (key.access_key_id, key.secret, key.active) == (ID, "the secret", True)
    who = key.principal
    assert (who.kind, who.arn, who.account, who.unique_id) == (PrincipalKind.USER, ANN.arn, ANN.account, "AIDAANN")
    assert who.context["aws:principaltag/team"] == "blue"
    assert "the secret" not in repr(key)


@pytest.mark.parametrize("id", ["AKIA0000000000000002", ID.lower(), f"{ID} ", "", "AIDAANN", "\x00" * 20,
                                "../../etc/passwd", "A" * 129, f"{ID}\n", "ＡKIA0000000000000001"])
def test_other_texts_are_no_keys(watched: Watched, id: str) -> None:
    assert found(keys_of(watched), id) is None


def test_what_cannot_be_an_id_is_not_looked_up(watched: Watched) -> None:
    keys = keys_of(watched)
    for text in ("", "a" * 20, "A" * 15, "A" * 129, "AKIA/000000000000000"):
        assert found(keys, text) is None
    assert watched.reads == 0


def test_a_key_goes_with_its_user_and_not_with_a_later_one_of_the_name(watched: Watched) -> None:
    with watched.store.write(NOTE) as tx:
        tx.delete(ANN.key)
    assert found(keys_of(watched)) is None
    put(watched.store, replace(ANN, id="AIDAOTHER"))
    assert found(keys_of(watched)) is None
    put(watched.store, replace(ANN, name="anna", arn=ANN.arn + "a"))  # the same user under another name
    renamed = found(keys_of(watched))
    assert renamed is not None
    assert renamed.principal.arn == ANN.arn + "a"


def test_a_key_of_another_account_is_none_of_ours(watched: Watched) -> None:
    put(watched.store, replace(KEY, account="999999999999"))
    assert found(keys_of(watched)) is None


@pytest.mark.parametrize("change", ["off", "gone", "user gone", "new"])
def test_a_change_is_noticed_within_five_seconds(watched: Watched, change: str) -> None:
    clock = Clock(100)
    keys = keys_of(watched, clock)
    if change == "new":
        with watched.store.write(NOTE) as tx:
            tx.delete(KEY.key)
    before = found(keys)
    with watched.store.write(NOTE) as tx:
        match change:
            case "off":
                tx.put(replace(KEY, active=False))
            case "gone":
                tx.delete(KEY.key)
            case "user gone":
                tx.delete(ANN.key)
            case "new":
                tx.put(KEY)
    clock.now = 104.9
    assert found(keys) is before
    assert watched.reads == 1
    clock.now = 105
    after = found(keys)
    if change == "new":
        assert before is None
        assert after is not None
    else:
        assert before is not None
        assert after is None or not after.active


def test_the_time_counts_from_before_the_look(watched: Watched) -> None:
    """A slow store must not make an answer look fresher than it is."""
    clock = Clock(0)

    class Slow(Watched):
        @contextmanager
        def read(self) -> Iterator[Any]:
            with super().read() as reading:
                clock.now += 5
                yield reading

    slow = Slow(watched.store)
    keys = keys_of(slow, clock)
    assert found(keys) is not None
    assert found(keys) is not None
    assert slow.reads == 2


def test_a_store_out_of_reach_is_no_answer_even_for_a_key_that_was_known(watched: Watched) -> None:
    clock = Clock(0)
    keys = keys_of(watched, clock)
    assert found(keys) is not None
    clock.now = 5
    for trouble in (UnavailableError("down"), OSError("disk"), RuntimeError("anything")):
        watched.fails = trouble
        with pytest.raises(UnavailableError):
            found(keys)
    watched.fails = None
    assert found(keys) is not None


def test_a_secret_that_cannot_be_revealed_is_no_wrong_key(watched: Watched) -> None:
    put(watched.store, replace(KEY, secret=HiddenSecrets(KeyRing(b"o" * 32)).encrypt("s", owner=ID)))
    with pytest.raises(UnavailableError):
        found(keys_of(watched))
    moved = SECRETS.encrypt("s", owner="AKIA0000000000000002")  # from another key
    put(watched.store, replace(KEY, secret=moved))
    with pytest.raises(UnavailableError):
        found(keys_of(watched))


def test_many_who_ask_at_once_cost_no_more_looks_than_there_are_turns(watched: Watched) -> None:
    keys = keys_of(watched)

    async def run() -> list[Any]:
        return await asyncio.gather(*(keys.find(ID) for _ in range(50)))

    assert len({id(one) for one in asyncio.run(run())}) <= 4
    assert watched.reads <= 4


def test_made_up_ids_take_no_more_memory_than_is_set(watched: Watched) -> None:
    keys = keys_of(watched, cache_size=10)

    async def run() -> None:
        for number in range(100):
            assert await keys.find(f"AKIA{number:016}") is None or number == 1

    asyncio.run(run())
    assert len(keys._missing) == 10


async def reading(store: Watched, times: int) -> None:
    """Wait until threads have begun to read as many times."""
    while store.reads < times:  # noqa: ASYNC110
        await asyncio.sleep(0)


def test_made_up_ids_push_no_key_out_and_take_no_turn_from_one(watched: Watched) -> None:
    """While look-ups of made-up ids hang, a key that was known is looked at again without waiting for them."""
    clock = Clock(0)
    hanging, go = threading.Event(), threading.Event()

    class Hanging(Watched):
        @contextmanager
        def read(self) -> Iterator[Any]:
            with super().read() as reading:
                if hanging.is_set():
                    go.wait(20)
                yield reading

    store = Hanging(watched.store)
    keys = keys_of(store, clock, cache_size=10)

    async def run() -> None:
        assert await keys.find(ID) is not None
        clock.now = 5
        hanging.set()
        made_up = [asyncio.create_task(keys.find(f"AKIAFLOOD{number:011}")) for number in range(20)]
        await reading(store, 5)  # the four turns of made-up ids are taken
        again = asyncio.create_task(keys.find(ID))
        await reading(store, 6)
        go.set()
        assert await again is not None
        assert await asyncio.gather(*made_up) == [None] * 20

    asyncio.run(run())
    clock.now = 6
    reads = store.reads
    assert found(keys) is not None
    assert store.reads == reads  # twenty answers about others have not pushed it out


def test_it_opens_late_closes_once_and_opens_again(watched: Watched) -> None:
    keys = keys_of(watched)
    asyncio.run(keys.start())
    asyncio.run(keys.close())
    assert watched.closed == 0
    found(keys)
    asyncio.run(keys.close())
    asyncio.run(keys.close())
    assert watched.closed == 1
    assert watched.reads == 1
    found(keys)
    assert watched.reads == 2


def test_a_directory_in_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'iam.db'}"
    writer = open_store(url)
    put(writer, ANN, KEY)
    keys = DirectoryAccessKeys(lambda: open_store(url), SECRETS)

    async def run() -> KnownKey | None:
        try:
            return await keys.find(ID)
        finally:
            await keys.close()

    key = asyncio.run(run())
    writer.close()
    assert key is not None
    assert key.secret == "the secret"


@pytest.mark.parametrize("wrong", [{"max_staleness": 0}, {"max_staleness": 5.1}, {"max_staleness": float("nan")},
                                   {"cache_size": 0}])
def test_settings_that_cannot_be(watched: Watched, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        keys_of(watched, **wrong)
