"""What the refresher does with a store that says what changed."""

from __future__ import annotations

import pytest

from iam_guard.engine.attachments import Attachments, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.policy.parse import parse_policy
from iam_guard.store.base import Snapshot
from iam_guard.store.memory import MemoryPolicyStore
from iam_guard.store.refresh import PolicyRefresher, RefreshEvent, make_policy_set


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def allowing(*actions: str) -> Attachments:
    return Attachments(everyone=(Policy("p", parse_policy({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": list(actions), "Resource": "*"}]})),))


class Store:
    """A store that says since when what changed."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(allowing("a:First"), "1")

    def change(self, revision: str, since: str) -> None:
        self.snapshot = Snapshot(allowing("a:Next"), revision, since=since, touched=frozenset({"arn:ann"}))

    def load(self) -> Snapshot:
        return self.snapshot

    def revision(self) -> str:
        return self.snapshot.revision


def story(*changes: tuple[str, str]) -> tuple[list[PolicySet | None], list[RefreshEvent]]:
    """What each set was made from, and what was told."""
    made_from: list[PolicySet | None] = []
    events: list[RefreshEvent] = []

    def make(attachments: Attachments, *, revision: str, before: PolicySet | None = None) -> PolicySet:
        made_from.append(before)
        return make_policy_set(attachments, revision=revision, before=before)

    store = Store()
    refresher = PolicyRefresher(store, make=make, on_event=events.append)  # type: ignore[arg-type]
    refresher.check()
    for revision, since in changes:
        store.change(revision, since)
        refresher.check()
    return made_from, events


def test_a_set_succeeds_the_one_that_its_store_says_it_follows() -> None:
    made_from, events = story(("2", "1"))
    assert [one and one.revision for one in made_from] == [None, "1"]
    assert [event.touched for event in events] == [None, frozenset({"arn:ann"})]


def test_a_set_does_not_succeed_another_than_its_store_means() -> None:
    made_from, events = story(("3", "2"))
    assert made_from == [None, None]
    assert events[-1] == RefreshEvent("3")


def test_s17_it_is_known_for_how_long_something_newer_waits() -> None:
    clock, store = Clock(), MemoryPolicyStore(allowing("a:First"))
    refresher = PolicyRefresher(store, clock=clock)
    refresher.check()
    assert refresher.status().behind == 0
    snapshot = Snapshot(allowing("a:Next"), "2")

    def refuse() -> Snapshot:
        raise ConfigurationError(Fault("half a document"))

    store.revision, store.load = lambda: snapshot.revision, refuse  # type: ignore[method-assign]
    refresher.check()
    clock.now += 7
    refresher.check()
    status = refresher.status()
    assert (status.is_degraded, status.behind, status.revision) == (True, 7, "1")
    store.load = lambda: snapshot  # type: ignore[method-assign]
    refresher.load()
    assert refresher.status().behind == 0


def test_s17_silence_is_not_taken_for_being_behind() -> None:
    clock, store = Clock(), MemoryPolicyStore(allowing("a:First"))
    refresher = PolicyRefresher(store, clock=clock)
    refresher.check()
    store.fail(UnavailableError("gone"))
    refresher.check()
    clock.now += 7
    status = refresher.status()
    assert (status.behind, status.age) == (0, 7)


@pytest.mark.parametrize("before", [None, PolicySet(revision="1")])
def test_make_policy_set(before: PolicySet | None) -> None:
    made = make_policy_set(allowing("a:First"), revision="2", before=before)
    assert (made.revision, len(made.attachments.everyone)) == ("2", 1)
