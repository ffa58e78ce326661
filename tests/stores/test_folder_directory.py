"""What is special about a directory in a folder: people edit it, and processes are killed while they write."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from iam_guard.directory.entities import (
    AccessKey,
    Account,
    AnyEntity,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    Organization,
    PolicyVersion,
    ResourcePolicy,
    Role,
    StandingPolicy,
    Unit,
    User,
)
from iam_guard.directory.port import Note
from iam_guard.errors import ConcurrentModificationError, ConfigurationError, HistoryGoneError, UnavailableError
from iam_guard.store import folder_directory
from iam_guard.store.file import FilePolicyStore
from iam_guard.store.folder_directory import FolderDirectoryStore, disk
from iam_guard.store.folder_directory.store import HAND_EDIT

HOME = "000000000000"
NOTE = Note(f"arn:app:iam::{HOME}:user/admin", "Import", "2026-01-01T12:00:00Z")
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'
DENY = ALLOW.replace("Allow", "Deny")


def user(name: str, path: str = "/", **more: object) -> User:
    members = {"id": f"AIDA{name.upper()}", "created": "2026-01-01T00:00:00Z", **more}
    return User(account=HOME, name=name, arn=f"arn:app:iam::{HOME}:user{path}{name}", path=path, **members)  # type: ignore[arg-type]


def policy(name: str, document: str = ALLOW, path: str = "/") -> ManagedPolicy:
    return ManagedPolicy(account=HOME, name=name, arn=f"arn:app:iam::{HOME}:policy{path}{name}", path=path,
                         id=f"ANPA{name.upper()}", versions=(PolicyVersion(id="v1", document=document),))


def group(name: str) -> Group:
    return Group(account=HOME, name=name, arn=f"arn:app:iam::{HOME}:group/{name}", id=f"AGPA{name.upper()}")


def put(store: FolderDirectoryStore, *entities: AnyEntity) -> None:
    with store.write(NOTE) as tx:
        for entity in entities:
            tx.put(entity)


def get(store: FolderDirectoryStore, kind: Kind, name: str, account: str = HOME) -> AnyEntity | None:
    with store.read() as reading:
        return reading.get(Key(kind, account, name))


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "iam"


@pytest.fixture
def open_store(folder: Path) -> Iterator[Callable[[], FolderDirectoryStore]]:
    """Open the folder; what was opened is closed in the end."""
    opened: list[FolderDirectoryStore] = []

    def open_one() -> FolderDirectoryStore:
        opened.append(FolderDirectoryStore(folder, clock=lambda: "2026-02-02T00:00:00Z", patience=0.2))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], FolderDirectoryStore]) -> FolderDirectoryStore:
    return open_store()


# --- files for people -------------------------------------------------------------------------------------


def test_a_user_is_a_file_that_can_be_reviewed(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, policy("Read", path="/team/"), group("Staff"),
        user("ann", "/staff/", groups=("Staff",), policies=(f"arn:app:iam::{HOME}:policy/team/Read",),
             tags={"team": "blue"}, inline={"Own": ALLOW}))
    assert (folder / "users/staff/ann.yaml").read_text() == """\
id: AIDAANN
created: '2026-01-01T00:00:00Z'
tags:
  team: blue
groups:
- Staff
policies:
- Read
inline:
  Own:
    Version: '2012-10-17'
    Statement:
      Effect: Allow
      Action: a:B
      Resource: '*'
