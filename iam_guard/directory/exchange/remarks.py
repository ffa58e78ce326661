"""What somebody who imports an export should know, though it can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from iam_guard.directory.entities import AnyEntity, Group, ManagedPolicy, Role, User
from iam_guard.directory.exchange.pages import TRUNCATED

#: Codes of remarks.
UNRESOLVED, UNKNOWN, INCOMPLETE = "unresolved_policy", "unknown_member", "incomplete_export"
# Members that AWS documents and that entities have no place for, and what AWS documents within them.
_KNOWN = frozenset({"AttachmentCount", "PermissionsBoundaryUsageCount", "InstanceProfileList", "Path"})
_WITHIN = {"PermissionsBoundary": frozenset({"PermissionsBoundaryType"}), "RoleLastUsed": frozenset({"Region"})}
_WITHIN_EACH = {"AttachedManagedPolicies": frozenset({"PolicyName"}), "UserPolicyList": frozenset[str](),
                "GroupPolicyList": frozenset[str](), "RolePolicyList": frozenset[str](), "Tags": frozenset[str]()}
_OF_ANSWERS = frozenset({TRUNCATED, "Marker", "NextToken", "ResponseMetadata"})


class Remark(NamedTuple):
    """One thing to know.

    Attributes:
        code: ``unresolved_policy``, ``unknown_member`` or ``incomplete_export``.
        where: What it is about: an ARN, or the place of a member.
        text: In words.
    """

    code: str
    where: str
    text: str


def remarks_on(answer: dict[str, Any], entities: Iterable[AnyEntity], unresolved: Iterable[str]) -> Iterator[Remark]:
    """What there is to know about an export.

    Args:
        answer: Members beside the lists.
        entities: What the lists hold.
        unresolved: ARNs of policies that are attached to somebody and are not there.
    """
    if answer.get(TRUNCATED) is True:
        yield Remark(INCOMPLETE, TRUNCATED, "it says that there are further pages, and what is on them is missing")
    for arn in unresolved:
        yield Remark(UNRESOLVED, arn, "it is attached and not there: whoever holds it is denied everything")
    for name in answer.keys() - _OF_ANSWERS:
        yield _unknown(name)
    for one in entities:
        for name in _unknown_of(one):
            yield _unknown(f"{getattr(one, 'arn', '')} {name}")


def _unknown(where: str) -> Remark:
    return Remark(UNKNOWN, where, "nothing is known of this member; it is kept for the way back and means nothing")


def _unknown_of(entity: AnyEntity) -> Iterator[str]:
    for name, value in entity.extra.items():
        yield from _unknown_in(name, value)
    if isinstance(entity, ManagedPolicy):
        for version in entity.versions:
            yield from (f"PolicyVersionList/{version.id}/{name}" for name in version.extra)


def _unknown_in(name: str, value: Any) -> Iterator[str]:
    if name in _WITHIN and isinstance(value, dict):
        yield from (f"{name}/{one}" for one in value if one not in _WITHIN[name])
    elif name in _WITHIN_EACH and isinstance(value, dict):
        yield from (f"{name}/{key}/{one}" for key, rest in value.items() for one in rest
                    if one not in _WITHIN_EACH[name])
    elif name not in _KNOWN:
        yield name


def unresolved_of(entities: Iterable[AnyEntity]) -> tuple[str, ...]:
    """ARNs of policies that entities have, also as a boundary, and that are not among them; sorted."""
    wanted: set[str] = set()
    there: set[str] = set()
    for one in entities:
        if isinstance(one, User | Group | Role):
            wanted.update(one.policies)
        if isinstance(one, User | Role) and one.boundary:
            wanted.add(one.boundary)
        if isinstance(one, ManagedPolicy):
            there.add(one.arn)
    return tuple(sorted(wanted - there))
