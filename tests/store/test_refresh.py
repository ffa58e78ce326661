"""The refresher: the last good set serves, a swap is whole, silence ends in denial."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from iam_guard.engine.attachments import Attachments, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.policy.parse import parse_policy
from iam_guard.store.file import FilePolicyStore
from iam_guard.store.memory import MemoryPolicyStore
from iam_guard.store.refresh import PolicyRefresher, RefreshEvent

ADA = Principal.user("ada")


def text(action: str) -> str:
    return ('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "' + action + '", "Resource": "*"}}')


def allowing(*actions: str) -> Attachments:
    return Attachments(everyone=tuple(Policy(action, parse_policy(text(action))) for action in actions))


def allowed(policies: PolicySet, action: str) -> bool:
    return policies.evaluate(AuthorizationRequest(ADA, action, "*")).allowed


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_was_ever_loaded() -> None:
    refresher = PolicyRefresher(MemoryPolicyStore(allowing("a:Read")))
    assert not refresher.is_ready
    with pytest.raises(UnavailableError, match="no policies have been loaded"):
        _ = refresher.current


def test_a_load_makes_the_set_current() -> None:
    refresher = PolicyRefresher(MemoryPolicyStore(allowing("a:Read"), revision="r7"))
    assert refresher.load() is refresher.current
    assert allowed(refresher.current, "a:Read")
    assert (refresher.current.revision, refresher.status().revision, refresher.is_ready) == ("r7", "r7", True)


def test_c07_3_a_first_load_that_fails_is_raised_and_leaves_nothing() -> None:
    store = MemoryPolicyStore()
    store.fail(ConfigurationError(Fault("half a file", file="users/ann.yaml", line=3)))
    refresher = PolicyRefresher(store)
    with pytest.raises(ConfigurationError, match=r"users/ann.yaml:3: half a file"):
        refresher.load()
    assert not refresher.is_ready
    assert refresher.status().error == "users/ann.yaml:3: half a file"


def test_s14_the_last_good_set_serves_and_the_failure_is_told(caplog: pytest.LogCaptureFixture) -> None:
    events: list[RefreshEvent] = []
    store = MemoryPolicyStore(allowing("a:Read"))
    refresher = PolicyRefresher(store, on_event=events.append)
    good = refresher.load()
    mistake = ConfigurationError(Fault("half a file", file="users/ann.yaml", line=3))
    store.fail(mistake)
    with caplog.at_level(logging.ERROR, "iam_guard.store"):
        refresher.check()
        refresher.check()
    assert refresher.current is good
    assert refresher.last_error is mistake
    status = refresher.status()
    assert (status.is_ready, status.is_degraded, status.loaded) == (True, True, 1)
    assert [event.error for event in events] == [None, mistake]
    assert [record.getMessage() for record in caplog.records] == [
        "policies not loaded, revision 1 goes on serving:\nusers/ann.yaml:3: half a file"]


def test_a_mended_store_is_taken_up() -> None:
    store = MemoryPolicyStore(allowing("a:Read"))
    refresher = PolicyRefresher(store)
    refresher.load()
    store.fail(ConfigurationError("half a file"))
    refresher.check()
    store.put(allowing("a:Write"))
    refresher.check()
    assert allowed(refresher.current, "a:Write")
    assert not allowed(refresher.current, "a:Read")
    assert refresher.last_error is None
    assert refresher.status().failed == 1


def test_c03_4_an_older_revision_is_simply_another_set() -> None:
    store = MemoryPolicyStore(allowing("a:Read"), revision="7")
    refresher = PolicyRefresher(store)
    refresher.load()
    assert allowed(refresher.current, "a:Read")
    store.put(allowing("a:Write"), revision="3")
    refresher.check()
    assert refresher.current.revision == "3"
    assert not allowed(refresher.current, "a:Read")


def test_the_same_revision_is_not_compiled_again() -> None:
    refresher = PolicyRefresher(MemoryPolicyStore(allowing("a:Read")))
    first = refresher.load()
    refresher.check()
    assert refresher.current is first
    assert refresher.status().loaded == 1


def test_s17_silence_ends_in_denial() -> None:
    """Row C03.2: unreachable for max_unsynced and a second more."""
    clock = Clock()
    store = MemoryPolicyStore(allowing("a:Read"))
    refresher = PolicyRefresher(store, clock=clock, max_unsynced=300)
    refresher.load()
    store.fail(UnavailableError("gone"))
    clock.now += 300
    refresher.check()
    assert refresher.is_ready
    clock.now += 1
    with pytest.raises(UnavailableError, match="not heard from for 301 seconds"):
        _ = refresher.current
    store.put(allowing("a:Read"))
    refresher.check()
    assert refresher.is_ready


def test_s17_a_store_that_answers_with_a_mistake_is_not_silent(tmp_path: Path) -> None:
    clock = Clock()
    document = tmp_path / "everyone/read.json"
    document.parent.mkdir()
    document.write_text(text("a:Read"))
    refresher = PolicyRefresher(FilePolicyStore(tmp_path), clock=clock, max_unsynced=300)
    refresher.load()
    document.write_text(text("a:Read")[:-1])
    for _ in range(3):
        clock.now += 200
        refresher.check()
    assert refresher.is_ready
    assert refresher.status().failed == 1, "the same mistake is read once"
    document.write_text(text("a:Read"))
    refresher.check()
    assert (refresher.last_error, refresher.status().loaded) == (None, 1)


def test_an_unexpected_error_is_kept_too(caplog: pytest.LogCaptureFixture) -> None:
    def make(attachments: Attachments, *, revision: str) -> PolicySet:
        raise ZeroDivisionError("a mistake of ours")

    refresher = PolicyRefresher(MemoryPolicyStore(allowing("a:Read")), make=make)
    refresher.check()
    assert not refresher.is_ready
    assert "a mistake of ours" in refresher.status().error
    assert caplog.records[0].exc_info is not None


def test_a_listener_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def listen(event: RefreshEvent) -> None:
        raise RuntimeError("a listener")

    refresher = PolicyRefresher(MemoryPolicyStore(allowing("a:Read")), on_event=listen)
    refresher.load()
    assert refresher.is_ready
    assert "a listener failed" in caplog.text


def test_c07_1_and_c08_1_half_an_edit_is_no_edit(tmp_path: Path) -> None:
    """Two files change: a new Allow that is valid, and a file with a Deny that is not. Neither is applied."""
    (tmp_path / "everyone").mkdir()
    allow, deny = tmp_path / "everyone/allow.json", tmp_path / "everyone/deny.json"
    allow.write_text(text("a:Read"))
    deny.write_text(text("a:Shred").replace("Allow", "Deny"))
    refresher = PolicyRefresher(FilePolicyStore(tmp_path))
    good = refresher.load()
    allow.write_text(text("a:*"))
    deny.write_text(text("a:Shred").replace("Allow", "Deny")[:40])
    refresher.check()
    assert refresher.current is good
    assert not allowed(refresher.current, "a:Write")
    assert str(refresher.last_error).startswith(f"{deny}:1:")


def test_c07_2_a_folder_that_becomes_empty_keeps_the_last_good_set_for_a_while(tmp_path: Path) -> None:
    clock = Clock()
    document = tmp_path / "everyone/read.json"
    document.parent.mkdir()
    document.write_text(text("a:Read"))
    refresher = PolicyRefresher(FilePolicyStore(tmp_path), clock=clock, max_unsynced=300)
    refresher.load()
    document.unlink()
    refresher.check()
    assert allowed(refresher.current, "a:Read")
    assert "has become empty" in refresher.status().error
    clock.now += 301
    refresher.check()
    assert not refresher.is_ready


def test_c09_1_no_answer_is_a_mixture() -> None:
    """P allows the first action of a pair, Q the second: one set never allows both, and never neither."""
    store = MemoryPolicyStore(allowing("a:First"))
    refresher = PolicyRefresher(store)
    refresher.load()
    mixed: list[tuple[bool, bool]] = []

    def ask() -> None:
        for _ in range(20):
            policies = refresher.current
            pair = allowed(policies, "a:First"), allowed(policies, "a:Second")
            if pair not in ((True, False), (False, True)):
                mixed.append(pair)

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    flips = 0
    while flips < 2 or any(thread.is_alive() for thread in threads):
        store.put(allowing("a:Second" if flips % 2 == 0 else "a:First"))
        refresher.check()
        flips += 1
    for thread in threads:
        thread.join()
    assert mixed == []
    assert refresher.status().loaded == flips + 1


# Watching. Nothing sleeps: every wait is for an event, and a time limit turns a hang into a failure.


class Watched:
    """Lets a test wait for what the refresher reports."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[RefreshEvent] = asyncio.Queue()

    def __call__(self, event: RefreshEvent) -> None:
        self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def next(self) -> RefreshEvent:
        return await asyncio.wait_for(self._events.get(), 20)