"""


def test_s20_files_show_neither_passwords_nor_access_keys(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, user("ann", password="$argon2id$hash", password_last_used="2026-01-01T00:00:00Z"),
        AccessKey(id="AKIAEXAMPLE", user="ann", user_id="AIDAANN", secret="encrypted"))
    shown = [path for path in folder.rglob("*") if path.is_file() and disk.HIDDEN not in path.parts]
    assert [path.name for path in shown] == ["ann.yaml"]
    assert "argon2id" not in shown[0].read_text()
    assert (folder / disk.HIDDEN).stat().st_mode & 0o077 == 0
    assert (folder / disk.HIDDEN / ".gitignore").read_text() == "*\n"


def test_a_write_leaves_files_alone_that_say_the_same(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, user("ann"))
    mine = "# asked for by Bob\n" + (folder / "users/ann.yaml").read_text()
    (folder / "users/ann.yaml").write_text(mine)
    put(store, user("ann", password="$argon2id$hash"), user("bob"))
    assert (folder / "users/ann.yaml").read_text() == mine
    assert getattr(get(store, Kind.USER, "ann"), "password", "") == "$argon2id$hash"


def test_a_folder_that_lost_its_last_file_goes(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, user("ann", "/staff/eng/"), user("bob", "/staff/"))
    with store.write(NOTE) as tx:
        tx.delete(Key(Kind.USER, HOME, "ann"))
    assert sorted(str(path.relative_to(folder)) for path in folder.glob("users/**/*")) == [
        "users/staff", "users/staff/bob.yaml"]


def test_a_file_keeps_its_suffix_and_moves_with_its_path(store: FolderDirectoryStore, folder: Path) -> None:
    write(folder, {"users/ann.json": '{"id": "AIDAANN"}'})
    assert store.look() == ()
    put(store, user("ann", "/staff/"))
    assert [path.name for path in folder.rglob("ann.*")] == ["ann.json"]
    assert (folder / "users/staff/ann.json").exists()


def test_the_guard_reads_the_same_folder(store: FolderDirectoryStore, folder: Path) -> None:
    """What a store writes there, FilePolicyStore takes for what it says."""
    versions = (PolicyVersion(id="v1", document=DENY), PolicyVersion(id="v3", document=ALLOW))
    read = ManagedPolicy(account=HOME, name="Read", arn=f"arn:app:iam::{HOME}:policy/Read", id="ANPAREAD",
                         versions=versions, default="v3", next_version=4)
    trust = ('{"Version":"2012-10-17",  "Statement":{"Effect":"Allow","Principal":{"AWS":'
             f'"arn:app:iam::{HOME}:user/ann"}},"Action":"sts:AssumeRole"}}}}')
    put(store, read, user("ann", policies=(read.arn,)), Account(account=HOME, name="Home", parent="r-1"),
        Role(account=HOME, name="deployer", arn=f"arn:app:iam::{HOME}:role/deployer", trust=trust, id="AROAX1"),
        Organization(id="o-1", root="r-1"), Unit(id="r-1", name="Root"),
        StandingPolicy(account=HOME, name="base", reach="everyone", document=DENY),
        ResourcePolicy(account=HOME, arn=f"arn:app:s::{HOME}:x", document=ALLOW.replace(
            '"Action"', '"Principal":"*","Action"')))
    found = FilePolicyStore(folder).load().attachments
    held = found.holders[f"arn:app:iam::{HOME}:user/ann"]
    assert [(one.id, one.document.statements[0].effect) for one in held.policies] == [(read.arn, "Allow")]
    assert held.unique_id == "AIDAANN"
    assert set(found.resources) == {f"arn:app:s::{HOME}:x", f"arn:app:iam::{HOME}:role/deployer"}
    assert [one.id for one in found.everyone] == ["everyone/base"]
    assert found.guardrails[HOME].organization_id == "o-1"


# --- hand edits -------------------------------------------------------------------------------------------


def test_a_hand_edit_is_a_revision_of_its_own(store: FolderDirectoryStore, folder: Path) -> None:
    before = user("ann", tags={"team": "blue"})
    put(store, before)
    file = folder / "users/ann.yaml"
    file.write_text(file.read_text().replace("blue", "red"))
    assert store.look() == ()
    [change] = store.changes(1)
    assert (change.revision, change.note) == (2, Note(f"file:{folder}", HAND_EDIT, "2026-02-02T00:00:00Z"))
    assert [(one.before, one.after) for one in change.entries] == [(before, user("ann", tags={"team": "red"}))]


def test_comments_and_blanks_are_no_revision(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, user("ann"))
    file = folder / "users/ann.yaml"
    file.write_text("# hers\n\n" + file.read_text())
    assert store.look() == ()
    assert store.revision() == 1


def test_a_hand_edit_comes_before_a_write(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, user("ann"))
    write(folder, {"groups/Staff.yaml": "{}"})
    with store.write(NOTE) as tx:
        assert tx.get(Key(Kind.GROUP, HOME, "staff")) is not None
        tx.put(user("ann", groups=("Staff",)))
    assert [change.note.operation for change in store.changes(0)] == ["Import", HAND_EDIT, "Import"]


def test_what_people_write_without_id_is_given_one_and_keeps_it(open_store: Callable[[], FolderDirectoryStore],
                                                                folder: Path) -> None:
    write(folder, {"users/ann.yaml": "tags: {team: blue}"})
    ann = get(open_store(), Kind.USER, "ann")
    assert isinstance(ann, User)
    assert ann.id.startswith("AIDA")
    assert len(ann.id) == 21
    write(folder, {"users/ann.yaml": "tags: {team: red}"})
    later = get(open_store(), Kind.USER, "ann")
    assert isinstance(later, User)
    assert (later.id, later.tags) == (ann.id, {"team": "red"})


def test_a_name_that_is_used_again_is_somebody_else(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, user("ann", password="$argon2id$hash"), user("bob"),
        AccessKey(id="AKIAEXAMPLE", user="ann", user_id="AIDAANN", secret="encrypted"))
    (folder / "users/ann.yaml").unlink()
    assert store.look() == ()
    assert get(store, Kind.ACCESS_KEY, "AKIAEXAMPLE", "") is None
    write(folder, {"users/ann.yaml": "{}"})
    assert store.look() == ()
    ann = get(store, Kind.USER, "ann")
    assert isinstance(ann, User)
    assert ann.id not in ("", "AIDAANN")
    assert ann.password == ""


def test_another_id_is_another_user(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, user("ann", password="$argon2id$hash"),
        AccessKey(id="AKIAEXAMPLE", user="ann", user_id="AIDAANN", secret="encrypted"))
    write(folder, {"users/ann.yaml": "id: AIDASECONDANN"})
    assert store.look() == ()
    assert getattr(get(store, Kind.USER, "ann"), "password", None) == ""
    assert get(store, Kind.ACCESS_KEY, "AKIAEXAMPLE", "") is None


def test_a_trust_policy_is_tied_to_those_who_are_there(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, user("ann"))
    write(folder, {"roles/deployer.yaml": "trust: {Statement: {Effect: Allow, Action: sts:AssumeRole, Principal: "
                                          f"{{AWS: 'arn:app:iam::{HOME}:user/ann'}}}}}}"})
    assert store.look() == ()
    role = get(store, Kind.ROLE, "deployer")
    assert isinstance(role, Role)
    assert role.trusted_ids == {f"arn:app:iam::{HOME}:user/ann": "AIDAANN"}


def test_a_policy_that_is_moved_takes_those_along_who_name_it(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, policy("Read"), user("ann", policies=(f"arn:app:iam::{HOME}:policy/Read",)))
    (folder / "policies/team").mkdir()
    (folder / "policies/Read.yaml").rename(folder / "policies/team/Read.yaml")
    assert store.look() == ()
    assert getattr(get(store, Kind.USER, "ann"), "policies", None) == (f"arn:app:iam::{HOME}:policy/team/Read",)


BROKEN = [
    pytest.param({"users/ann.yaml": "groups: [Staf]"}, "users/ann.yaml:1:10: /groups/0: there is no group 'Staf'; "
                 "did you mean 'Staff'?", id="group"),
    pytest.param({"users/ann.yaml": "tags:\n  team: blue\n  team: red"}, "users/ann.yaml:3:3: /tags/team: 'team' is "
                 "given twice; keep one of the two", id="twice"),
    pytest.param({"users/ann.yaml": "polices: []"}, "users/ann.yaml:1:1: /polices: 'polices' is not a setting here; "
                 "did you mean 'policies'?", id="key"),
    pytest.param({"users/ann.yaml": ""}, "users/ann.yaml:1:1: expected an object of keys and values, not nothing; "
                 "write '{}' for one without any", id="half saved"),
    pytest.param({"policies/Read.yaml": ALLOW.replace("Allow", "Alow")}, "policies/Read.yaml:1:47: /Statement/Effect: "
                 "Effect is \"Allow\" or \"Deny\", not \"Alow\"", id="document"),
    pytest.param({"roles/r.yaml": "trust: {Statement: {Effect: Allow, Action: sts:AssumeRole, Principal: "
                                  f"{{AWS: 'arn:app:iam::{HOME}:user/bob'}}}}}}"},
                 "roles/r.yaml:1:8: /trust: invalid principal in policy: there is no user", id="principal"),
    pytest.param({"user/ann.yaml": "{}"}, "user/ann.yaml: 'user/' is not a folder that is read here; did you mean "
                 "'users'?", id="folder"),
    pytest.param({"users/x/ANN.yaml": "{}"}, "users/x/ANN.yaml:1:1: 'users/ann.yaml' is the same thing",
                 id="same name"),
    pytest.param({"groups/Staff.yaml": None}, "users/ann.yaml:3:3: /groups/0: there is no group 'Staff'", id="removed"),
    pytest.param({"organization.yaml": "root: {scps: [Fence]}"}, "organization.yaml: there is no control policy "
                 "'fence'; create 'scps/fence.yaml', or remove the name", id="control policy"),
    pytest.param({"organization.yaml": "id: o-1\nroot: {units: {}}"}, "organization.yaml: the account '000000000000' "
                 "has no place in the tree; add it under 'accounts' of the root or of a unit", id="no place"),
    pytest.param({"accounts/12/users/bob.yaml": "{}"}, "accounts/12/users/bob.yaml:1:1: 'accounts/12/' has no account "
                 "id", id="no account"),
    pytest.param({"policies/p.yaml": f"default: v2\nversions: {{v1: {{document: {ALLOW}}}}}"},
                 "policies/p.yaml:1:10: /default: there is no version 'v2'", id="no version"),
    pytest.param({"folder.yaml": "mode: lax"}, "folder.yaml:1:7: /mode: 'lax' is not one of strict, import",
                 id="mode"),
    pytest.param({"users/ann.yaml": None, "groups/Staff.yaml": None}, "the folder has become empty; add a file named "
                 "'EMPTY'", id="unmounted"),
]


@pytest.mark.parametrize(("files", "fault"), BROKEN)
def test_s14_a_broken_hand_edit_is_told_and_replaces_nothing(
        store: FolderDirectoryStore, open_store: Callable[[], FolderDirectoryStore], folder: Path,
        files: dict[str, str | None], fault: str) -> None:
    ann = User(account=HOME, name="ann", arn=f"arn:app:iam::{HOME}:user/ann", id="AIDAANN", groups=("Staff",))
    put(store, group("Staff"), ann)
    for name, text in files.items():
        if text is None:
            (folder / name).unlink()
        else:
            write(folder, {name: text})
    told = [str(one).removeprefix(f"{folder}/") for one in store.look()]
    assert any(fault in one for one in told), told
    assert (store.revision(), get(store, Kind.USER, "ann")) == (1, ann)
    again = open_store()
    assert [str(one).removeprefix(f"{folder}/") for one in again.faults] == told
    assert (again.revision(), get(again, Kind.USER, "ann")) == (1, ann)


def test_a_good_edit_waits_for_a_broken_one(store: FolderDirectoryStore, folder: Path) -> None:
    write(folder, {"users/ann.yaml": "{}", "users/bob.yaml": "groups: [Staff]"})
    assert len(store.look()) == 1
    assert get(store, Kind.USER, "ann") is None
    write(folder, {"groups/Staff.yaml": "{}"})
    assert store.look() == ()
    assert store.faults == ()
    assert [get(store, Kind.USER, name) is not None for name in ("ann", "bob")] == [True, True]


def test_a_write_goes_round_a_broken_edit_and_never_over_it(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, user("ann"), user("bob"))
    write(folder, {"users/ann.yaml": "groups: [Staff]"})
    put(store, user("bob", tags={"a": "b"}))
    with pytest.raises(ConcurrentModificationError, match="there is no group 'Staff'"):
        put(store, user("ann", tags={"a": "b"}))
    assert (folder / "users/ann.yaml").read_text() == "groups: [Staff]"
    assert store.revision() == 2


def test_what_git_takes_away_for_a_moment_is_not_gone(store: FolderDirectoryStore, folder: Path) -> None:
    put(store, user("ann"), user("bob"))
    write(folder.parent, {".git/index.lock": ""})
    (folder / "users/ann.yaml").unlink()
    put(store, user("bob", tags={"a": "b"}))
    assert get(store, Kind.USER, "ann") == user("ann")
    (folder.parent / ".git/index.lock").unlink()
    assert store.look() == ()
    assert get(store, Kind.USER, "ann") is None


def test_a_new_folder_with_a_fault_is_not_opened(open_store: Callable[[], FolderDirectoryStore], folder: Path) -> None:
    write(folder, {"users/ann.yaml": "groups: [Staff]"})
    with pytest.raises(ConfigurationError, match="there is no group 'Staff'"):
        open_store()


def test_a_folder_of_today_is_a_directory(open_store: Callable[[], FolderDirectoryStore], folder: Path) -> None:
    write(folder, {
        "folder.yaml": 'accounts: {billing: "111111111111"}\nquotas: aws\n',
        "policies/Read.json": ALLOW, "groups/support.yaml": "policies: [Read]", "everyone/team/base.yaml": DENY,
        "users/staff/ann.yaml": "groups: [support]\nboundary: Read", "users/bare.json": ALLOW,
        "accounts/billing/users/bob.yaml": "{}", "scps/NoDeletes.yaml": DENY,
        "organization.yaml": "id: o-example\nmanagement: '000000000000'\nroot:\n  id: r-main\n  accounts: "
                             "{'000000000000': }\n  units: {finance: {scps: [FullAWSAccess, NoDeletes], accounts: "
                             "{billing: }}}\n"})
    store = open_store()
    ann, bare = get(store, Kind.USER, "ann"), get(store, Kind.USER, "bare")
    assert isinstance(ann, User)
    assert (ann.arn, ann.groups, ann.boundary) == (f"arn:app:iam::{HOME}:user/staff/ann", ("support",),
                                                   f"arn:app:iam::{HOME}:policy/Read")
    assert getattr(bare, "inline", None) == {"bare": ALLOW}
    assert get(store, Kind.USER, "bob", "111111111111") is not None
    assert get(store, Kind.ACCOUNT, "111111111111", "111111111111") == Account(
        account="111111111111", name="billing", parent="finance")
    assert get(store, Kind.UNIT, "finance", "") == Unit(id="finance", name="finance", parent="r-main",
                                                        scps=("FullAWSAccess", "NoDeletes"))
    assert get(store, Kind.STANDING_POLICY, "everyone/team/base") is not None
    put(store, user("eve"))
    assert "quotas: aws" in (folder / "folder.yaml").read_text()


# --- others -----------------------------------------------------------------------------------------------


def test_processes_see_each_other(open_store: Callable[[], FolderDirectoryStore]) -> None:
    one, other = open_store(), open_store()
    put(one, user("ann"))
    assert other.revision() == 1
    put(other, user("bob"))
    assert [change.revision for change in one.changes(0)] == [1, 2]
    assert one.wait(1, 0)
    assert not one.wait(2, 0)


def test_the_lock_is_waited_for_only_so_long(open_store: Callable[[], FolderDirectoryStore]) -> None:
    one, other = open_store(), open_store()
    with one.write(NOTE) as tx:
        tx.put(user("ann"))
        with pytest.raises(ConcurrentModificationError):
            put(other, user("bob"))
        assert other.revision() == 0
    put(other, user("bob"))
    assert one.revision() == 2


def test_history_is_bounded_and_opening_stays_quick(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_directory.store, "_LONG_LOG", 1)
    one, other = FolderDirectoryStore(folder, kept_changes=3), FolderDirectoryStore(folder)
    for number in range(40):
        put(one, user("ann", tags={"n": str(number)}))
    assert [change.revision for change in one.changes(38)] == [39, 40]
    with pytest.raises(HistoryGoneError):
        one.changes(1)
    assert other.revision() == 40
    assert get(other, Kind.USER, "ann") == user("ann", tags={"n": "39"})
    one.close()
    other.close()
    again = FolderDirectoryStore(folder)
    assert (again.revision(), get(again, Kind.USER, "ann")) == (40, user("ann", tags={"n": "39"}))
    again.close()


# --- killed, and out of space -----------------------------------------------------------------------------

AUDITED = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}


def killed(folder: Path, prepare: Callable[[], None]) -> bool:
    """Write in a process that is killed on the way, as *prepare* sees to; whether it was."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    try:
        store = FolderDirectoryStore(folder)
        prepare()
        with store.write(NOTE) as tx:
            tx.put(user("ann", "/moved/", tags={"a": "new"}))
            tx.put(user("cid"))
            tx.delete(Key(Kind.USER, HOME, "bob"))
    finally:
        os._exit(0)


