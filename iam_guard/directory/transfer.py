"""Brings entities into a store: from an export, or from another store. All of it is one write, or nothing is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import cast

from msgspec.structs import replace

from iam_guard.directory.attaching import SETTINGS, key_of, settings_of
from iam_guard.directory.difference import towards
from iam_guard.directory.entities import (
    Account,
    AnyEntity,
    ControlPolicy,
    Key,
    Kind,
    ManagedPolicy,
    Organization,
    Relation,
    ResourcePolicy,
    Role,
    Settings,
    User,
    from_json,
)
from iam_guard.directory.exchange.beside import Beside, entities_of
from iam_guard.directory.exchange.naming import with_ids
from iam_guard.directory.exchange.reading import Details
from iam_guard.directory.exchange.remarks import UNRESOLVED, Remark
from iam_guard.directory.guardrails import ORGANIZATION
from iam_guard.directory.port import DirectoryStore, Entry, Note, Reading
from iam_guard.errors import DocumentError, Fault

#: Told how many entities are done.
Progress = Callable[[int], None]
NOTHING = Beside()
_OF_THE_FORM = frozenset({Kind.USER, Kind.GROUP, Kind.ROLE, Kind.POLICY})


def _untold(done: int) -> None:
    """Nobody wants to know."""


def bring_in(store: DirectoryStore, details: Details, note: Note, *, exact: bool = False, dry_run: bool = False,
             beside: Beside = NOTHING, progress: Progress = _untold) -> list[Entry]:
    """Import an account of AWS's into a store. Ids, dates and ARNs stay as they are; quotas are not asked.

    What the form says nothing of stays: passwords of users who are still the same, by their ids.

    Args:
        store: Where to.
        details: What the export says.
        note: Who does this and when.
        exact: Remove users, groups, roles and policies of the account that are not in the export.
        dry_run: Change nothing.
        beside: What the files beside the export say.
        progress: Told how many entities are done.

    Returns:
        What was changed, or would be.

    Raises:
        DocumentError: the directory there is for another partition, or an organization without this account.
        UnavailableError, ConcurrentModificationError: as for any write; nothing was changed.
    """
    def wanted(reading: Reading) -> tuple[Iterable[AnyEntity], Collection[Key]]:
        entities = _all(reading, details, beside)
        return entities, _of_account(reading, details.account) if exact else ()

    return _perform(store, wanted, note, dry_run, progress)


def remarks_in(store: DirectoryStore, details: Details) -> tuple[Remark, ...]:
    """What there is to know about an import, but for policies that the directory holds already."""
    with store.read() as reading:
        held = {arn for arn in details.unresolved if _holds(reading, arn)}
    return tuple(one for one in details.remarks if one.code != UNRESOLVED or one.where not in held)


def _holds(reading: Reading, arn: str) -> bool:
    key = key_of(arn)
    found = None if key is None else reading.get(key)
    return isinstance(found, ManagedPolicy) and found.arn == arn


def copy(source: DirectoryStore, target: DirectoryStore, note: Note, *, exact: bool = False, dry_run: bool = False,
         progress: Progress = _untold) -> list[Entry]:
    """Copy everything that a store holds now into another, as it is; its history stays behind.

    Args:
        source: Where from.
        target: Where to.
        note: Who does this and when.
        exact: Remove what the source does not hold.
        dry_run: Change nothing.
        progress: Told how many entities are done.

    Returns:
        What was changed, or would be.

    Raises:
        UnavailableError, ConcurrentModificationError: as for any write; nothing was changed.
    """
    with source.read() as reading:
        entities = [from_json(text) for _, text in reading.scan()]

    def wanted(reading: Reading) -> tuple[Iterable[AnyEntity], Collection[Key]]:
        return entities, [key for key, _ in reading.scan()] if exact else ()

    return _perform(target, wanted, note, dry_run, progress)


def _perform(store: DirectoryStore, wanted: Callable[[Reading], tuple[Iterable[AnyEntity], Collection[Key]]],
             note: Note, dry_run: bool, progress: Progress) -> list[Entry]:
    if dry_run:
        with store.read() as reading:
            return _told(reading, *wanted(reading), progress)
    with store.write(note) as tx:
        entries = _told(tx, *wanted(tx), progress)
        for key, _, entity in entries:
            tx.delete(key) if entity is None else tx.put(entity)
    return entries


def _told(reading: Reading, entities: Iterable[AnyEntity], remove: Collection[Key],
          progress: Progress) -> list[Entry]:
    def counted() -> Iterable[AnyEntity]:
        for done, entity in enumerate(entities, 1):
            yield entity
            progress(done)

    return list(towards(reading, counted(), remove=remove))


# --- what an import keeps -------------------------------------------------------------------------------


def _all(reading: Reading, details: Details, beside: Beside) -> list[AnyEntity]:
    settings = _settings(reading, details, beside)
    own, *others = (_carried(reading, one) for one in details.entities)
    organization = reading.get(ORGANIZATION)
    placed = [_carried(reading, one) if isinstance(one, ControlPolicy) else one for one in entities_of(
        beside, cast("Account", own), organization if isinstance(organization, Organization) else None,
        settings.default_account)]
    _check_controls(reading, placed)
    found = [settings, *placed, *others]
    ids = {one.arn: one.id for one in found if isinstance(one, User | Role)}
    return [_meant(reading, with_ids(one, lambda arn: ids.get(arn) or _id_of(reading, arn))) for one in found]


def _check_controls(reading: Reading, found: list[AnyEntity]) -> None:
    """Check that nobody else is limited otherwise by what an account brings."""
    own = {one.key for one in found}
    for one in found:
        if not isinstance(one, ControlPolicy) or set(reading.linking(Relation.CONTROL, one.key.name)) <= own:
            continue
        old = reading.get(one.key)
        if isinstance(old, ControlPolicy) and old.document != one.document:
            raise DocumentError(Fault(f"'{one.name}' is another policy here, and others are limited by it",
                                      "give one of them another name"))


def _id_of(reading: Reading, arn: str) -> str:
    key = key_of(arn)
    found = None if key is None else reading.get(key)
    return found.id if isinstance(found, User | Role) and found.arn == arn else ""


def _meant(reading: Reading, entity: AnyEntity) -> AnyEntity:
    """A document with whom it meant before, when it is the same and they are gone."""
    match entity, reading.get(entity.key):
        case Role(), Role() as old if entity.id == old.id and entity.trust == old.trust:
            return replace(entity, trusted_ids=old.trusted_ids | entity.trusted_ids)
        case ResourcePolicy(), ResourcePolicy() as old if entity.document == old.document:
            return replace(entity, named_ids=old.named_ids | entity.named_ids, name=old.name)
    return entity


def _settings(reading: Reading, details: Details, beside: Beside) -> Settings:
    """The settings that the documents need. Those of a directory in use change as little as they can."""
    imported = not (details.strict and beside.strict)
    if not isinstance(reading.get(SETTINGS), Settings) and reading.revision == 0:
        return Settings(partition=details.partition, default_account=details.account, imported=imported)
    found = settings_of(reading)
    if found.partition != details.partition:
        raise DocumentError(Fault(f"the directory's ARNs begin with 'arn:{found.partition}:', those of the export "
                                  f"with 'arn:{details.partition}:'", "import it into a store of its own"))
    told = beside.scps or beside.rcps  # then its place is, too
    if reading.get(ORGANIZATION) is not None and not told and not _is_placed(reading, details.account):
        raise DocumentError(Fault(f"account '{details.account}' has no place in the organization, so nothing would "
                                  "limit it", "create the account there first"))
    return replace(found, imported=found.imported or imported)


def _is_placed(reading: Reading, account: str) -> bool:
    found = reading.get(Key(Kind.ACCOUNT, account, account))
    return isinstance(found, Account) and bool(found.parent)


def _carried(reading: Reading, entity: AnyEntity) -> AnyEntity:
    """An entity with what the form has no place for, when it is the same one that was there."""
    old = reading.get(entity.key)
    match entity, old:
        case Account(), Account():
            return replace(old, extra=old.extra | entity.extra)
        case User(), User() if entity.id == old.id:
            return replace(entity, password=old.password, password_created=old.password_created,
                           password_reset_required=old.password_reset_required,
                           password_history=old.password_history,
                           password_last_used=entity.password_last_used or old.password_last_used)
        case ControlPolicy(), ControlPolicy():
            return replace(old, document=entity.document)
        case ManagedPolicy(), ManagedPolicy() if entity.id == old.id:
            return replace(entity, next_version=max(entity.next_version, old.next_version))
    return entity


def _of_account(reading: Reading, account: str) -> list[Key]:
    return [key for key, _ in reading.scan() if key.kind in _OF_THE_FORM and key.account == account]
