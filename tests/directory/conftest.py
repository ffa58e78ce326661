"""A directory in memory whose referee lets anyone do anything, whose clock stands and whose ids count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import Entity, Key, Kind, ManagedPolicy, PolicyVersion
from iam_guard.directory.operation import Answer, Operation, Work
from iam_guard.directory.port import Note
from iam_guard.model import Principal
from iam_guard.store.memory_directory import MemoryDirectoryStore

ACCOUNT = "000000000000"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'


class Anyone:
    """A referee that keeps what it was asked and refuses nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    def before(self, operation: Operation, work: Work) -> None:
        """Ask the operation what a referee would, and keep it."""
        self.asked.append((operation.action, operation.resource(work), dict(operation.context(work))))

    def after(self, operation: Operation, work: Work) -> None:
        """Whatever came of it is fine."""


class OpenSecrets:
    """Hides nothing; says what would be hidden."""

    def hash_password(self, password: str) -> str:
        return f"hash of {password}"

    def check_password(self, hash: str, password: str) -> bool:
        return hash == f"hash of {password}"

    def encrypt(self, secret: str, *, owner: str) -> str:
        return f"{owner}|{secret}"

    def decrypt(self, text: str, *, owner: str) -> str:
        return text.removeprefix(f"{owner}|")


@pytest.fixture
def store() -> MemoryDirectoryStore:
    return MemoryDirectoryStore()


@pytest.fixture
def secrets() -> OpenSecrets:
    return OpenSecrets()


@pytest.fixture
def referee() -> Anyone:
    return Anyone()


@pytest.fixture
def make_directory(store: MemoryDirectoryStore, referee: Anyone) -> Callable[..., Directory]:
    """Make a directory on the store of the test: ``make_directory(quotas=Quotas(users=1))``."""
    numbers = count(1)

    def make(**options: Any) -> Directory:
        return Directory(store, **{"referee": referee, "secrets": OpenSecrets(), "clock": lambda: NOON,
                                   "new_id": lambda prefix: f"{prefix}{next(numbers):017}", **options})

    return make


@pytest.fixture
def directory(make_directory: Callable[..., Directory]) -> Directory:
    return make_directory()


@pytest.fixture
def admin() -> Principal:
    return Principal.user("admin")


@pytest.fixture
def do(directory: Directory, admin: Principal) -> Callable[[Operation], Answer]:
    """Perform an operation as the administrator."""
    return lambda operation: directory.perform(operation, by=admin)


@pytest.fixture
def put(store: MemoryDirectoryStore) -> Callable[..., None]:
    """Put entities into the store, past all operations."""

    def put_all(*entities: Any) -> None:
        with store.write(Note("arn:app:iam::000000000000:user/admin", "Import", "2026-01-01T12:00:00Z")) as tx:
            for entity in entities:
                tx.put(entity)

    return put_all


@pytest.fixture
def get(store: MemoryDirectoryStore) -> Callable[..., Any]:
    """The entity as it is kept: ``get(Kind.USER, "ann")``."""

    def get_one(kind: Kind, name: str, account: str = ACCOUNT) -> Entity | None:
        with store.read() as reading:
            return reading.get(Key(kind, account, name))

    return get_one


@pytest.fixture
def policy(put: Callable[..., None]) -> Callable[..., str]:
    """Put a managed policy into the store and give its ARN: ``policy("Read", path="/team/")``."""

    def put_policy(name: str, *, account: str = ACCOUNT, path: str = "/", **more: Any) -> str:
        arn = f"arn:app:iam::{account}:policy{path}{name}"
        put(ManagedPolicy(account=account, name=name, arn=arn, path=path, id=f"ANPA{name.upper()}",
                          versions=(PolicyVersion(id="v1", document=ALLOW),), **more))
        return arn

    return put_policy