def _kill_at(step: int) -> None:
    """Count what is done to the disk, and die."""
    left = step

    def count() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    fsync = os.fsync

    def counted(handle: int) -> None:
        count()
        fsync(handle)

    os.fsync = counted
    sys.addaudithook(lambda event, _: count() if event in AUDITED else None)


def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """Whatever a write had done when it was killed, all of it is there afterwards or nothing."""
    outcomes = set()
    step = 0
    old = {"ann": user("ann"), "bob": user("bob"), "cid": None}
    new = {"ann": user("ann", "/moved/", tags={"a": "new"}), "bob": None, "cid": user("cid")}
    files = {1: ["ann.yaml", "bob.yaml"], 2: ["ann.yaml", "cid.yaml"]}
    while True:
        folder = tmp_path / str(step)
        store = FolderDirectoryStore(folder)
        put(store, user("ann"), user("bob"))
        store.close()
        was_killed = killed(folder, partial(_kill_at, step))
        again = FolderDirectoryStore(folder)
        found = {name: get(again, Kind.USER, name) for name in old}
        revision = again.revision()
        assert found == {1: old, 2: new}[revision]
        assert sorted(path.name for path in folder.glob("users/**/*.yaml")) == files[revision]
        assert [change.revision for change in again.changes(0)] == list(range(1, revision + 1))
        assert sorted(path.name for path in (folder / disk.HIDDEN).iterdir()) == [".gitignore", "changes.jsonl", "lock"]
        put(again, user("dan"))
        again.close()
        shutil.rmtree(folder)
        outcomes.add((was_killed, revision))
        if not was_killed:
            break
        step += 1
    assert outcomes == {(True, 1), (True, 2), (False, 2)}


