"""Users, groups and roles of a folder: their files to what is attached to whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from iam_guard.engine.attachments import Holder, Policy
from iam_guard.policy.document import PolicyKind
from iam_guard.policy.source import pointer
from iam_guard.store import quotas as quota
from iam_guard.store.accounts import Accounts
from iam_guard.store.entities import GroupFile, RoleFile, UserFile
from iam_guard.store.managed import ManagedPolicies
from iam_guard.store.names import is_unique_id, name_problem, tag_problem
from iam_guard.store.parts import UNREAD, Part, PartReader
from iam_guard.store.quotas import Quotas
from iam_guard.store.typed import nearest

#: The name under which the policy of a file that is nothing but a policy is held.
_BARE = ""
_Entity = TypeVar("_Entity", GroupFile, UserFile, RoleFile)


@dataclass(frozen=True, slots=True)
class Trust:
    """A role's trust policy, and where it stands.

    Attributes:
        part: The role's file.
        role: The role's ARN.
        policy: Who may assume it.
    """

    part: Part
    role: str
    policy: Policy


class HolderReader:
    """Reads the files of users, groups and roles.

    Args:
        accounts: Gives ARNs.
        managed: The policies that files refer to by name.
        reader: Reads texts.
        quotas: Looks at sizes and counts.
    """

    def __init__(self, accounts: Accounts, managed: ManagedPolicies, reader: PartReader, quotas: Quotas) -> None:
        self._accounts, self._managed, self._reader, self._quotas = accounts, managed, reader, quotas
        self._report = reader.report

    def groups(self, parts: Iterable[Part]) -> dict[str, tuple[Policy, ...]]:
        """The policies of every group, by the group's ARN."""
        found = {}
        for part in parts:
            file = self._file(part, GroupFile)
            found[self._accounts.arn(part, "group")] = self._policies(part, file, "group") if file else ()
        return found

    def user(self, part: Part, groups: dict[str, str]) -> Holder:
        """One user, *groups* being the ARNs of the account's groups by name."""
        arn = self._accounts.arn(part, "user")
        file = self._file(part, UserFile)
        if file is None:
            return Holder(arn)
        self._quotas.count(part, "/groups", "groups", len(file.groups), quota.GROUPS_OF_A_USER)
        return self._holder(part, arn, file, "user", self._memberships(part, file.groups, groups))

    def role(self, part: Part) -> tuple[Holder, Trust | None]:
        """One role, and its trust policy when it has one."""
        arn = self._accounts.arn(part, "role")
        file = self._file(part, RoleFile)
        if file is None:
            return Holder(arn), None
        return self._holder(part, arn, file, "role", ()), self._trust(part, arn, file)

    def _trust(self, part: Part, arn: str, file: RoleFile) -> Trust | None:
        if file.trust is None:
            return None
        self._quotas.size(part, "/trust", "a trust policy", quota.TRUST_POLICY, file.trust)
        document = self._reader.embedded_document(part, file.trust, "/trust", PolicyKind.TRUST)
        return Trust(part, arn, Policy(f"{_owner(part, 'role')}/trust", document)) if document else None

    def _holder(self, part: Part, arn: str, file: UserFile | RoleFile, kind: str, groups: tuple[str, ...]) -> Holder:
        boundary = self._managed.find(part, "/boundary", file.boundary) if file.boundary else None
        if file.id and not is_unique_id(file.id):
            self._report.fault(part, "/id", f"'{file.id}' is not a unique id", "write it as in 'AIDA1234EXAMPLE'")
        return Holder(arn, self._policies(part, file, kind), boundary, groups, file.id, self._tags(part, file.tags))

    def _file(self, part: Part, kind: type[_Entity]) -> _Entity | None:
        """Read an entity's file; one that is a policy document is an entity with that one policy."""
        value = self._reader.value(part)
        if value is UNREAD:
            return None
        if isinstance(value, dict) and ("Statement" in value or "Version" in value):
            return self._bare(part, value, kind)
        file = self._reader.typed(part, value, kind)
        if file and self._reader.refuses_said(part, file):
            return None
        if file and _BARE in file.inline:
            self._report.fault(part, pointer("/inline", _BARE), "an inline policy has no name", "name it", key=True)
            return None
        return file

    def _bare(self, part: Part, value: dict[str, Any], kind: type[_Entity]) -> _Entity | None:
        for name in kind.__struct_fields__:
            if name in value:
                self._report.fault(part, pointer("", name), f"a policy document has no '{name}'",
                                   "move the document under 'inline: {NAME: ...}'", key=True)
                return None
        return kind(inline={_BARE: value})

    def _policies(self, part: Part, file: GroupFile | UserFile | RoleFile, kind: str) -> tuple[Policy, ...]:
        attached = self._managed.attached(part, "/policies", file.policies)
        self._quotas.count(part, "/policies", "managed policies", len(attached), quota.MANAGED_ATTACHED)
        self._quotas.size(part, "/inline", "inline policies", quota.INLINE_TOGETHER[part.place.kind],
                          *file.inline.values())
        return attached + self._inline(part, file.inline, kind)

    def _inline(self, part: Part, inline: dict[str, Any], kind: str) -> tuple[Policy, ...]:
        found, seen = [], set()
        for name, value in inline.items():
            at = "" if name == _BARE else pointer("/inline", name)
            if name != _BARE and (problem := name_problem(name, "inline")):
                self._report.fault(part, at, *problem, key=True)
            if name.lower() in seen:
                self._report.fault(part, at, f"the name '{name}' is taken but for its case", "rename one", key=True)
            seen.add(name.lower())
            if document := self._reader.embedded_document(part, value, at, PolicyKind.IDENTITY):
                owner = _owner(part, kind)
                found.append(Policy(owner if name == _BARE else f"{owner}/inline/{name}", document))
        return tuple(found)

    def _memberships(self, part: Part, names: tuple[str, ...], groups: dict[str, str]) -> tuple[str, ...]:
        for index, name in enumerate(names):
            if name not in groups:
                mend = nearest(name, groups) or f"create 'groups/{name}.yaml', or remove the name"
                self._report.fault(part, f"/groups/{index}", f"there is no group '{name}'", mend)
        return tuple(dict.fromkeys(groups[name] for name in names if name in groups))

    def _tags(self, part: Part, tags: dict[str, str]) -> dict[str, str]:
        self._quotas.count(part, "/tags", "tags", len(tags), quota.TAGS)
        seen: set[str] = set()
        for key, value in tags.items():
            problem = tag_problem(key, value)
            if key.lower() in seen:
                problem = f"the tag '{key}' is given twice but for its case", "keep one: keys ignore case"
            if problem:
                self._report.fault(part, pointer("/tags", key), *problem, key=True)
            seen.add(key.lower())
        return tags


def _owner(part: Part, kind: str) -> str:
    """``user/ann``, or ``222233334444/user/ann`` outside the folder's own account."""
    owner = f"{kind}/{part.place.name}"
    return f"{part.account}/{owner}" if part.place.account else owner
