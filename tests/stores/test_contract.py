"""What every store of a directory keeps to."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from store_places import HOME, LONG, NOTE, Place, everything, get, put, tenant, user

from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import (
    AccessKey,
    Account,
    AnyEntity,
    ControlPolicy,
    Entity,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    Organization,
    PolicyVersion,
    Relation,
    ResourcePolicy,
    Role,
    Settings,
    StandingPolicy,
    Unit,
    User,
    from_json,
)
from iam_guard.directory.operation import Answer, Operation, Work
from iam_guard.directory.port import Change, DirectoryStore, Entry, Note
from iam_guard.errors import ConcurrentModificationError, HistoryGoneError
from iam_guard.model import Principal

ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'
TRUST = ('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:app:iam::000000000000:'
         'user/ann"},"Action":"sts:AssumeRole"}}')
READ = f"arn:app:iam::{HOME}:policy/team/Read"
BUCKET = "arn:app:s3:::Bucket"


def group(name: str, **more: object) -> Group:
    return Group(account=HOME, name=name, arn=f"arn:app:iam::{HOME}:group/{name}", **more)  # type: ignore[arg-type]


#: One of every kind, with every member that it has.
ENTITIES: tuple[AnyEntity, ...] = (
    Settings(partition="app", default_account=HOME, decisive=("docs",)),
    Organization(id="o-1", management=HOME, root="r-1", created="2026-01-01T00:00:00Z"),
    Unit(id="r-1", name="Root", scps=("FullAWSAccess",)),
    Unit(id="ou-1", name="Wörk 工作", parent="r-1", scps=(), rcps=("Shield",)),
    ControlPolicy(type="scp", name="FullAWSAccess", id="p-1", document=ALLOW, description="all", created="2026"),
    ControlPolicy(type="rcp", name="Shield", id="p-2", document=ALLOW),
    Account(account=HOME, name="Haus Größe", parent="r-1", tags={"Größe": "ß", "size": ""}, created="2026"),
    Account(account="000000000001", name="tenant", parent="ou-1", scps=("FullAWSAccess",), rcps=("Shield",)),
    ManagedPolicy(account=HOME, name="Read", path="/team/", arn=READ, id="ANPA1", created="2026-01-01T00:00:00Z",
                  versions=(PolicyVersion(id="v2", document=ALLOW, created="2026-01-02T00:00:00Z"),
                            PolicyVersion(id="v3", document=ALLOW.replace("Allow", "Deny"))),
                  default="v3", next_version=7, description="reads «everything»", tags={"a": "b"}, updated="2026"),
    group("Staff", id="AGPA1", policies=(READ,), inline={"own": ALLOW}, created="2026-01-01T00:00:00Z"),
    User(account=HOME, name="ann", path="/staff/", arn=f"arn:app:iam::{HOME}:user/staff/ann", id="AIDA1",
         created="2026-01-01T00:00:00Z", policies=(READ,), inline={"b": ALLOW, "a": ALLOW}, groups=("Staff",),
         boundary=READ, tags={"Zeichen": "\"'\\ \n 😀"}, password="$argon2id$...", password_created="2026",
         password_reset_required=True, password_last_used="2026-02-01T00:00:00Z"),
    Role(account=HOME, name="Deploy", path="/", arn=f"arn:app:iam::{HOME}:role/Deploy", id="AROA1",
         created="2026-01-01T00:00:00Z", policies=(READ,), inline={"own": ALLOW}, trust=TRUST,
         trusted_ids={f"arn:app:iam::{HOME}:user/ann": "AIDA1"}, boundary=READ, description="deploys",
         max_session_duration=7200, tags={"a": "b"}, last_used="2026-02-01T00:00:00Z"),
    AccessKey(id="AKIA1", user="ann", user_id="AIDA1", account=HOME, secret="1:sealed", active=False,
              created="2026-01-01T00:00:00Z", last_used="2026-02-01T00:00:00Z"),
    ResourcePolicy(account=HOME, arn=BUCKET, document=ALLOW, named_ids={f"arn:app:iam::{HOME}:user/ann": "AIDA1"}),
    StandingPolicy(account=HOME, name="Base", reach="everyone", document=ALLOW),
    StandingPolicy(account=HOME, name="Ceiling", reach="endpoint", document=ALLOW),
)


@pytest.fixture
def store(place: Place) -> DirectoryStore:
    return place.open()


def user_names(store: DirectoryStore, path: str = "/", after: str = "", limit: int = 1000) -> list[str]:
    with store.read() as reading:
        found = reading.page(Kind.USER, HOME, path=path, after=after, limit=limit)
    return [one.name for one in found if isinstance(one, User)]


# --- entities -----------------------------------------------------------------------------------------------


def test_entities_of_every_kind_come_back_as_they_were(place: Place) -> None:
    put(place.open(), *ENTITIES)
    assert {entity.kind for entity in ENTITIES} == set(Kind)
    with place.open().read() as reading:
        found = everything(reading)
        assert {key: from_json(text) for key, text in found.items()} == {one.key: one for one in ENTITIES}
        assert list(found) == sorted(one.key for one in ENTITIES)
        for entity in ENTITIES:
            assert reading.get(entity.key) == entity
            page = reading.page(entity.kind, entity.key.account)
            assert (entity in page) == (entity.key.name != "")  # what has no name comes after no other


def test_what_an_import_brought_along_is_kept(store: DirectoryStore) -> None:
    entity = user("ann", extra={"UserId2": ["x", {"y": None}], "größe": 1.5, "big": 2**40})
    put(store, entity)
    assert get(store, Kind.USER, "ann") == entity


def test_there_is_nothing_at_first(store: DirectoryStore) -> None:
    assert (store.revision(), store.changes(0)) == (0, [])
    with store.read() as reading:
        assert (reading.revision, everything(reading)) == (0, {})
        assert reading.get(user("ann").key) is None
        assert reading.revision_of(user("ann").key) == 0
        assert reading.page(Kind.USER, HOME) == []
        assert reading.count(Kind.USER, HOME) == 0
        assert reading.linking(Relation.POLICY, READ) == []


def test_names_that_differ_in_ascii_case_alone_are_one_name(store: DirectoryStore) -> None:
    put(store, user("Ann"))
    put(store, user("ANN", password="$argon2id$2"))
    found = get(store, Kind.USER, "ann")
    assert isinstance(found, User)
    assert (found.name, found.password) == ("ANN", "$argon2id$2")
    assert user_names(store) == ["ANN"]
    assert get(store, Kind.USER, "Ann") is None  # keys are in lower case; nothing else is looked for


def test_other_letters_differ_in_case_and_composition(store: DirectoryStore) -> None:
    names = ["zoë", "zoË", "zoe\u0308", "ǆ", "ǅ", "ſ", "s", "straße", "strasse"]
    put(store, *(user(name, id=f"AIDA{number}") for number, name in enumerate(names)))
    assert user_names(store) == sorted(names)
    assert all(getattr(get(store, Kind.USER, name), "name", None) == name for name in names)


def test_arns_of_resources_are_exact(store: DirectoryStore) -> None:
    put(store, *(ResourcePolicy(account=HOME, arn=arn, document=ALLOW) for arn in (BUCKET, BUCKET.lower())))
    with store.read() as reading:
        assert reading.count(Kind.RESOURCE_POLICY, HOME) == 2
        assert reading.get(Key(Kind.RESOURCE_POLICY, HOME, BUCKET.upper())) is None


def test_the_same_name_is_another_in_another_account_and_kind(store: DirectoryStore) -> None:
    other = "000000000001"
    put(store, user("ann"), user("ann", account=other, arn=f"arn:app:iam::{other}:user/ann", id="AIDA2"),
        group("ann", id="AGPA2"), Account(account=other))
    with store.write(NOTE) as tx:
        tx.delete(user("ann").key)
    assert get(store, Kind.USER, "ann", other) is not None
    assert get(store, Kind.GROUP, "ann") is not None
    with store.read() as reading:
        assert (reading.count(Kind.USER, HOME), reading.count(Kind.USER, other)) == (0, 1)


# --- pages --------------------------------------------------------------------------------------------------

#: In the order of code points, which is neither that of UTF-16 nor that of any language.
ORDERED = ["+", "-", ".", "0", "10", "9", "=", "@", "_", "a", "a.b", "a_b", "ab", "b", "ä", "ā", "中", "\ufb01",
           "\ufffd", "😀"]


def test_pages_are_in_the_order_of_code_points(store: DirectoryStore) -> None:
    put(store, *(user(name, id=f"AIDA{number}") for number, name in reversed(list(enumerate(ORDERED)))))
    assert user_names(store) == ORDERED
    assert [user_names(store, after=name, limit=1) for name in ORDERED] == [[name] for name in ORDERED[1:]] + [[]]
    assert user_names(store, after="a", limit=3) == ["a.b", "a_b", "ab"]
    assert user_names(store, after="a!") == ORDERED[ORDERED.index("a.b"):]  # that name need not be there
    assert user_names(store, limit=2) == ["+", "-"]


def test_a_path_is_a_prefix_and_no_pattern(store: DirectoryStore) -> None:
    paths = {"a": "/", "b": "/a_b/", "c": "/axb/", "d": "/a%/", "e": "/A_b/", "f": "/a_b/c/"}
    put(store, *(user(name, path) for name, path in paths.items()))
    assert user_names(store, "/a_b/") == ["b", "f"]
    assert user_names(store, "/a_b") == ["b", "f"]
    assert user_names(store, "/a%") == ["d"]
    assert user_names(store, "/a") == ["b", "c", "d", "f"]
    assert user_names(store, "/a", after="b", limit=2) == ["c", "d"]
    assert user_names(store, "/") == ["a", "b", "c", "d", "e", "f"]


def test_an_empty_path_is_below_the_root(store: DirectoryStore) -> None:
    put(store, user("a", ""), user("b"), user("c", "/x/"))
    assert user_names(store, "/") == ["a", "b", "c"]
    assert user_names(store, "/x") == ["c"]


def test_paging_while_others_write_neither_repeats_nor_skips_who_was_there_all_along(store: DirectoryStore) -> None:
    lasting = [f"n{number:03}" for number in range(0, 100, 2)]
    put(store, *map(user, lasting))
    done, a_page_was_read = threading.Event(), threading.Semaphore(0)

    def write() -> None:
        for number in range(1, 100, 2):
            assert a_page_was_read.acquire(timeout=LONG)
            with store.write(NOTE) as tx:
                tx.put(user(f"n{number:03}"))
                tx.delete(user(f"n{number - 10:03}").key)
        done.set()

    with ThreadPoolExecutor() as pool:
        writing = pool.submit(write)
        while not done.is_set() and not writing.done():
            seen, after = [], ""
            while page := user_names(store, after=after, limit=7):
                seen += page
                after = page[-1]
                a_page_was_read.release()
            assert seen == sorted(set(seen))
            assert [name for name in seen if name in set(lasting)] == lasting
        writing.result(LONG)


# --- links --------------------------------------------------------------------------------------------------


def test_who_refers_to_something_is_found_from_its_end(store: DirectoryStore) -> None:
    put(store, *ENTITIES)
    with store.read() as reading:
        role, ann, staff = (Key(Kind.ROLE, HOME, "deploy"), Key(Kind.USER, HOME, "ann"), Key(Kind.GROUP, HOME, "staff"))
        assert reading.linking(Relation.POLICY, READ) == [staff, role, ann]
        assert reading.linking(Relation.POLICY, READ, kind=Kind.USER) == [ann]
        assert reading.linking(Relation.POLICY, READ.lower()) == []
        assert reading.linking(Relation.BOUNDARY, READ) == [role, ann]
        assert reading.linking(Relation.GROUP, f"{HOME}/staff") == [ann]
        assert reading.linking(Relation.OWNER, "AIDA1") == [Key(Kind.ACCESS_KEY, "", "AKIA1")]
        assert reading.linking(Relation.PARENT, "r-1") == [Key(Kind.ACCOUNT, HOME, HOME), Key(Kind.UNIT, "", "ou-1")]
        assert reading.linking(Relation.CONTROL, "rcp/shield", kind=Kind.UNIT) == [Key(Kind.UNIT, "", "ou-1")]
        assert reading.linking(Relation.ID, "AROA1") == [role]


def test_links_follow_every_change(store: DirectoryStore) -> None:
    other = READ.replace("Read", "Other")
    put(store, user("ann", policies=(READ, other, READ)), user("bob", policies=(READ,)))
    put(store, user("ann", policies=(other,)))
    with store.write(NOTE) as tx:
        assert tx.linking(Relation.POLICY, other) == [user("ann").key]
        tx.delete(user("bob").key)
        assert tx.linking(Relation.POLICY, READ) == []
        tx.put(user("cem", policies=(READ,)))
    with store.read() as reading:
        assert reading.linking(Relation.POLICY, READ) == [user("cem").key]
        assert reading.linking(Relation.POLICY, other) == [user("ann").key]


# --- writes and revisions -----------------------------------------------------------------------------------


def test_every_write_that_changes_something_is_the_next_revision(store: DirectoryStore) -> None:
    for number in range(1, 4):
        put(store, tenant(number), tenant(number + 1))
        assert store.revision() == number
    put(store, tenant(1), tenant(2))  # as they are already
    with store.write(NOTE) as tx:
        tx.delete(tenant(9).key)
        tx.put(tenant(8))
        tx.delete(tenant(8).key)
    assert store.revision() == 3
    with store.read() as reading:
        assert [reading.revision_of(tenant(number).key) for number in (1, 2, 3, 4, 8)] == [1, 1, 2, 3, 0]


def test_what_is_put_back_as_it_was_has_not_changed(store: DirectoryStore) -> None:
    put(store, tenant(1), tenant(2))
    with store.write(NOTE) as tx:
        tx.put(tenant(1, name="other"))
        assert tx.count(Kind.ACCOUNT, tenant(1).account) == 1
        tx.put(tenant(1))
        tx.delete(tenant(2).key)
        assert tx.count(Kind.ACCOUNT, tenant(2).account) == 0
        tx.put(tenant(2))
        assert tx.entries() == ()
    assert store.revision() == 1
    with store.read() as reading:
        assert [reading.revision_of(tenant(number).key) for number in (1, 2)] == [1, 1]


def test_a_write_that_fails_leaves_no_trace(store: DirectoryStore) -> None:
    put(store, user("ann"))
    with pytest.raises(ZeroDivisionError), store.write(NOTE) as tx:  # noqa: PT012
        tx.put(user("bob"))
        tx.delete(user("ann").key)
        assert tx.count(Kind.USER, HOME) == 1
        raise ZeroDivisionError
    assert user_names(store) == ["ann"]
    assert store.revision() == 1
    put(store, user("cem"))
    assert [change.revision for change in store.changes(0)] == [1, 2]


def test_a_write_reads_its_own_changes(store: DirectoryStore) -> None:
    put(store, user("ann", groups=("Staff",)), user("bob"))
    with store.write(NOTE) as tx:
        tx.put(user("cem", groups=("Staff",)))
        tx.put(user("ann", path="/x/"))
        tx.delete(user("bob").key)
        assert tx.revision == 1
        assert tx.get(user("cem").key) == user("cem", groups=("Staff",))
        assert tx.get(user("bob").key) is None
        assert [one.key.name for one in tx.page(Kind.USER, HOME)] == ["ann", "cem"]
        assert [one.key.name for one in tx.page(Kind.USER, HOME, path="/x/")] == ["ann"]
        assert tx.count(Kind.USER, HOME) == 2
        assert tx.linking(Relation.GROUP, f"{HOME}/staff") == [user("cem").key]
        assert [key.name for key, _ in tx.scan()] == ["ann", "cem"]
        assert tx.revision_of(user("ann").key) == 1
        assert tx.entries() == (Entry(user("cem").key, None, user("cem", groups=("Staff",))),
                                Entry(user("ann").key, user("ann", groups=("Staff",)), user("ann", path="/x/")),
                                Entry(user("bob").key, user("bob"), None))


def test_a_reader_sees_one_revision_from_start_to_end(store: DirectoryStore) -> None:
    put(store, user("ann"), user("bob"))
    with store.read() as reading:
        assert reading.revision == 1
        with ThreadPoolExecutor() as pool:
            pool.submit(put, store, user("ann", path="/x/"), user("cem")).result(LONG)
        assert [one.key.name for one in reading.page(Kind.USER, HOME)] == ["ann", "bob"]
        assert reading.get(user("ann").key) == user("ann")
        assert reading.revision_of(user("ann").key) == 1
    with store.read() as reading:
        assert (reading.revision, reading.get(user("ann").key)) == (2, user("ann", path="/x/"))


def test_nobody_sees_a_write_that_is_under_way(store: DirectoryStore) -> None:
    with ThreadPoolExecutor() as pool, store.write(NOTE) as tx:
        tx.put(user("ann"))
        assert tx.count(Kind.USER, HOME) == 1
        assert pool.submit(user_names, store).result(LONG) == []
        assert pool.submit(store.revision).result(LONG) == 0
        assert pool.submit(store.changes, 0).result(LONG) == []


# --- two writers --------------------------------------------------------------------------------------------


def test_writers_take_turns_and_no_update_is_lost(place: Place) -> None:
    stores, each = [place.open(patience=LONG) if place.kind != "memory" else place.open() for _ in range(3)], 10

    def count_up(store: DirectoryStore) -> None:
        for _ in range(each):
            with store.write(NOTE) as tx:
                found = tx.get(tenant(1).key)
                number = int(found.tags["n"]) if isinstance(found, Account) else 0
                tx.put(tenant(1, tags={"n": str(number + 1)}))

    with ThreadPoolExecutor() as pool:
        for running in [pool.submit(count_up, store) for store in stores for _ in range(2)]:
            running.result(LONG)
    changes = stores[0].changes(0)
    assert [change.revision for change in changes] == list(range(1, 6 * each + 1))
    assert [entry.after.tags["n"] for change in changes for entry in change.entries
            if isinstance(entry.after, Account)] == [str(number + 1) for number in range(6 * each)]


def test_who_waits_too_long_for_a_turn_is_told_of_a_conflict(shared: Place) -> None:
    first, second = shared.open(), shared.open(patience=0.05)
    with first.write(NOTE) as tx:
        tx.put(tenant(1))
        tx.count(Kind.ACCOUNT, HOME)
        with pytest.raises(ConcurrentModificationError), second.write(NOTE) as other:
            other.put(tenant(2))
    put(second, tenant(2))
    assert second.revision() == 2


class Rename(Operation, frozen=True, kw_only=True):
    """Give an account a name."""

    name: str

    def run(self, work: Work) -> Answer:
        """Give it."""
        work.tx.put(tenant(1, name=self.name))
        return {}


@dataclass
class Anyone:
    """Lets anyone do anything."""

    def before(self, operation: Operation, work: Work) -> None:
        """That is fine."""

    def after(self, operation: Operation, work: Work) -> None:
        """That is fine."""


def test_an_edit_of_what_changed_since_it_was_read_is_a_conflict(place: Place) -> None:
    by = Principal.user("admin")
    mine, yours = (Directory(place.open(), referee=Anyone(), secrets=None) for _ in range(2))  # type: ignore[arg-type]
    mine.perform(Rename(name="first"), by=by)
    read_at = yours.store.revision()
    mine.perform(Rename(name="mine"), by=by, if_revision=read_at)
    with pytest.raises(ConcurrentModificationError, match="was changed since revision 1"):
        yours.perform(Rename(name="yours"), by=by, if_revision=read_at)
    assert get(yours.store, Kind.ACCOUNT, tenant(1).account, tenant(1).account) == tenant(1, name="mine")
    put(mine.store, tenant(2))  # something else may change
    yours.perform(Rename(name="yours"), by=by, if_revision=2)
    assert mine.store.revision() == 4


# --- the feed -----------------------------------------------------------------------------------------------


def test_changes_say_who_did_what_when_and_how_it_was_before(place: Place) -> None:
    store = place.open()
    create = Note(f"arn:app:iam::{HOME}:user/ädmin", "CreateUser", "2026-01-02T03:04:05Z")
    delete = Note("arn:app:sts::1:assumed-role/r/s", "DeleteUser", "2026-01-03T00:00:00Z")
    put(store, user("ann"), note=create)
    with store.write(delete) as tx:
        tx.put(user("bob"))
        tx.delete(user("ann").key)
        tx.put(tenant(1))
    ann, bob = user("ann"), user("bob")
    assert place.open().changes(0) == [
        Change(1, create, (Entry(ann.key, None, ann),)),
        Change(2, delete, (Entry(bob.key, None, bob), Entry(ann.key, ann, None),
                           Entry(tenant(1).key, None, tenant(1)))),
    ]


def test_the_feed_is_read_in_pieces(store: DirectoryStore) -> None:
    for number in range(1, 8):
        put(store, tenant(number), tenant(100 + number))
    revisions, since = [], 2
    while found := store.changes(since, limit=2):
        revisions.append([change.revision for change in found])
        since = found[-1].revision
    assert revisions == [[3, 4], [5, 6], [7]]
    assert all(len(change.entries) == 2 for change in store.changes(0))
    assert store.changes(7) == store.changes(8) == []


def test_the_feed_replayed_is_the_directory(store: DirectoryStore) -> None:
    put(store, *ENTITIES)
    with store.write(NOTE) as tx:
        tx.delete(user("ann").key)
        tx.put(user("bob"))
    state: dict[Key, Entity | None] = {}
    for change in store.changes(0):
        for entry in change.entries:
            assert state.get(entry.key) == entry.before
            state[entry.key] = entry.after
    with store.read() as reading:
        assert {key: from_json(text) for key, text in reading.scan()} == {
            key: entity for key, entity in state.items() if entity is not None}


def test_a_feed_that_was_cut_off_says_so(place: Place) -> None:
    store = place.open(kept_changes=3)
    for number in range(1, 11):
        put(store, tenant(number))
    assert [change.revision for change in store.changes(7)] == [8, 9, 10]
    with pytest.raises(HistoryGoneError):
        store.changes(1)
    assert store.changes(10) == []
    with store.read() as reading:
        assert len(everything(reading)) == 10


# --- waiting ------------------------------------------------------------------------------------------------


def test_who_waits_is_woken_by_a_write_elsewhere(place: Place) -> None:
    writer, reader = place.open(), place.open()
    with ThreadPoolExecutor() as pool:
        for revision in range(3):
            waiting = pool.submit(reader.wait, revision, LONG)
            put(writer, tenant(revision))
            assert waiting.result(LONG)
            assert reader.revision() == revision + 1


def test_waiting_ends_when_nothing_comes_and_at_once_when_it_is_there(store: DirectoryStore) -> None:
    assert not store.wait(0, 0.01)
    put(store, tenant(1))
    assert store.wait(0, LONG)
    assert not store.wait(1, 0.01)


# --- many at once -------------------------------------------------------------------------------------------


def test_many_are_written_changed_and_deleted_at_once(place: Place) -> None:
    store, many = place.open(), 1200
    names = [f"n{number:04}" for number in range(many)]
    texts = {"plain": "\\ \" ' \t 😀 {} %s :x", "nul": "\0", "line": "\u2028"}
    put(store, *(user(name, tags=texts, groups=("Staff",)) for name in names))
    with store.write(NOTE) as tx:
        for name in names[::2]:
            tx.put(user(name, tags={"n": name}))
        for name in names[1::4]:
            tx.delete(user(name).key)
    with place.open().read() as reading:
        found = [*reading.page(Kind.USER, HOME, limit=many)]
        left = [name for number, name in enumerate(names) if number % 4 != 1]
        assert [one.key.name for one in found] == left
        assert found == [user(name, tags={"n": name}) if int(name[1:]) % 2 == 0
                         else user(name, tags=texts, groups=("Staff",)) for name in left]
        assert [key.name for key in reading.linking(Relation.GROUP, f"{HOME}/staff")] == names[3::4]
        assert reading.count(Kind.USER, HOME) == len(left)
    assert [len(change.entries) for change in store.changes(0)] == [many, many // 2 + many // 4]
