"""A guard follows a directory: newest policies, nothing half, nothing that cannot be read, nothing too old."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from iam_guard.directory.entities import (
    Account,
    ControlPolicy,
    Entity,
    Group,
    ManagedPolicy,
    Organization,
    PolicyVersion,
    ResourcePolicy,
    Role,
    Settings,
    StandingPolicy,
    Unit,
    User,
)
from iam_guard.directory.port import Change, DirectoryStore, Note
from iam_guard.engine import compiler
from iam_guard.errors import ConfigurationError, DocumentError, HistoryGoneError, UnavailableError
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.store.following import DirectoryPolicyStore
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.refresh import PolicyRefresher
from iam_guard.store.sql.sqlite import SQLiteDirectoryStore

HOME = "000000000000"
NOTE = Note(f"arn:app:iam::{HOME}:user/admin", "Import", "2026-01-01T12:00:00Z")
BROKEN = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "a:*"'


def says(effect: str, action: str, **more: str) -> str:
    rest = "".join(f', "{key}": {value}' for key, value in more.items())
    resource = "" if "Resource" in more else ', "Resource": "*"'
    return f'{{"Version": "2012-10-17", "Statement": [{{"Effect": "{effect}", "Action": "{action}"{resource}{rest}}}]}}'


def arn(kind: str, name: str) -> str:
    return f"arn:app:iam::{HOME}:{kind}/{name}"


def user(name: str, *actions: str, **more: Any) -> User:
    inline = {f"own{number}": says("Allow", action) for number, action in enumerate(actions)}
    return User(account=HOME, name=name, arn=arn("user", name), **{"inline": inline, **more})


def group(name: str, *actions: str) -> Group:
    return Group(account=HOME, name=name, arn=arn("group", name),
                 inline={action: says("Allow", action) for action in actions})


def managed(name: str, document: str) -> ManagedPolicy:
    return ManagedPolicy(account=HOME, name=name, arn=arn("policy", name),
                         versions=(PolicyVersion(id="v1", document=document),))


def put(store: DirectoryStore, *entities: Any) -> None:
    with store.write(NOTE) as tx:
        for entity in entities:
            tx.put(entity)


def remove(store: DirectoryStore, *entities: Entity) -> None:
    with store.write(NOTE) as tx:
        for entity in entities:
            tx.delete(entity.key)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DirectoryStore]:
    one: DirectoryStore = (MemoryDirectoryStore() if request.param == "memory"
                           else SQLiteDirectoryStore(tmp_path / "iam.db"))
    yield one
    one.close()


@pytest.fixture
def followed(store: DirectoryStore) -> DirectoryPolicyStore:
    return DirectoryPolicyStore(lambda: store)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refresher(followed: DirectoryPolicyStore, clock: Clock) -> PolicyRefresher:
    return PolicyRefresher(followed, clock=clock, max_unsynced=300)


def may(refresher: PolicyRefresher, name: str, action: str, resource: str = "arn:app:docs:::d/1",
        account: str = HOME, **more: Any) -> bool:
    who = Principal.user(name, account=account)
    return bool(refresher.current.evaluate(AuthorizationRequest(who, action, resource, more)))


# --- what a directory says is what is decided -----------------------------------------------------------


def test_a_user_has_inline_managed_and_group_policies(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    put(store, managed("Managed", says("Allow", "a:Managed")), group("Staff", "a:Group"),
        user("ann", "a:Inline", policies=(arn("policy", "Managed"),), groups=("Staff",)), user("bob"))
    refresher.check()
    assert [may(refresher, "ann", f"a:{one}") for one in ("Inline", "Managed", "Group", "Other")] == [
        True, True, True, False]
    assert not may(refresher, "bob", "a:Inline")


def test_names_in_arns_are_told_apart_by_case(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    put(store, user("Ann", "a:Read"))
    refresher.check()
    assert (may(refresher, "Ann", "a:Read"), may(refresher, "ann", "a:Read")) == (True, False)


def test_the_default_version_counts(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    versions = tuple(PolicyVersion(id=f"v{number}", document=says("Allow", f"a:V{number}")) for number in (1, 2))
    policy = ManagedPolicy(account=HOME, name="P", arn=arn("policy", "P"), versions=versions, default="v2")
    put(store, policy, user("ann", policies=(policy.arn,)))
    refresher.check()
    assert (may(refresher, "ann", "a:V1"), may(refresher, "ann", "a:V2")) == (False, True)


def test_a_boundary_limits(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    put(store, managed("Edge", says("Allow", "a:Read")), user("ann", "a:*", boundary=arn("policy", "Edge")))
    refresher.check()
    assert (may(refresher, "ann", "a:Read"), may(refresher, "ann", "a:Write")) == (True, False)


def test_organization_policies_limit_accounts_below_them(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    put(store, Organization(id="o-1", management="m", root="r-1"), Unit(id="r-1"), Unit(id="ou-1", parent="r-1",
        scps=("FullAWSAccess", "NoWrite")), Account(account=HOME, parent="ou-1"), Account(account="m", parent="r-1"),
        ControlPolicy(type="scp", name="NoWrite", document=says("Deny", "a:Write")), user("ann", "a:*"),
        ControlPolicy(type="scp", name="FullAWSAccess", document=says("Allow", "*")))
    refresher.check()
    assert (may(refresher, "ann", "a:Read"), may(refresher, "ann", "a:Write")) == (True, False)


def test_policies_for_everyone_and_the_endpoint(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    put(store, StandingPolicy(name="Read", reach="everyone", document=says("Allow", "a:Read")), user("ann"))
    refresher.check()
    assert may(refresher, "ann", "a:Read")
    put(store, StandingPolicy(name="Edge", reach="endpoint", document=says("Allow", "b:*", Principal='"*"')))
    refresher.check()
    assert not may(refresher, "ann", "a:Read")


def test_resource_policies_and_trust(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    resource = f"arn:app:docs::{HOME}:d/1"
    own = says("Allow", "docs:Read", Principal=f'{{"AWS": "{arn("user", "ann")}"}}')
    trust = ('{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", '
             f'"Principal": {{"AWS": "{arn("user", "ann")}"}}}}]}}')
    put(store, user("ann"), user("bob", "sts:AssumeRole"), ResourcePolicy(account=HOME, arn=resource, document=own),
        Role(account=HOME, name="App", arn=arn("role", "App"), trust=trust))
    refresher.check()
    assert [may(refresher, name, "docs:Read", resource) for name in ("ann", "bob")] == [True, False]
    assert [may(refresher, name, "sts:AssumeRole", arn("role", "App")) for name in ("ann", "bob")] == [True, False]


# --- principals that a document named when it was saved (language specification, section 2.5 rule 5) ------


def named(refresher: PolicyRefresher, store: DirectoryStore, *people: User) -> list[bool]:
    """Whether users named ann, zoe and (under a path) ann may read what a policy opened to AIDA1, then ann."""
    put(store, *people)
    refresher.check()
    resource = f"arn:app:docs::{HOME}:d/1"
    return [bool(refresher.current.evaluate(AuthorizationRequest(who, "docs:Read", resource, {}))) for who in (
        Principal.user("ann"), Principal.user("zoe"), Principal.user("ann", path="/x/"))]


@pytest.fixture
def opened_to_ann(store: DirectoryStore) -> None:
    put(store, ResourcePolicy(
        account=HOME, arn=f"arn:app:docs::{HOME}:d/1", named_ids={arn("user", "ann"): "AIDA1"},
        document=says("Allow", "docs:Read", Principal=f'{{"AWS": "{arn("user", "ann")}"}}')))


@pytest.mark.usefixtures("opened_to_ann")
def test_p13_a_grant_to_a_user_does_not_pass_to_the_next_of_that_name(
        store: DirectoryStore, refresher: PolicyRefresher) -> None:
    assert named(refresher, store, user("ann", id="AIDA1"), user("zoe", id="AIDA9")) == [True, False, False]
    assert named(refresher, store, user("ann", id="AIDA2")) == [False, False, False]


@pytest.mark.usefixtures("opened_to_ann")
def test_p13_nor_when_the_guard_starts_afterwards(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    assert named(refresher, store, user("ann", id="AIDA2")) == [False, False, False]


@pytest.mark.usefixtures("opened_to_ann")
def test_a_grant_follows_a_user_who_gets_another_name_or_path(
        store: DirectoryStore, refresher: PolicyRefresher) -> None:
    moved = User(account=HOME, name="ann", path="/x/", arn=arn("user", "x/ann"), id="AIDA1")
    assert named(refresher, store, moved) == [False, False, True]
    remove(store, moved)
    assert named(refresher, store, user("zoe", id="AIDA1")) == [False, True, False]


# --- changes --------------------------------------------------------------------------------------------


def test_each_kind_of_change_is_obeyed(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    put(store, managed("M", says("Allow", "a:M")), group("g", "a:G"),
        user("ann", "a:Own", policies=(arn("policy", "M"),), groups=("g",)))
    refresher.check()
    put(store, managed("M", says("Allow", "a:N")))
    refresher.check()
    assert (may(refresher, "ann", "a:M"), may(refresher, "ann", "a:N")) == (False, True)
    put(store, group("g", "a:H"))
    refresher.check()
    assert (may(refresher, "ann", "a:G"), may(refresher, "ann", "a:H")) == (False, True)
    put(store, user("ann", "a:Own"))
    refresher.check()
    assert [may(refresher, "ann", one) for one in ("a:Own", "a:N", "a:H")] == [True, False, False]
    remove(store, user("ann"))
    refresher.check()
    assert not may(refresher, "ann", "a:Own")
    assert refresher.current.revision == str(store.revision()) == "5"


def test_only_what_is_touched_is_compiled_again(
        store: DirectoryStore, refresher: PolicyRefresher, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []

    class Counting(compiler.CompiledPolicy):  # type: ignore[misc]
        __slots__ = ()

        def __init__(self, policy: Any, kind: Any) -> None:
            compiled.append(policy.id.rsplit("/", 1)[-1])
            super().__init__(policy, kind)

    monkeypatch.setattr(compiler, "CompiledPolicy", Counting)
    people = [f"user{number}" for number in range(20)]
    put(store, managed("M", says("Allow", "a:M")), group("g", "a:G"), *(
        user(name, inline={name: says("Allow", "a:Own")}, policies=(arn("policy", "M"),), groups=("g",))
        for name in people))
    refresher.check()

    def ask_all() -> list[str]:
        compiled.clear()
        assert all(may(refresher, name, "a:Own") for name in people)
        return sorted(compiled)

    assert ask_all() == sorted(["M", "a:G", *people])
    assert ask_all() == []
    put(store, user("user7", inline={"new": says("Allow", "a:Own")}))
    refresher.check()
    assert ask_all() == ["new"]
    put(store, managed("M", says("Allow", "a:N")))
    refresher.check()
    assert ask_all() == ["M"]
    put(store, user("stranger", "a:Own"))
    refresher.check()
    assert ask_all() == []


def test_a_load_says_what_it_touched(store: DirectoryStore, followed: DirectoryPolicyStore) -> None:
    put(store, user("ann"), user("bob"))
    first = followed.load()
    assert (first.revision, first.since) == ("1", "")
    put(store, user("ann", "a:Read"))
    put(store, group("g"))
    second = followed.load()
    assert (second.revision, second.since, second.touched) == ("3", "1", {arn("user", "ann"), arn("group", "g")})


def test_a_long_absence_is_made_up_for(
        store: DirectoryStore, refresher: PolicyRefresher, followed: DirectoryPolicyStore,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iam_guard.store.following._BATCH", 3)
    put(store, user("ann", "a:Read"))
    refresher.check()
    people = [f"user{number}" for number in range(9)]
    for name in people:
        put(store, user(name, "a:Read"))
    snapshot = followed.load()
    assert (snapshot.revision, snapshot.touched) == ("10", {arn("user", name) for name in people})
    refresher.load()
    assert all(may(refresher, name, "a:Read") for name in people)


def test_a_whole_set_stays_as_it_was(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    """Whoever took a set before a change goes on with the state before it, even about callers not yet met."""
    put(store, user("ann", "a:Old"), user("bob", "a:Old"))
    refresher.check()
    before = refresher.current
    put(store, user("ann", "a:New"), user("bob", "a:New"))
    refresher.check()

    def asked(policies: Any, name: str, action: str) -> bool:
        return bool(policies.evaluate(AuthorizationRequest(Principal.user(name), action, "arn:app:docs:::d/1", {})))

    for _ in range(2):
        assert [asked(before, "bob", one) for one in ("a:Old", "a:New")] == [True, False]
        assert [asked(refresher.current, "bob", one) for one in ("a:Old", "a:New")] == [False, True]


def test_c09_1_no_answer_is_a_mixture(store: DirectoryStore, refresher: PolicyRefresher) -> None:
    """Each revision allows one of two actions: a set that is taken once never allows both, and never neither."""
    put(store, user("ann", "a:First"))
    refresher.check()
    mixed: list[list[bool]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            policies = refresher.current
            pair = [bool(policies.evaluate(AuthorizationRequest(Principal.user("ann"), action, "*", {})))
                    for action in ("a:First", "a:Second")]
            if sum(pair) != 1:
                mixed.append(pair)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        put(store, user("ann", "a:First" if number % 2 else "a:Second"))
        refresher.check()
    over.set()
    for thread in threads:
        thread.join()
    assert mixed == []
    assert refresher.current.revision == "21"


# --- mistakes -------------------------------------------------------------------------------------------

MISTAKES = [
    pytest.param(user("bob", inline={"own": BROKEN}), id="inline"),
    pytest.param(managed("M", BROKEN), id="managed"),
    pytest.param(Group(account=HOME, name="g", arn=arn("group", "g"), inline={"x": BROKEN}), id="group"),
    pytest.param(Role(account=HOME, name="r", arn=arn("role", "r"), trust=BROKEN), id="trust"),
    pytest.param(ResourcePolicy(account=HOME, arn="arn:app:docs:::d/1", document=BROKEN), id="resource"),
    pytest.param(StandingPolicy(name="s", reach="everyone", document=BROKEN), id="everyone"),
    pytest.param(StandingPolicy(name="s", reach="endpoint", document=BROKEN), id="endpoint"),
    pytest.param(ControlPolicy(type="scp", name="s", document=BROKEN), id="scp"),
    pytest.param(ControlPolicy(type="rcp", name="s", document=BROKEN), id="rcp"),
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_s14_a_bad_document_keeps_the_last_good_state_whole(
        store: DirectoryStore, refresher: PolicyRefresher, mistake: Entity,
        caplog: pytest.LogCaptureFixture) -> None:
    put(store, user("ann", "a:Old"))
    refresher.check()
    good = refresher.current
    with caplog.at_level(logging.ERROR, "iam_guard.store"):
        put(store, user("ann", "a:New"), mistake)
        refresher.check()
        refresher.check()
    assert refresher.current is good
    assert (may(refresher, "ann", "a:Old"), may(refresher, "ann", "a:New")) == (True, False)
    status = refresher.status()
    assert (status.is_ready, status.is_degraded, status.failed, status.revision) == (True, True, 1, "1")
    assert isinstance(refresher.last_error, DocumentError)
    assert len(caplog.records) == 1
    remove(store, mistake)
    refresher.check()
    assert (may(refresher, "ann", "a:New"), refresher.status().is_degraded) == (True, False)


def test_a_mistake_is_told_with_whose_it_is(store: DirectoryStore, followed: DirectoryPolicyStore) -> None:
    followed.load()
    put(store, user("bob", inline={"Late": BROKEN}))
    with pytest.raises(DocumentError) as refused:
        followed.load()
    (fault,) = refused.value.faults
    assert "bob" in fault.file
    assert "Late" in fault.file


@pytest.mark.parametrize("mistake", [MISTAKES[0], MISTAKES[1], MISTAKES[2]])
def test_s14_what_was_bad_before_the_start_denies_whom_it_concerns(
        store: DirectoryStore, refresher: PolicyRefresher, mistake: Any) -> None:
    """The document that cannot be read might hold a Deny."""
    bob = user("bob", "a:Read", policies=(arn("policy", "M"),), groups=("g",))
    if isinstance(mistake, User):
        bob = User(account=HOME, name="bob", arn=bob.arn, inline={"good": says("Allow", "a:Read"), **mistake.inline})
        mistake = bob
    put(store, user("ann", "a:Read"), bob, managed("M", says("Allow", "a:M")), group("g"))
    put(store, mistake)
    refresher.check()
    assert (may(refresher, "ann", "a:Read"), may(refresher, "bob", "a:Read")) == (True, False)


@pytest.mark.parametrize("mistake", [MISTAKES[5], MISTAKES[6]])
def test_s14_what_concerns_everybody_and_was_bad_before_the_start_lets_nothing_be_served(
        store: DirectoryStore, refresher: PolicyRefresher, mistake: Entity) -> None:
    put(store, user("ann", "a:Read"), mistake)
    refresher.check()
    assert not refresher.is_ready


def test_an_attached_policy_that_is_not_there_denies_everything(
        store: DirectoryStore, refresher: PolicyRefresher) -> None:
    put(store, user("ann", "a:Read", policies=(arn("policy", "Lost"),)),
        user("bob", "a:Read", boundary=arn("policy", "Lost")), user("cid", "a:Read", groups=("lost",)))
    refresher.check()
    assert [may(refresher, name, "a:Read") for name in ("ann", "bob", "cid")] == [False] * 3


# --- staleness ------------------------------------------------------------------------------------------


def test_s17_a_directory_that_falls_silent_ends_in_denial(clock: Clock) -> None:
    """Row C03.2: unreachable for max_unsynced and a second more; and back again."""
    store = Silent()
    put(store, user("ann", "a:Read"))
    refresher = PolicyRefresher(DirectoryPolicyStore(lambda: store), clock=clock, max_unsynced=300)
    refresher.check()
    store.is_silent = True
    clock.now += 300
    refresher.check()
    assert may(refresher, "ann", "a:Read")
    clock.now += 1
    with pytest.raises(UnavailableError, match="not heard from for 301 seconds"):
        may(refresher, "ann", "a:Read")
    store.is_silent = False
    refresher.check()
    assert may(refresher, "ann", "a:Read")


class Silent(MemoryDirectoryStore):
    is_silent = False

    def revision(self) -> int:
        if self.is_silent:
            raise UnavailableError("no answer")
        return super().revision()


def test_s17_a_directory_that_does_not_open_is_opened_later(clock: Clock) -> None:
    store = MemoryDirectoryStore()
    put(store, user("ann", "a:Read"))
    tries: list[float] = []

    def open_it() -> DirectoryStore:
        tries.append(clock.now)
        if len(tries) == 1:
            raise UnavailableError("not yet")
        return store

    refresher = PolicyRefresher(DirectoryPolicyStore(open_it), clock=clock)
    refresher.check()
    assert not refresher.is_ready
    refresher.check()
    refresher.check()
    assert may(refresher, "ann", "a:Read")
    assert len(tries) == 2


# --- other pasts ----------------------------------------------------------------------------------------


class Forgetful(MemoryDirectoryStore):
    def changes(self, since: int, *, limit: int = 1000) -> list[Change]:
        raise HistoryGoneError("long ago")


def test_a_forgotten_past_is_read_anew_and_still_checked_before_it_is_served() -> None:
    store = Forgetful()
    put(store, user("ann", "a:Old"))
    followed = DirectoryPolicyStore(lambda: store)
    refresher = PolicyRefresher(followed)
    refresher.check()
    put(store, user("ann", "a:New"), user("bob", inline={"own": BROKEN}))
    refresher.check()
    assert may(refresher, "ann", "a:Old")
    put(store, user("bob", "a:Read"))
    refresher.check()
    assert (may(refresher, "ann", "a:New"), may(refresher, "bob", "a:Read")) == (True, True)


@pytest.mark.parametrize("writes", [1, 3], ids=["fewer", "more"])
def test_c03_4_a_restored_directory_is_obeyed(writes: int) -> None:
    """A backup has another past: fewer revisions or, once it was written to again, more."""
    first, restored = MemoryDirectoryStore(), MemoryDirectoryStore()
    put(first, user("ann", "a:Old"), user("bob", "a:Old"))
    put(first, user("ann", "a:Late"))
    put(restored, user("ann", "a:Old"), user("bob", "a:Old"))
    for number in range(1, writes):
        put(restored, user("ann", f"a:Other{number}"))
    stores = [first]
    refresher = PolicyRefresher(DirectoryPolicyStore(lambda: Switched(stores)))  # type: ignore[arg-type]
    refresher.check()
    assert may(refresher, "ann", "a:Late")
    stores[0] = restored
    refresher.check()
    assert not may(refresher, "ann", "a:Late")
    assert may(refresher, "ann", "a:Old" if writes == 1 else f"a:Other{writes - 1}")


class Switched:
    """A store behind one address, which is another one after a while."""

    def __init__(self, stores: list[MemoryDirectoryStore]) -> None:
        self._stores = stores

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stores[0], name)


# --- home, watching, closing ----------------------------------------------------------------------------


def test_the_directory_says_its_partition_and_account(store: DirectoryStore) -> None:
    put(store, Settings(partition="acme", default_account="111122223333"))
    followed = DirectoryPolicyStore(lambda: store)
    assert followed.home() == ("acme", "111122223333")
    snapshot = followed.load()
    assert (snapshot.partition, snapshot.account) == ("acme", "111122223333")


def test_a_directory_of_another_partition_is_refused(store: DirectoryStore) -> None:
    put(store, Settings(partition="acme"))
    with pytest.raises(ConfigurationError, match="the partition is 'acme' in the directory and 'app' in the settings"):
        DirectoryPolicyStore(lambda: store, partition="app").load()


def test_a_committed_change_is_taken_up_without_waiting_for_the_poll(store: DirectoryStore) -> None:
    put(store, user("ann", "a:Old"))

    async def run() -> None:
        loop, events = asyncio.get_running_loop(), asyncio.Queue[Any]()
        refresher = PolicyRefresher(DirectoryPolicyStore(lambda: store), poll_seconds=3600,
                                    on_event=lambda event: loop.call_soon_threadsafe(events.put_nowait, event))
        await refresher.start()
        try:
            assert (await asyncio.wait_for(events.get(), 20)).revision == "1"
            await asyncio.to_thread(put, store, user("ann", "a:New"))
            assert (await asyncio.wait_for(events.get(), 20)).revision == "2"
            assert may(refresher, "ann", "a:New")
        finally:
            await refresher.close()

    asyncio.run(run())


def test_closing_lets_go_of_the_directory_and_later_use_opens_it_again() -> None:
    opened: list[MemoryDirectoryStore] = []
    closed: list[int] = []

    class Closing(MemoryDirectoryStore):
        def close(self) -> None:
            closed.append(len(opened))

    def open_it() -> DirectoryStore:
        opened.append(Closing())
        return opened[-1]

    followed = DirectoryPolicyStore(open_it)
    followed.load()
    asyncio.run(followed.close())
    asyncio.run(followed.close())
    assert (len(opened), closed) == (1, [1])
    followed.revision()
    assert len(opened) == 2


def test_a_feed_that_ends_is_told_as_an_error() -> None:
    class Gone(MemoryDirectoryStore):
        def wait(self, since: int, timeout: float) -> bool:
            raise UnavailableError("gone")

    async def run() -> None:
        async with aclosing(DirectoryPolicyStore(Gone).changes()) as changes:
            with pytest.raises(UnavailableError, match="gone"):
                await asyncio.wait_for(anext(changes), 20)

    asyncio.run(run())


