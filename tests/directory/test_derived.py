"""What is made of entities is made again when, and only when, one of those it was made of is another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iam_guard.directory.derived import Derived, DerivedMapping, Lookup
from iam_guard.directory.entities import Key, Kind, User
from iam_guard.directory.image import Image
from iam_guard.store.memory_directory import MemoryDirectoryStore

ACCOUNT = "000000000000"


def user(name: str, group: str = "") -> User:
    return User(account=ACCOUNT, name=name, arn=f"arn:app:iam::{ACCOUNT}:user/{name}", groups=(group,) if group else ())


def image_of(store: MemoryDirectoryStore) -> Image:
    with store.read() as reading:
        return Image.of(reading)


class Friends:
    """Makes the names of somebody's groups, which here are names of users, and of the groups of those."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, lookup: Lookup, name: str) -> list[str] | None:
        self.made.append(name)
        found = lookup.get(Key(Kind.USER, ACCOUNT, name))
        if not isinstance(found, User):
            return None
        friends = [lookup.get(Key(Kind.USER, ACCOUNT, group)) for group in found.groups]
        return [f"{friend.name} {friend.groups}" for friend in friends if isinstance(friend, User)]


@pytest.fixture
def friends() -> Friends:
    return Friends()


@pytest.fixture
def after(store: MemoryDirectoryStore) -> Callable[[Image], Image]:
    return lambda before: before.after(store.changes(before.revision)).image


def test_it_is_made_once(store: MemoryDirectoryStore, put: Callable[..., None], friends: Friends,
                         after: Callable[[Image], Image]) -> None:
    put(user("ann", "bob"), user("bob"), user("cid"))
    image, derived = image_of(store), Derived(friends, 10)
    first = derived.of(image, "ann")
    put(user("cid", "ann"))
    assert derived.of(after(image), "ann") is first == ["bob ()"]
    assert friends.made == ["ann"]


def test_it_is_made_again_when_something_it_is_made_of_changes(
        store: MemoryDirectoryStore, put: Callable[..., None], friends: Friends,
        after: Callable[[Image], Image]) -> None:
    put(user("ann", "bob"), user("bob"))
    image, derived = image_of(store), Derived(friends, 10)
    derived.of(image, "ann")
    put(user("bob", "cid"))
    newer = after(image)
    assert derived.of(newer, "ann") == ["bob ('cid',)"]
    assert derived.of(image, "ann") == ["bob ()"], "whoever still looks at the older image sees the older state"
    assert friends.made == ["ann"] * 3


def test_it_is_made_again_when_something_it_missed_appears(
        store: MemoryDirectoryStore, put: Callable[..., None], friends: Friends,
        after: Callable[[Image], Image]) -> None:
    put(user("ann", "bob"))
    image, derived = image_of(store), Derived(friends, 10)
    assert (derived.of(image, "ann"), derived.of(image, "bob")) == ([], None)
    put(user("bob"))
    image = after(image)
    assert (derived.of(image, "ann"), derived.of(image, "bob")) == (["bob ()"], [])


def test_a_failure_is_not_remembered(store: MemoryDirectoryStore) -> None:
    tries: list[str] = []

    def make(lookup: Lookup, name: str) -> int:
        tries.append(name)
        if len(tries) == 1:
            raise ZeroDivisionError
        return 7

    derived, image = Derived(make, 10), image_of(store)
    with pytest.raises(ZeroDivisionError):
        derived.of(image, "x")
    assert derived.of(image, "x") == 7


def test_few_are_remembered(store: MemoryDirectoryStore, friends: Friends) -> None:
    image, derived = image_of(store), Derived(friends, 4)
    for _ in range(2):
        for number in range(10):
            derived.of(image, str(number))
    assert len(friends.made) == 20


def test_as_a_mapping(store: MemoryDirectoryStore, put: Callable[..., None], friends: Friends) -> None:
    put(user("ann", "bob"), user("bob"))
    mapping = DerivedMapping(image_of(store), Derived(friends, 10), 2, lambda: iter(("ann", "bob")), str)
    assert dict(mapping) == {"ann": ["bob ()"], "bob": []}
    assert mapping.get("cid") is None
    assert ("cid" in mapping, len(mapping)) == (False, 2)