def _kill_within_the_line() -> None:
    def half(self: disk.Disk, line: bytes) -> None:
        with open(self.log, "ab", buffering=0) as log:
            log.write(line[: len(line) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    disk.Disk._append = half  # type: ignore[method-assign]


def test_half_a_line_is_no_write(store: FolderDirectoryStore, folder: Path,
                                 open_store: Callable[[], FolderDirectoryStore]) -> None:
    put(store, user("ann"), user("bob"))
    assert killed(folder, _kill_within_the_line)
    assert store.revision() == 1
    again = open_store()
    assert again.revision() == 1
    put(again, user("dan"))
    assert [one.after for one in store.changes(1)[0].entries] == [user("dan")]


WRITER = """
import sys
from iam_guard.directory.entities import User
from iam_guard.directory.port import Note
from iam_guard.store.folder_directory import FolderDirectoryStore
store = FolderDirectoryStore(sys.argv[1])
for number in range(100_000):
    with store.write(Note("arn:app:iam::0:user/x", "CreateUser", "")) as tx:
        for letter in "abc":
            tx.put(User(account="000000000000", name=f"{letter}{number}", id=f"AIDA{letter.upper()}{number}",
                        arn=f"arn:app:iam::000000000000:user/{letter}{number}"))
    print(number, flush=True)
"""


def test_nothing_acknowledged_is_lost_by_kill_9(folder: Path, open_store: Callable[[], FolderDirectoryStore]) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline() for _ in range(20)]
        writer.kill()
    store = open_store()
    assert store.faults == ()
    assert store.revision() >= len(acknowledged)
    with store.read() as reading:
        assert reading.count(Kind.USER, HOME) == 3 * store.revision()


@pytest.mark.parametrize("broken", ["write", "fsync"])
def test_a_full_disk_refuses_a_write_and_nothing_else(store: FolderDirectoryStore, folder: Path, broken: str,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, user("ann"))
    with monkeypatch.context() as patch:
        if broken == "fsync":
            patch.setattr(disk.os, "fsync", _no_space)
        else:
            limit = (store._disk.log.stat().st_size + 10, resource.RLIM_INFINITY)  # the staged files are smaller
            old = resource.getrlimit(resource.RLIMIT_FSIZE)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        try:
            with pytest.raises(UnavailableError):
                put(store, user("bob"))
        finally:
            if broken == "write":
                resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert store.revision() == 1
    assert get(store, Kind.USER, "bob") is None
    assert [path.name for path in folder.glob("users/*")] == ["ann.yaml"]
    put(store, user("bob"))
    assert store.revision() == 2


def _no_space(handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
