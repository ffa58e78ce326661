"""What a store writes into a folder is read again from the files alone, without losing anything they show."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iam_guard.directory.entities import (
    Account,
    AnyEntity,
    ControlPolicy,
    Entity,
    Group,
    Key,
    ManagedPolicy,
    Organization,
    PasswordPolicy,
    PolicyVersion,
    ResourcePolicy,
    Role,
    Settings,
    StandingPolicy,
    Unit,
    User,
    from_json,
)
from iam_guard.directory.port import Note
from iam_guard.policy.source import SourceText
from iam_guard.store.folder_directory import FolderDirectoryStore
from iam_guard.store.folder_directory.completion import SHOWN
from iam_guard.store.folder_directory.disk import HIDDEN
from iam_guard.store.folder_directory.texts import (
    document_text,
    document_value,
    extra_from,
    extra_value,
    json_file,
    yaml_file,
)

NOTE = Note("arn:app:iam::000000000000:user/admin", "Import", "2026-01-01T12:00:00Z")
SCALARS = (st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text())
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6)


# --- texts ------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text(), JSON), st.booleans())
def test_members_of_an_import_stand_in_a_file_as_they_are(extra: dict[str, Any], is_yaml: bool) -> None:
    text = (yaml_file if is_yaml else json_file)({"extra": extra_value(extra)})
    assert extra_from(SourceText(text, is_yaml=is_yaml).value()["extra"]) == extra


@given(st.text() | JSON.map(json.dumps) | JSON.map(lambda value: json.dumps(value, indent=2, ensure_ascii=False)),
       st.booleans())
def test_the_text_of_a_document_stands_in_a_file_to_the_letter(text: str, is_yaml: bool) -> None:
    written = (yaml_file if is_yaml else json_file)({"document": document_value(text), "more": 1})
    assert document_text(SourceText(written, is_yaml=is_yaml).value()["document"]) == text


def test_a_document_is_written_for_people_where_nothing_is_lost_by_it() -> None:
    assert yaml_file(document_value('{"Version":"2012-10-17","Statement":[{"Action":["a:B"]}]}')) == (
        "Version: '2012-10-17'\nStatement:\n- Action:\n  - a:B\n")
    assert yaml_file({"document": document_value('{\n  "Statement": []\n}')}) == (
        'document: |-\n  {\n    "Statement": []\n  }\n')


# --- entities ---------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NAMES = st.sampled_from(["Ann", "ann", "b.md", ".c", "d/e", "~f", "zoë", "j%C3%B6rg", "EMPTY", "folder",
                         "g" * 300]) | TEXT
ACCOUNTS = st.sampled_from(["000000000000", "acme", "222233334444", "an odd/account", "", "."])
PATHS = st.sampled_from(["/", "/a/", "/a/b/", "/x.md/", "/.git/", "/a//b/", "/!/", "/" + "y/" * 20])
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'
DOCUMENTS = st.sampled_from([ALLOW, ALLOW.replace(",", ",\n  "), ALLOW.replace("a:B", "a:\\u00fc"),
                             ALLOW.replace("a:B", "a:ü")])
TRUST = ('{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:app:iam::999999999999:user/x"},'
         '"Action":"sts:AssumeRole"}}')
DATES = st.sampled_from(["", "2026-01-01T12:00:00Z", "2012"])
IDS = st.sampled_from(["AIDAX1", "AROAX2", "made-up"])  # a file without one is given one
EXTRA = st.dictionaries(st.sampled_from(["A", "b"]), JSON, max_size=1)
TAGS = st.dictionaries(TEXT, TEXT, max_size=2)
CONTROLS = ["FullAWSAccess", "Fence", "a b"]
LIMITS = {"scps": st.none() | st.sampled_from([("FullAWSAccess",), ("Fence", "a b")]),
          "rcps": st.sampled_from([(), ("RCPFullAWSAccess",)]), "extra": EXTRA}
UNITS = ["r-1", "ou-1", "ou-2", "ou-3", "nowhere", ""]


def named(kind: type[Entity], noun: str, **more: Any) -> st.SearchStrategy[Any]:
    def make(arn: str, **members: Any) -> Any:
        own = f"arn:app:iam::{members['account']}:{noun}{members['path']}{members['name']}"
        return kind(arn=arn or own, **members)  # type: ignore[call-arg]

    return st.builds(make, st.sampled_from(["", "", "arn:aws:iam::1:x/y"]), account=ACCOUNTS, name=NAMES, path=PATHS,
                     id=IDS, created=DATES, extra=EXTRA, **more)


def documents_by_name() -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(["A", "b", "c d", ""]), DOCUMENTS, max_size=2)


VERSIONS = st.lists(st.builds(PolicyVersion, id=st.sampled_from(["v1", "v2", "v7"]), document=DOCUMENTS, created=DATES,
                              extra=EXTRA), min_size=1, max_size=3, unique_by=lambda one: one.id).map(tuple)
POLICIES = named(ManagedPolicy, "policy", versions=VERSIONS, next_version=st.sampled_from([2, 3, 8, 9]), updated=DATES,
                 description=TEXT, tags=TAGS, attachable=st.booleans()).map(
    lambda one: msgspec.structs.replace(one, default=one.versions[-1].id))
GROUPS = named(Group, "group", inline=documents_by_name())
USERS = named(User, "user", inline=documents_by_name(), tags=TAGS, password=TEXT, password_last_used=DATES,
              password_reset_required=st.booleans(), password_history=st.sampled_from([(), ("$argon2id$1",)]))
ROLES = named(Role, "role", inline=documents_by_name(), tags=TAGS, trust=st.sampled_from(["", TRUST]),
              trusted_ids=st.sampled_from([{}, {"arn:x": "AIDAX"}]), description=TEXT, last_used=DATES,
              max_session_duration=st.sampled_from([3600, 7200]))
OTHERS = (
    st.builds(ResourcePolicy, account=ACCOUNTS,
              arn=st.sampled_from(["arn:app:s:::x", "arn:app:s:::X", "arn:app:s:::a/b"]),
              document=st.just(ALLOW.replace('"Action"', '"Principal":"*","Action"')), extra=EXTRA,
              name=NAMES | st.sampled_from(["", "", "a/b"]), named_ids=st.sampled_from([{}, {"arn:x": "AIDAX"}]))
    | st.builds(StandingPolicy, account=ACCOUNTS, name=NAMES, reach=st.just("everyone"), document=DOCUMENTS,
                extra=EXTRA)
    | st.builds(StandingPolicy, account=ACCOUNTS, name=NAMES | st.just("endpoint"), reach=st.just("endpoint"),
                document=st.just(ALLOW.replace('"Action"', '"Principal":"*","Action"')), extra=EXTRA)
    | st.builds(ControlPolicy, type=st.just("scp"), name=NAMES, id=TEXT, description=TEXT, created=DATES, extra=EXTRA,
                document=DOCUMENTS)
    | st.builds(ControlPolicy, type=st.just("rcp"), name=NAMES, id=TEXT, description=TEXT, created=DATES, extra=EXTRA,
                document=st.just(ALLOW.replace('"Allow"', '"Deny","Principal":"*"')))
    | st.builds(Account, account=ACCOUNTS, name=NAMES, parent=st.sampled_from(UNITS), tags=TAGS, created=DATES,
                password_policy=st.none() | st.builds(PasswordPolicy, minimum_length=st.sampled_from([8, 14]),
                                                      symbols=st.booleans()), **LIMITS)
    | st.builds(Unit, id=st.sampled_from(UNITS[:-2]), name=st.sampled_from(["a", "b", ""]),
                parent=st.sampled_from(UNITS), **LIMITS)
    | st.builds(Organization, id=st.sampled_from(["o-1", ""]), management=st.sampled_from(["", "000000000000"]),
                root=st.sampled_from(["", "r-1"]), created=DATES, extra=EXTRA))
SETTINGS = st.builds(Settings, partition=st.sampled_from(["app", "aws"]), imported=st.just(True), extra=EXTRA,
                     default_account=st.sampled_from(["000000000000", "acme"]),
                     decisive=st.sampled_from([(), ("kms", "vault")]))
ENTITIES = st.lists(POLICIES | GROUPS | USERS | ROLES | OTHERS, max_size=8)


def referring(entities: Iterable[Any]) -> list[Any]:
    """Have users and roles refer to the policies and groups that there are."""
    found: dict[Key, Any] = {one.key: one for one in entities}
    policies = tuple(dict.fromkeys(one.arn for one in found.values() if isinstance(one, ManagedPolicy)
                                   and one.arn != "arn:aws:iam::1:x/y"))
    for key, one in found.items():
        groups = tuple(other.name for other in found.values()
                       if isinstance(other, Group) and other.account == key.account)
        more: dict[str, Any] = {"policies": policies} if isinstance(one, User | Group | Role) else {}
        if isinstance(one, User):
            more |= {"groups": groups, "boundary": policies[0] if policies else ""}
        found[key] = msgspec.structs.replace(one, **more)
    return list(found.values())


def shown(entity: AnyEntity) -> AnyEntity:
    """Without what files do not show."""
    if isinstance(entity, User):
        return msgspec.structs.replace(entity, password="", password_last_used="", password_reset_required=False,
                                       password_history=())
    return msgspec.structs.replace(entity, last_used="") if isinstance(entity, Role) else entity


def contents(store: FolderDirectoryStore) -> dict[Key, AnyEntity]:
    with store.read() as reading:
        return {key: from_json(text) for key, text in reading.scan()}


def difference(one: dict[Key, AnyEntity], other: dict[Key, AnyEntity]) -> dict[Key, Any]:
    return {key: (one.get(key), other.get(key)) for key in {*one, *other} if one.get(key) != other.get(key)}


def put(store: FolderDirectoryStore, entities: Iterable[AnyEntity]) -> None:
    with store.write(NOTE) as tx:
        for entity in entities:
            tx.put(entity)


def test_whatever_is_not_shown_is_meant_to_be_hidden() -> None:
    hidden = {kind: {name for name in kind.__struct_fields__ if name not in SHOWN[kind.kind]}
              for kind in (User, Group, Role, ManagedPolicy, Account)}
    assert hidden == {
        User: {"password", "password_created", "password_reset_required", "password_last_used", "password_history"},
        Group: set(), Role: {"last_used"}, ManagedPolicy: set(), Account: set()}


FENCE = [ControlPolicy(type="scp", name=name, document=ALLOW) for name in CONTROLS[1:]]


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(SETTINGS, ENTITIES, ENTITIES, st.data())
def test_files_say_everything_but_secrets(frame: Settings, first: list[Any], second: list[Any],
                                           data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        one, other = Path(place, "one"), Path(place, "other")
        store = FolderDirectoryStore.open(one)
        put(store, [*FENCE, frame, *referring(first)])
        kept = contents(store)
        gone = {key for key in data.draw(st.sets(st.sampled_from(sorted(kept))))
                if key.kind not in ("control-policy", "settings")}
        with store.write(NOTE) as tx:
            for entity in referring([*(kept[key] for key in kept if key not in gone), *second]):
                tx.put(entity)
            for key in gone - {entity.key for entity in second}:
                tx.delete(key)
        expected = contents(store)
        assert store.look() == ()
        assert difference(contents(store), expected) == {}
        store.close()

        again = FolderDirectoryStore.open(one)
        assert difference(contents(again), expected) == {}
        again.close()

        shutil.copytree(one, other, ignore=shutil.ignore_patterns(HIDDEN))
        clone = FolderDirectoryStore.open(other)
        assert difference(contents(clone), {key: shown(entity) for key, entity in expected.items()}) == {}
        clone.close()