def run_watching(store: FilePolicyStore | MemoryPolicyStore, poll_seconds: float,
                 story: Callable[[PolicyRefresher, Watched], object]) -> None:
    async def run() -> None:
        watched = Watched()
        refresher = PolicyRefresher(store, poll_seconds=poll_seconds, on_event=watched)
        await refresher.start()
        try:
            await story(refresher, watched)  # type: ignore[misc]
        finally:
            await refresher.close()
        assert len(asyncio.all_tasks()) == 1, "nothing is left running"

    asyncio.run(run())


def test_a_broken_edit_and_its_mend_are_seen_while_watching(tmp_path: Path) -> None:
    document = tmp_path / "everyone/read.json"
    document.parent.mkdir()
    document.write_text(text("a:Read"))

    async def story(refresher: PolicyRefresher, watched: Watched) -> None:
        assert (await watched.next()).error is None
        document.write_text(text("a:Read")[:-1])
        broken = await watched.next()
        assert str(broken.error).startswith(f"{document}:1:")
        assert allowed(refresher.current, "a:Read")
        document.write_text(text("a:Write"))
        assert (await watched.next()).error is None
        assert allowed(refresher.current, "a:Write")
        assert not allowed(refresher.current, "a:Read")

    run_watching(FilePolicyStore(tmp_path), 0.5, story)


