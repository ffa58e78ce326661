"""Whom a write affects: users, roles and groups whose rights it may change or put into somebody's hands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from iam_guard.directory.entities import (
    AccessKey,
    Account,
    AnyEntity,
    ControlPolicy,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    Organization,
    Relation,
    Role,
    Settings,
    StandingPolicy,
    Unit,
    User,
)
from iam_guard.directory.port import Entry, Reading


class Affected(NamedTuple):
    """Somebody whose rights a write concerns.

    Attributes:
        key: The user, role or group.
        wholly: Whether somebody may now act as this principal, so that all its rights count and not only those
            that it has been given.
    """

    key: Key
    wholly: bool = False


def affected_by(entries: Iterable[Entry], reading: Reading) -> list[Affected]:
    """Whom a write concerns, each once.

    Args:
        entries: What it changed.
        reading: The directory afterwards.
    """
    found: dict[Key, bool] = {}
    for entry in entries:
        for one in _affected(entry, reading):
            found[one.key] = found.get(one.key, False) or one.wholly
    return [Affected(key, wholly) for key, wholly in found.items()]


def _affected(entry: Entry, reading: Reading) -> Iterator[Affected]:
    match entry.before, entry.after:
        case before, User() as user:
            yield Affected(entry.key, bool(user.password) and user.password != getattr(before, "password", ""))
        case before, Role() as role:
            trusted = getattr(before, "trust", ""), getattr(before, "trusted_ids", {})
            yield Affected(entry.key, bool(role.trust) and trusted != (role.trust, role.trusted_ids))
        case _, Group():
            yield from _with_members(entry.key, reading)
        case before, AccessKey() as key:
            if key.active and not _is_same_key(key, before):
                # Its owner is known by id; the name may be another's by now.
                yield from (Affected(owner, wholly=True)
                            for owner in reading.linking(Relation.ID, key.user_id, kind=Kind.USER))
        case before, after if isinstance(before or after, ManagedPolicy):
            yield from _users_of(before, reading)
            yield from _users_of(after, reading)


def _is_same_key(key: AccessKey, before: AnyEntity | None) -> bool:
    return isinstance(before, AccessKey) and before.active and (before.secret, before.user_id) == (
        key.secret, key.user_id)


def _with_members(group: Key, reading: Reading) -> Iterator[Affected]:
    yield Affected(group)
    for key in reading.linking(Relation.GROUP, f"{group.account}/{group.name}"):
        yield Affected(key)


def _users_of(policy: AnyEntity | None, reading: Reading) -> Iterator[Affected]:
    """Everybody whom a managed policy grants to or limits."""
    if not isinstance(policy, ManagedPolicy):
        return
    for relation in (Relation.POLICY, Relation.BOUNDARY):
        for key in reading.linking(relation, policy.arn):
            if key.kind is Kind.GROUP:
                yield from _with_members(key, reading)
            else:
                yield Affected(key)


def touches_everybody(entry: Entry) -> bool:
    """Whether an entry changes what grants to or limits whole accounts."""
    match entry.before, entry.after:
        case (Settings() as one, Settings() as other):
            return _frame_of(one) != _frame_of(other)
        case (None, Settings() as settings):
            return _frame_of(settings) != _frame_of(Settings())
        case (Account() as one, Account() as other):
            return (one.parent, one.scps, one.rcps) != (other.parent, other.scps, other.rcps)
        case (Unit() as one, Unit() as other):
            return (one.parent, one.scps, one.rcps) != (other.parent, other.scps, other.rcps)
        case (ControlPolicy() as one, ControlPolicy() as other):
            return one.document != other.document
    # A new account has nobody in it, a new unit no account, a new control policy is attached nowhere; and none of
    # them goes before that is so again.
    return isinstance(entry.before or entry.after, Settings | Organization | StandingPolicy)


def _frame_of(settings: Settings) -> tuple[object, ...]:
    return settings.partition, settings.default_account, settings.decisive, settings.imported


def boundaries_touched(entry: Entry) -> tuple[str, str]:
    """The boundary that an entry changes: of which user or role, or else the policy that it is.

    Returns:
        ARN of the user or role, or empty; ARN of the managed policy, or empty.
    """
    before, after = entry.before, entry.after
    if isinstance(before, User | Role) and before.boundary != getattr(after, "boundary", ""):
        return before.arn, ""
    if isinstance(before, ManagedPolicy) and before.version() != getattr(after, "version", lambda: None)():
        return "", before.arn
    return "", ""
