"""What bears on whom, read straight from a store's view, for those who are asked about and for nobody else.

A guard follows a whole directory in memory (:mod:`iam_guard.directory.image`). An operation, an export or a
comparison has a view of a store and asks about a few principals: here each entity is read when it is first needed.
Policies are called by the names that say where they come from: a managed policy by its ARN, an inline one by
``OWNER/inline/NAME``, one of the organization by ``scp/NAME`` or ``rcp/NAME``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from iam_guard.directory.attaching import Attaching, settings_of
from iam_guard.directory.entities import AnyEntity, Key, Kind, Organization, Relation, to_json
from iam_guard.directory.guardrails import ORGANIZATION
from iam_guard.directory.image import Image
from iam_guard.directory.port import Reading
from iam_guard.engine.arn import account_of
from iam_guard.engine.attachments import Attachments

#: An entity as it should be taken to be, by key; ``None`` for one that is not to be there.
Instead = Mapping[Key, AnyEntity | None]
NOTHING: Instead = MappingProxyType({})


def attachments_of(reading: Reading, *, instead: Instead = NOTHING, attaching: Attaching | None = None) -> Attachments:
    """What is attached to whom.

    Args:
        reading: The directory; it is read while the attachments are used, so it must still be open then.
        instead: Entities to take for others than they are: what the directory was before a write under way.
        attaching: Remembers documents from one call to the next.

    Raises:
        DocumentError: what concerns everybody cannot be read.
    """
    view = cast("Image", EntityView(reading, instead))  # it has whatever an image is asked for here
    return (attaching or Attaching()).attachments(view)


class EntityView:
    """A view of a store in the form of an image.

    Args:
        reading: The directory.
        instead: As for :func:`attachments_of`.
    """

    def __init__(self, reading: Reading, instead: Instead = NOTHING) -> None:
        self._reading, self._instead = reading, instead
        self.entities = _Entities(reading, instead)
        self.resources = _Resources(self)
        # Whether there are any is all that is asked for; saying yes costs a look, saying no might miss one.
        self.counts = dict.fromkeys(Kind, 1)

    @property
    def revision(self) -> int:
        """Of the directory."""
        return self._reading.revision

    def get(self, key: Key) -> AnyEntity | None:
        """The entity with this key."""
        return self._instead[key] if key in self._instead else self._reading.get(key)

    def keys(self, kind: Kind) -> tuple[Key, ...]:
        """Keys of one of the kinds of which there are few, sorted."""
        found = {entity.key for account in self._accounts() for entity in pages(self._reading, kind, account)}
        found |= {key for key in self._instead if key.kind is kind}
        return tuple(sorted(key for key in found if key in self.entities))

    def key_of_id(self, id: str) -> Key | None:
        """The key of the user or role with a unique id."""
        found = {*self._reading.linking(Relation.ID, id), *(key for key in self._instead)}
        return next((key for key in sorted(found) if key.kind in (Kind.USER, Kind.ROLE)
                     and getattr(self.get(key), "id", "") == id), None)

    def home(self) -> str:
        """The account that names without one belong to."""
        return settings_of(self).default_account

    def _accounts(self) -> list[str]:
        """Accounts that policies for everybody may stand in: none, the first, and all of the organization."""
        found = {"", self.home(), *(key.account for key in self._instead)}
        organization = self.get(ORGANIZATION)
        units = [organization.root] if isinstance(organization, Organization) else []
        for unit in units:  # it grows while it is gone through; nothing is below itself in a tree
            for key in self._reading.linking(Relation.PARENT, unit):
                if key.kind is Kind.ACCOUNT:
                    found.add(key.account)
                elif key.name not in units:
                    units.append(key.name)
        return sorted(found)


class _Entities(Mapping[Key, bytes]):
    """Entities as they are written; each is read once, so that it stays the same object."""

    def __init__(self, reading: Reading, instead: Instead) -> None:
        self._reading, self._instead = reading, instead
        self._read: dict[Key, bytes | None] = {}

    def get(self, key: Key, default: Any = None) -> Any:
        """The entity with this key, written."""
        if key not in self._read:
            found = self._instead[key] if key in self._instead else self._reading.get(key)
            self._read[key] = None if found is None else to_json(found)
        return default if self._read[key] is None else self._read[key]

    def __getitem__(self, key: Key) -> bytes:
        if (found := self.get(key)) is None:
            raise KeyError(key)
        return found  # type: ignore[no-any-return]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, Key) and self.get(key) is not None

    def __iter__(self) -> Iterator[Key]:
        yield from (key for key, entity in self._instead.items() if entity is not None)
        yield from (key for key, _ in self._reading.scan() if key not in self._instead)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Resources:
    """Finds the policy of a resource: it stands in the account of the resource's name, or in the first one."""

    def __init__(self, view: EntityView) -> None:
        self._view = view

    def get(self, arn: str) -> Key | None:
        """The key of its policy."""
        keys = (Key(Kind.RESOURCE_POLICY, account, arn) for account in (account_of(arn), self._view.home(), ""))
        return next((key for key in keys if key in self._view.entities), None)


def pages(reading: Reading, kind: Kind, account: str) -> Iterator[AnyEntity]:
    """All entities of one kind and account, whatever their paths, page by page."""
    after = ""
    while found := reading.page(kind, account, path="", after=after):
        yield from found
        after = found[-1].key.name
