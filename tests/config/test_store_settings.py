"""Policies that come from a directory: the setting ``store``, and the guard that it makes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from iam_guard.config import load_settings
from iam_guard.directory.entities import Settings as DirectorySettings
from iam_guard.directory.entities import StandingPolicy, User
from iam_guard.directory.port import DirectoryStore, Note
from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.model import Principal
from iam_guard.store.urls import open_store

NOTE = Note("arn:acme:iam::111122223333:user/admin", "Import", "2026-01-01T12:00:00Z")
SECRET = "0123456789abcdef0123456789abcdef"
SETTINGS = """\
store: sqlite:///iam.db
routes: routes.yaml
issuers: [{issuer: "https://idp.example", audience: orders, algorithms: [HS256], secret: {env: IAM_GUARD_TEST_SECRET}}]
log: {logger: ""}
"""
ROUTES = 'version: 1\nroutes:\n  GET /documents/{id}: {action: docs:Read, resource: "document/{id}"}\n'
READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}'
ANN = Principal.user("ann", account="111122223333", partition="acme")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IAM_GUARD_TEST_SECRET", SECRET)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    path = tmp_path / "iam-guard.yaml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture
def store(settings: Path) -> Iterator[DirectoryStore]:
    one = open_store(f"sqlite:///{settings.parent / 'iam.db'}")
    put(one, inline={"read": READ})
    yield one
    one.close()


def put(store: DirectoryStore, **more: dict[str, str]) -> None:
    with store.write(NOTE) as tx:
        tx.put(DirectorySettings(partition="acme", default_account="111122223333"))
        tx.put(User(account="111122223333", name="ann", arn=ANN.arn, **more))  # type: ignore[arg-type]


def faults_of(path: Path, setting: str) -> list[str]:
    path.write_text(SETTINGS.replace("store: sqlite:///iam.db", setting))
    with pytest.raises(ConfigurationError) as refused:
        load_settings(path).build()
    return [str(fault).replace(f"{path.parent}/", "") for fault in refused.value.faults]


def test_a_directory_beside_the_settings_is_followed(settings: Path, store: DirectoryStore) -> None:
    async def run() -> None:
        async with load_settings(settings).build() as wiring:
            assert wiring.guard.authorize(ANN, "docs:Read", "docs:document/7")
            await asyncio.to_thread(put, store)
            await asyncio.to_thread(wiring.refresher.check)
            assert not wiring.guard.authorize(ANN, "docs:Read", "docs:document/7")
            assert wiring.refresher.status().revision == "2"

    asyncio.run(run())


def test_resource_names_are_those_of_the_directory(settings: Path, store: DirectoryStore) -> None:
    wiring = load_settings(settings).build()
    assert wiring.routes.names.expand("document/1", "docs:Read") == "arn:acme:docs::111122223333:document/1"
    assert wiring.refresher.is_ready


def test_a_directory_in_a_folder(settings: Path) -> None:
    (settings.parent / "iam/users").mkdir(parents=True)
    (settings.parent / "iam/users/ann.json").write_text(READ)
    settings.write_text(SETTINGS.replace("sqlite:///iam.db", "file:./iam"))
    guard = load_settings(settings).build().guard
    assert guard.authorize(Principal.user("ann"), "docs:Read", "docs:document/7")


def test_a_directory_that_cannot_be_reached_lets_nobody_in_and_the_start_succeed(
        settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str) -> DirectoryStore:
        raise UnavailableError(f"{url} does not answer")

    monkeypatch.setattr("iam_guard.store.urls.open_store", refuse)
    settings.write_text(SETTINGS.replace("sqlite:///iam.db", "postgresql://db.example/iam"))
    wiring = load_settings(settings).build()
    assert not wiring.refresher.is_ready
    assert "postgresql://db.example/iam does not answer" in wiring.refresher.status().error
    assert not wiring.guard.authorize(ANN, "docs:Read", "docs:document/7")


def test_the_url_may_be_a_secret(settings: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IAM_GUARD_TEST_STORE", f"sqlite:///{settings.parent / 'iam.db'}")
    settings.write_text(SETTINGS.replace("sqlite:///iam.db", "{url: {env: IAM_GUARD_TEST_STORE}, max_unsynced: 60}"))
    assert load_settings(settings).build().refresher.is_ready


@pytest.mark.parametrize(("setting", "fault"), [
    ("store: postgresql://me:hunter2@db.example/iam", "iam-guard.yaml:1:8: /store: a password stands in the settings; "
     "write 'url: {env: NAME}' or 'url: {file: PATH}', and change the password"),
    ("store: {url: {env: IAM_GUARD_NOT_SET}}", "iam-guard.yaml:1:20: /store/url/env: the environment variable "
     "'IAM_GUARD_NOT_SET' is empty or not there; set it before the start"),
    ("store: {url: [iam.db]}", "iam-guard.yaml:1:14: /store/url: expected the URL of a directory; write 'sqlite:///iam.db'"),
    ("store: oracle://db", "iam-guard.yaml:1:8: /store: 'oracle' is no kind of store; write sqlite:///iam.db, "
     "postgresql://host/database, file:./folder or memory:"),
    ("store: sqlite:///iam.db\npolicies: iam", "iam-guard.yaml:1:8: /store: policies come from one place; keep "
     "'policies' or 'store'"),
    ("realm: orders", "iam-guard.yaml:1:1: 'policies' is missing; add 'policies: FOLDER' or 'store: URL'"),
])
def test_a_mistake_has_its_place_and_a_mend(settings: Path, setting: str, fault: str) -> None:
    found = faults_of(settings, setting)
    assert found == [fault]
    assert "hunter2" not in "".join(found)


def test_a_directory_of_another_partition_than_the_settings_is_refused(settings: Path, store: DirectoryStore) -> None:
    settings.write_text(f"{SETTINGS}resources: {{partition: other}}\n")
    wiring = load_settings(settings).build()
    assert "the partition is 'acme' in the directory and 'other' in the settings" in wiring.refresher.status().error


def test_only_those_whom_the_directory_has_may_be_served(settings: Path, store: DirectoryStore) -> None:
    eve = Principal.user("eve", account="111122223333", partition="acme")
    with store.write(NOTE) as tx:
        tx.put(StandingPolicy(account="111122223333", name="Read", reach="everyone", document=READ))

    def answers() -> list[bool]:
        guard = load_settings(settings).build().guard
        return [bool(guard.authorize(who, "docs:Read", "docs:document/7")) for who in (ANN, eve)]

    assert answers() == [True, True]
    settings.write_text(SETTINGS.replace("sqlite:///iam.db", "{url: 'sqlite:///iam.db', known_only: true}"))
    assert answers() == [True, False]
