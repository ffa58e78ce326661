"""Reads what ``GetAccountAuthorizationDetails`` answers: one account, as entities.

Whatever has no place in an entity is kept in its ``extra``, under its own name: a whole member, or of a list of
named objects what is left of each, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from iam_guard.directory.attaching import key_of
from iam_guard.directory.entities import (
    Account,
    AnyEntity,
    Group,
    Key,
    ManagedPolicy,
    PolicyVersion,
    Role,
    User,
)
from iam_guard.directory.exchange.counts import count_elsewhere
from iam_guard.directory.exchange.members import Members, by_name
from iam_guard.directory.exchange.naming import check_documents
from iam_guard.directory.exchange.pages import TRUNCATED, Page, joined
from iam_guard.directory.exchange.remarks import Remark, remarks_on, unresolved_of
from iam_guard.directory.exchange.text import document_text
from iam_guard.errors import DocumentError, Fault

#: In the extra of an account: members of the answer beside its lists.
ANSWER = "GetAccountAuthorizationDetails"
#: In the extra of an account: others whose entities came with its own.
ALSO = "ExportedWith"
_PLATFORM = "aws"
NONE: Mapping[str, ManagedPolicy] = MappingProxyType({})


class Details(NamedTuple):
    """What an export says.

    Attributes:
        partition: Second field of its ARNs.
        account: Id of the account.
        entities: The account, its users, groups, roles and policies, and the platform's policies.
        unresolved: ARNs of policies that are attached to somebody and are not there, sorted.
        remarks: What somebody who imports it should know.
        strict: Every document would be accepted as a new one.
    """

    partition: str
    account: str
    entities: tuple[AnyEntity, ...]
    unresolved: tuple[str, ...]
    remarks: tuple[Remark, ...]
    strict: bool


def read_details(*pages: Page, accounts: Sequence[str] = (), supplied: Mapping[str, ManagedPolicy] = NONE,
                 file: str = "") -> Details:
    """Read an export.

    Args:
        pages: JSON, or what an SDK made of it; documents in it are objects, text, or percent-encoded text.
        accounts: Ids of the accounts that it may speak of, when that is not one alone; the first counts as its own.
        supplied: Policies by ARN; those that are attached to somebody and are not in the export are taken.
        file: What faults call it.

    Raises:
        DocumentError: it cannot be read whole, with every fault; or it speaks of several accounts, or of others.
    """
    members = Members(joined(pages, file or "export"), file or "export")
    found = [*_each(members)]
    partition, (account, *others) = _partition(found, members.place), _whose(found, accounts, members.place)
    found += [supplied[arn] for arn in unresolved_of(found) if arn in supplied]
    _check_once(found, members.place)
    members.left.pop("ResponseMetadata", None)  # what an SDK says of one call
    if members.left.get(TRUNCATED) is False:
        del members.left[TRUNCATED]  # every whole export says so
    left, unresolved = members.left, unresolved_of(found)
    extra = ({ANSWER: left} if left else {}) | ({ALSO: others} if others else {})
    found = count_elsewhere(found)
    return Details(partition, account, (Account(account=account, extra=extra), *found), unresolved,
                   tuple(remarks_on(left, found, unresolved)), check_documents(found))


def _each(members: Members) -> Iterator[AnyEntity]:
    faults: list[Fault] = []
    for name, read in _LISTS.items():
        for place, value in enumerate(members.several(name)):
            try:
                yield _checked(read(Members(value, f"{members.place}/{name}/{place}")), members.place)
            except DocumentError as refused:
                faults.extend(refused.faults)
    if faults:
        raise DocumentError(faults)


def _checked(entity: AnyEntity, place: str) -> AnyEntity:
    arn = getattr(entity, "arn", "")
    if key_of(arn) != entity.key:
        raise DocumentError(Fault(f"'{arn}' is not an ARN of {entity.kind} '{entity.key.name}'", file=place))
    return entity


def _check_once(found: list[AnyEntity], place: str) -> None:
    seen: set[Key] = set()
    for one in found:
        if one.key in seen:
            raise DocumentError(Fault(f"{one.kind} '{one.key.name}' stands twice", file=place))
        seen.add(one.key)


def _partition(found: list[AnyEntity], place: str) -> str:
    partitions = sorted({getattr(one, "arn", "").split(":")[1] for one in found})
    if len(partitions) != 1:
        raise DocumentError(Fault(f"ARNs have to be of one partition; these are of "
                                  f"{_names(partitions)}", file=place))
    return partitions[0]


def _whose(found: list[AnyEntity], accounts: Sequence[str], place: str) -> list[str]:
    """The account, and others that may be there too."""
    homes = sorted({one.account for one in found if not _is_of_platform(one)})
    if accounts and set(homes) <= set(accounts):
        return list(dict.fromkeys(accounts))
    if accounts or len(homes) != 1:
        wanted = _names(accounts) if accounts else "one"
        raise DocumentError(Fault(f"this speaks of the accounts {_names(homes)}, and should of {wanted}",
                                  "name every account that is meant", file=place))
    return homes


def _is_of_platform(entity: AnyEntity) -> bool:
    return isinstance(entity, ManagedPolicy) and entity.account == _PLATFORM


def _names(found: Sequence[str]) -> str:
    return ", ".join(f"'{one}'" for one in found) or "none"


# --- entities -------------------------------------------------------------------------------------------


def _user(members: Members) -> User:
    groups = members.several("GroupList")
    if not all(isinstance(one, str) for one in groups):
        raise DocumentError(Fault("'GroupList' holds names of groups", file=members.place))
    return User(**_holding(members, "User"), groups=tuple(groups), boundary=_boundary(members), tags=_tags(members),
                password_last_used=members.date("PasswordLastUsed"), extra=members.left)


def _group(members: Members) -> Group:
    return Group(**_holding(members, "Group"), extra=members.left)


def _role(members: Members) -> Role:
    trust = members.left.pop("AssumeRolePolicyDocument", None)
    used = ""
    if (last := members.inner("RoleLastUsed")) is not None:
        used = last.date("LastUsedDate")
        if last.left or not used:  # an empty one says that the role was never used
            members.left["RoleLastUsed"] = last.left
    return Role(**_holding(members, "Role"), trust="" if trust is None else document_text(trust, members.place),
                boundary=_boundary(members), tags=_tags(members), last_used=used,
                description=members.text("Description", ""),
                max_session_duration=members.take("MaxSessionDuration", int, 3600), extra=members.left)


def _policy(members: Members) -> ManagedPolicy:
    default = members.text("DefaultVersionId")
    versions = tuple(sorted((_version(Members(one, f"{members.place}/PolicyVersionList/{place}"), default)
                             for place, one in enumerate(members.several("PolicyVersionList"))), key=_number))
    if [one.id for one in versions].count(default) != 1 or len({one.id for one in versions}) < len(versions):
        raise DocumentError(Fault(f"there has to be one version '{default}', and no version twice",
                                  file=members.place))
    return ManagedPolicy(**_named(members, "Policy"), versions=versions, default=default,
                         next_version=max(map(_number, versions)) + 1, description=members.text("Description", ""),
                         tags=_tags(members), updated=members.date("UpdateDate"),
                         attachable=members.take("IsAttachable", bool, True), extra=members.left)


def _version(members: Members, default: str) -> PolicyVersion:
    id = members.text("VersionId")  # noqa: A001
    if members.take("IsDefaultVersion", bool, id == default) != (id == default):
        raise DocumentError(Fault(f"it is said both that '{id}' is the default version and that it is not",
                                  file=members.place))
    return PolicyVersion(id=id, document=document_text(members.left.pop("Document", None), members.place),
                         created=members.date("CreateDate"), extra=members.left)


def _number(version: PolicyVersion) -> int:
    number = version.id.removeprefix("v")
    if version.id[:1] != "v" or not (number.isascii() and number.isdigit()):
        raise DocumentError(Fault(f"'{version.id}' is not a version: they are called v1, v2 and so on"))
    return int(number)


# --- what several have ----------------------------------------------------------------------------------


def _named(members: Members, noun: str) -> dict[str, Any]:
    arn = members.text("Arn")
    key = key_of(arn)
    if key is None:
        raise DocumentError(Fault(f"'{arn}' is not an ARN of IAM's", file=members.place))
    return {"account": key.account, "arn": arn, "name": members.text(f"{noun}Name"), "path": _path(members, arn),
            "id": members.text(f"{noun}Id", ""), "created": members.date("CreateDate")}


def _path(members: Members, arn: str) -> str:
    """The path in the ARN, which is what counts. Where an export says another beside it, that is kept."""
    folders = arn.partition("/")[2].rpartition("/")[0]
    path = f"/{folders}/" if folders else "/"
    if (given := members.text("Path", path)) != path:
        members.left["Path"] = {path: given}
    return path


def _holding(members: Members, noun: str) -> dict[str, Any]:
    inline = by_name(members, f"{noun}PolicyList", "PolicyName",
                     lambda one: document_text(one.left.pop("PolicyDocument", None), one.place))
    policies = by_name(members, "AttachedManagedPolicies", "PolicyArn", _nothing_more)
    return {**_named(members, noun), "inline": inline, "policies": tuple(policies)}


def _nothing_more(attached: Members) -> None:
    """Its name is left over, and kept: some exports give another than the ARN does."""


def _boundary(members: Members) -> str:
    if (found := members.inner("PermissionsBoundary")) is None:
        return ""
    arn = found.text("PermissionsBoundaryArn")
    members.keep("PermissionsBoundary", found.left)
    return arn


def _tags(members: Members) -> dict[str, str]:
    return by_name(members, "Tags", "Key", lambda one: one.text("Value", ""))


_LISTS: dict[str, Callable[[Members], AnyEntity]] = {
    "UserDetailList": _user, "GroupDetailList": _group, "RoleDetailList": _role, "Policies": _policy,
}
