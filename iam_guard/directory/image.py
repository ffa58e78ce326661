"""An image: a whole directory at one revision in memory, written small and read only where somebody looks.

Entities stay the bytes that a store wrote until one is asked for. The image after a change shares with the one
before whatever did not change, to the very object; whoever makes something out of an entity can therefore tell
by the identity of its bytes whether it has to be made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import NamedTuple

from iam_guard.directory.entities import (
    AnyEntity,
    ControlPolicy,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    Organization,
    ResourcePolicy,
    Role,
    Settings,
    StandingPolicy,
    Unit,
    User,
    from_json,
    to_json,
)
from iam_guard.directory.port import Change, Reading
from iam_guard.directory.shards import Shards

#: Kinds of which there are few, so that their keys can be kept in lists.
FEW = frozenset({Kind.SETTINGS, Kind.STANDING_POLICY, Kind.ORGANIZATION, Kind.UNIT, Kind.CONTROL_POLICY})
#: Kinds that no decision reads.
_UNREAD = frozenset({Kind.ACCESS_KEY})

_Bytes = Mapping[Key, bytes | None]


class Successor(NamedTuple):
    """What became of an image.

    Attributes:
        image: The image after some changes.
        changed: Keys of what they changed.
        touched: Names of what they changed: ARNs of users, groups, roles, managed policies and resources, ids of
            accounts. ``*`` stands for what concerns everybody.
    """

    image: Image
    changed: frozenset[Key]
    touched: frozenset[str]


@dataclass(frozen=True, slots=True)
class Image:
    """A directory at one revision.

    Attributes:
        revision: Which.
        entities: What :func:`~iam_guard.directory.entities.to_json` wrote, by key.
        few: Keys of the kinds of which there are few, sorted.
        counts: How many there are of the other kinds.
        resources: Keys of resource policies by the resource's ARN.
    """

    revision: int
    entities: Shards[Key, bytes]
    few: Mapping[Kind, tuple[Key, ...]]
    counts: Mapping[Kind, int]
    resources: Shards[str, Key]

    @classmethod
    def of(cls, reading: Reading) -> Image:
        """Read everything.

        Raises:
            UnavailableError: the store cannot be reached.
        """
        entities = Shards(_shared(reading.scan()))
        counts = dict.fromkeys(Kind, 0)
        few: dict[Kind, list[Key]] = {kind: [] for kind in FEW}
        for key in entities:
            counts[key.kind] += 1
            if key.kind in FEW:
                few[key.kind].append(key)
        resources = Shards((key.name, key) for key in entities if key.kind is Kind.RESOURCE_POLICY)
        return cls(reading.revision, entities, {kind: tuple(sorted(keys)) for kind, keys in few.items()}, counts,
                   resources)

    def get(self, key: Key) -> AnyEntity | None:
        """The entity with this key.

        Raises:
            msgspec.ValidationError: the store holds something else.
        """
        written = self.entities.get(key)
        return None if written is None else from_json(written)

    def keys(self, kind: Kind) -> tuple[Key, ...]:
        """Keys of one of the kinds of which there are few, sorted."""
        return self.few[kind]

    def key_of_id(self, id: str) -> Key | None:
        """The key of the user or role with a unique id; costs a look at everything."""
        for key, written in self.entities.items():
            if key.kind in (Kind.USER, Kind.ROLE) and id.encode() in written:
                found = from_json(written)
                if isinstance(found, User | Role) and found.id == id:
                    return key
        return None

    def after(self, changes: Iterable[Change]) -> Successor:
        """The image after some writes, oldest first.

        Raises:
            ValueError: a write in between is missing, or they do not follow from this image: the store is not
                the one it was.
        """
        revision, written, touched = self.revision, dict[Key, bytes | None](), set[str]()
        for change in changes:
            if change.revision != revision + 1:
                raise ValueError(f"revision {change.revision} does not follow {revision}")
            revision = change.revision
            for key, before, after in change.entries:
                if key.kind not in _UNREAD:
                    _check_known(key, written[key] if key in written else self.entities.get(key), before)
                    written[key] = None if after is None else to_json(after)
                    touched |= {_name(one) for one in (before, after) if one is not None}
        image = self if revision == self.revision else self._with(revision, written)
        return Successor(image, frozenset(written), frozenset(touched))

    def succeeding(self, older: Image) -> Successor:
        """This image as the successor of one that came from elsewhere; costs a look at everything."""
        changed = frozenset(_different(older, self))
        touched = {_name(from_json(image.entities[key])) for key in changed
                   for image in (older, self) if key in image.entities}
        return Successor(self, changed, frozenset(touched))

    def _with(self, revision: int, written: _Bytes) -> Image:
        counts, few = dict(self.counts), {kind: set(self.few[kind]) for kind in {key.kind for key in written} & FEW}
        resources: dict[str, Key | None] = {}
        for key, content in written.items():
            counts[key.kind] += (content is not None) - (key in self.entities)
            if key.kind in few:
                (few[key.kind].discard if content is None else few[key.kind].add)(key)
            if key.kind is Kind.RESOURCE_POLICY:
                resources[key.name] = None if content is None else key
        return Image(revision, self.entities.changed(written),
                     {**self.few, **{kind: tuple(sorted(keys)) for kind, keys in few.items()}}, counts,
                     self.resources.changed(resources))


def _shared(rows: Iterable[tuple[Key, bytes]]) -> Iterator[tuple[Key, bytes]]:
    """Rows as they are kept: each account's id once, and nothing that no decision reads."""
    for key, written in rows:
        if key.kind not in _UNREAD:
            yield Key(key.kind, intern(key.account), key.name), written


def _check_known(key: Key, here: bytes | None, there: AnyEntity | None) -> None:
    if here != (None if there is None else to_json(there)) and (here is None or from_json(here) != there):
        raise ValueError(f"the {key.kind} '{key.name}' was not what it is said to have been")


def _different(one: Image, other: Image) -> Iterator[Key]:
    for key, written in one.entities.items():
        if other.entities.get(key) != written:
            yield key
    for key in other.entities:
        if key not in one.entities:
            yield key


def _name(entity: AnyEntity) -> str:
    """What decisions about it turn on."""
    if isinstance(entity, User | Group | Role | ManagedPolicy | ResourcePolicy):
        return entity.arn
    if isinstance(entity, Settings | StandingPolicy | Organization | Unit | ControlPolicy):
        return "*"
    return entity.account