def test_the_operating_system_reports_changes_of_a_folder(tmp_path: Path) -> None:
    async def run() -> None:
        changes = FilePolicyStore(tmp_path).changes()
        reported = asyncio.ensure_future(anext(changes))
        async with asyncio.timeout(20):
            while not reported.done():
                (tmp_path / "read.json").write_text(text("a:Read"))
                await asyncio.wait([reported], timeout=0.1)
        await changes.aclose()

    asyncio.run(run())


class AnnouncedStore(MemoryPolicyStore):
    """Tells when somebody listens to it."""

    def __init__(self, attachments: Attachments) -> None:
        super().__init__(attachments)
        self.is_watched = asyncio.Event()

    async def changes(self) -> AsyncGenerator[None, None]:
        self.is_watched.set()
        async for change in super().changes():
            yield change


def test_a_reported_change_is_taken_up_without_waiting_for_the_poll() -> None:
    store = AnnouncedStore(allowing("a:Read"))

    async def story(refresher: PolicyRefresher, watched: Watched) -> None:
        await watched.next()
        await asyncio.wait_for(store.is_watched.wait(), 20)
        await asyncio.to_thread(store.put, allowing("a:Write"))
        assert (await watched.next()).revision == "2"
        assert allowed(refresher.current, "a:Write")

    run_watching(store, 3600, story)


def test_c07_3_a_process_that_starts_with_a_mistake_serves_when_it_is_mended(tmp_path: Path) -> None:
    document = tmp_path / "everyone/read.json"

    async def story(refresher: PolicyRefresher, watched: Watched) -> None:
        assert isinstance((await watched.next()).error, UnavailableError)
        assert not refresher.is_ready
        document.parent.mkdir(parents=True)
        document.write_text(text("a:Read"))
        while (await watched.next()).error is not None:
            pass
        assert allowed(refresher.current, "a:Read")

    run_watching(FilePolicyStore(tmp_path / "everyone" / ".."), 0.02, story)


def test_start_and_close_may_be_called_twice() -> None:
    async def run() -> None:
        refresher = PolicyRefresher(MemoryPolicyStore(allowing("a:Read")))
        await refresher.start()
        await refresher.start()
        await refresher.close()
        await refresher.close()
        assert refresher.is_ready

    asyncio.run(run())
