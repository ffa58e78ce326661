"""What was changed, by whom, when, and from what to what: writes as a reader may see them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

import msgspec

from iam_guard.directory.entities import AnyEntity, Key, to_json
from iam_guard.directory.management import management_account
from iam_guard.directory.operation import Answer, Operation, Work
from iam_guard.directory.port import Change, Entry

#: Members of entities that no record repeats, not even hidden or hashed.
SECRET = frozenset({"password", "password_history", "secret"})
MASK = "***"


class EntryRecord(msgspec.Struct, frozen=True, rename="pascal"):
    """What became of one entity.

    Attributes:
        kind: Its kind.
        account: Whose it is; empty for the organization's.
        name: Its name within its kind.
        before: What it was; ``None`` when it was not there.
        after: What it is; ``None`` when it is gone.
    """

    kind: str
    account: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Record(msgspec.Struct, frozen=True, rename="pascal"):
    """One write.

    Attributes:
        revision: The directory's revision since then.
        who: ARN of whoever did it.
        operation: What it was.
        at: When.
        entries: What it changed.
    """

    revision: int
    who: str
    operation: str
    at: str
    entries: tuple[EntryRecord, ...]


def record_of(change: Change, accounts: Collection[str] | None = None) -> Record | None:
    """A write as it may be shown.

    Args:
        change: The write.
        accounts: Leave out what belongs to other accounts; ``None`` to leave out nothing.

    Returns:
        The record; ``None`` when nothing is left of it.
    """
    entries = tuple(_entry_record(entry) for entry in change.entries
                    if accounts is None or _account_of(entry) in accounts)
    return Record(change.revision, *change.note, entries) if entries else None


def _entry_record(entry: Entry) -> EntryRecord:
    key: Key = entry.key
    before, after = (None if one is None else _masked(one) for one in (entry.before, entry.after))
    if before is not None and after is not None:
        after |= {name: f"{MASK} (changed)" for name in SECRET & after.keys()
                  if getattr(entry.before, name, None) != getattr(entry.after, name, None)}
    return EntryRecord(str(key.kind), _account_of(entry), key.name, before, after)


def _account_of(entry: Entry) -> str:
    """The entity's own account: an access key is found without one."""
    one = entry.after or entry.before
    return one.account if one is not None else entry.key.account


def _masked(entity: AnyEntity) -> dict[str, Any]:
    """An entity without its secrets; that they are there, and whether they were changed, may be seen."""
    shown: dict[str, Any] = msgspec.json.decode(to_json(entity))
    return {name: MASK if name in SECRET else value for name, value in shown.items()}


class GetDirectoryHistory(Operation, frozen=True, kw_only=True):
    """Tell whose changes the caller may see; :meth:`~iam_guard.directory.directory.Directory.history` shows them."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Tell."""
        above = [""] if work.account == management_account(work) else []
        return {"Accounts": [work.account, *above]}
