"""Files of a folder as entities, or everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from iam_guard.directory.entities import (
    AnyEntity,
    ControlPolicy,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    PolicyVersion,
    ResourcePolicy,
    Role,
    StandingPolicy,
    User,
)
from iam_guard.model import ascii_lower
from iam_guard.policy.document import Mode, PolicyKind
from iam_guard.policy.source import pointer
from iam_guard.store.entities import (
    ControlPolicyFile,
    GroupFile,
    NamedFile,
    PolicyFile,
    ResourceFile,
    RoleFile,
    StandingPolicyFile,
    UserFile,
    VersionFile,
)
from iam_guard.store.folder_directory.completion import local_principals
from iam_guard.store.folder_directory.places import FOLDERS, Frame, implied_by
from iam_guard.store.folder_directory.texts import document_text, extra_from
from iam_guard.store.folder_directory.writing import following
from iam_guard.store.names import is_unique_id, name_problem, tag_problem
from iam_guard.store.parts import WRAPPERS, Part, PartReader
from iam_guard.store.typed import nearest

T = TypeVar("T", bound=msgspec.Struct)
#: Finds what there is under a key, read already or kept from before.
Finder = Callable[[Key], AnyEntity | None]
_Holder = UserFile | GroupFile | RoleFile

#: What others refer to is read before them.
_FIRST = ("policies", "groups")


class EntityReader:
    """Reads files that hold one entity each.

    Args:
        frame: What their places mean.
        reader: Reads texts, and keeps the report of what is wrong.
        find: Finds entities that no file read here holds.
        holder_of: Which file those are in.
        names: Gives names of one kind and account, for saying what was probably meant.
        accounts: Ids of the accounts that the folder has: what they lack is missing, and not somewhere else.
    """

    def __init__(self, frame: Frame, reader: PartReader, find: Finder, holder_of: Callable[[Key], str],
                 names: Callable[[Kind, str], Iterable[str]], accounts: frozenset[str]) -> None:
        self._holder_of, self._names = holder_of, names
        self._frame, self._reader, self._report = frame, reader, reader.report
        self._others, self._accounts = find, accounts
        self.found: dict[Key, AnyEntity] = {}
        self._unread: set[tuple[str, str, str]] = set()

    def read(self, parts: Mapping[str, Part]) -> dict[str, AnyEntity]:
        """Read files.

        Args:
            parts: Them, by path.

        Returns:
            Entities by path; less after a fault.
        """
        read: dict[str, AnyEntity] = {}
        owners: dict[Key, str] = {}
        for path in sorted(parts, key=lambda path: _turn(parts[path])):
            part = parts[path]
            entity = self._entity(part)
            if entity is None:
                self._unread.add((part.place.kind, part.account, ascii_lower(part.place.name)))
                continue
            if other := owners.get(entity.key) or self._elsewhere(entity.key):
                self._report.fault(part, "", f"'{other}' is the same thing to the guard",
                                   "keep one: names are unique whatever their case, suffix and folder")
            owners[entity.key] = part.source.file
            self.found[entity.key] = entity
            read[path] = entity
        for path, entity in read.items():
            if isinstance(entity, Role):
                self._check_trusted(parts[path], entity)
        return read

    def _check_trusted(self, part: Part, role: Role) -> None:
        """Those whom a role trusts have to be there, unless it knows them by unique id."""
        if any(fault.file == part.source.file for fault in self._report.faults):
            return
        for arn, key in local_principals(role.trust):
            if arn in role.trusted_ids or key.account not in self._accounts:
                continue
            if getattr(self._find(key), "arn", "") != arn:
                self._report.fault(part, "/trust", f"invalid principal in policy: there is no {key.kind} '{arn}'",
                                   "create its file ('{}' will do), or correct the name")

    def _elsewhere(self, key: Key) -> str:
        """A file that is not read here and holds the same."""
        return self._holder_of(key) if self._others(key) is not None else ""

    def _find(self, key: Key) -> AnyEntity | None:
        return self.found.get(key) or self._others(key)

    def _entity(self, part: Part) -> AnyEntity | None:
        before = len(self._report.faults)
        value = self._report.attempt(part.source.value)
        if len(self._report.faults) > before:
            return None
        read: Mapping[str, Callable[[Part, Any], AnyEntity | None]] = {
            "users": self._user, "groups": self._group, "roles": self._role, "policies": self._policy,
            "resources": self._resource, "everyone": self._standing, "endpoint": self._standing,
            "scps": self._control, "rcps": self._control}
        entity = read[part.place.kind](part, value)
        return entity if len(self._report.faults) == before else None

    # --- parts of files -----------------------------------------------------------------------------------

    def _typed(self, part: Part, value: Any, kind: type[T]) -> T | None:
        return self._reader.typed(part, value, kind)

    def _document(self, part: Part, value: Any, at: str, kind: PolicyKind) -> str:
        self._reader.embedded_document(part, value, at, kind)
        return document_text(value)

    def _extra(self, part: Part, value: Any, at: str = "/extra") -> dict[str, Any]:
        try:
            return {} if value is None else extra_from(value)
        except ValueError:
            self._report.fault(part, at, "an object of keys and values is expected here")
            return {}

    def _common(self, part: Part, file: NamedFile, kind: Kind) -> dict[str, Any]:
        """Account, name, path, ARN, id and dates."""
        said = {**implied_by(part.place, self._frame), "account": part.account}
        said |= {name: getattr(file, name) for name in ("account", "name", "path") if getattr(file, name) is not None}
        if file.id and not is_unique_id(file.id) and self._is_strict:
            self._report.fault(part, "/id", f"'{file.id}' is not a unique id", "write it as in 'AIDA1234EXAMPLE'")
        arn = self._frame.arn(kind, said["account"], said["path"], said["name"]) if file.arn is None else file.arn
        return {**said, "arn": arn, "id": file.id, "created": file.created, "extra": self._extra(part, file.extra)}

    @property
    def _is_strict(self) -> bool:
        return self._reader.mode is Mode.STRICT

    def _tags(self, part: Part, tags: dict[str, str]) -> dict[str, str]:
        seen: set[str] = set()
        for key, value in tags.items() if self._is_strict else ():
            problem = tag_problem(key, value)
            if key.lower() in seen:
                problem = f"the tag '{key}' is given twice but for its case", "keep one: keys ignore case"
            if problem:
                self._report.fault(part, pointer("/tags", key), *problem, key=True)
            seen.add(key.lower())
        return tags

    # --- references ---------------------------------------------------------------------------------------

    def _policy_arn(self, part: Part, at: str, account: str, reference: str) -> str:
        """The ARN of the policy that a file names."""
        fields = reference.split(":", 5)
        is_arn = len(fields) == 6
        name = ascii_lower(reference.rpartition("/")[2] if is_arn else reference)
        key = Key(Kind.POLICY, fields[4] if is_arn else account, name)
        found = self._find(key)
        if isinstance(found, ManagedPolicy) and reference in (found.arn, found.name):
            return found.arn
        is_elsewhere = is_arn and (key.account not in self._accounts or not self._is_strict)
        if not is_elsewhere and ("policies", key.account, name) not in self._unread:
            self._report.fault(part, at, f"there is no policy '{reference}'", self._mend(part, Kind.POLICY, reference))
        return reference

    def _mend(self, part: Part, kind: Kind, reference: str) -> str:
        account = part.account
        read = [one.name for one in self.found.values() if isinstance(one, ManagedPolicy | Group)
                and (one.kind, one.account) == (kind, account)]
        folder = f"accounts/{part.place.account}/" if part.place.account else ""
        return (nearest(reference, [*read, *self._names(kind, account)])
                or f"create '{folder}{FOLDERS[kind]}/{reference}.yaml', or remove the name")

    def _policies(self, part: Part, account: str, references: tuple[str, ...]) -> tuple[str, ...]:
        found: list[str] = []
        for index, reference in enumerate(references):
            arn = self._policy_arn(part, f"/policies/{index}", account, reference)
            if arn in found:
                self._report.fault(part, f"/policies/{index}", f"'{reference}' is listed twice", "remove one")
            found.append(arn)
        return tuple(found)

    def _groups(self, part: Part, account: str, names: tuple[str, ...]) -> tuple[str, ...]:
        for index, name in enumerate(names):
            group = self._find(Key(Kind.GROUP, account, ascii_lower(name)))
            if ("groups", account, ascii_lower(name)) in self._unread:
                continue
            if not isinstance(group, Group) or group.name != name:
                self._report.fault(part, f"/groups/{index}", f"there is no group '{name}'",
                                   self._mend(part, Kind.GROUP, name))
        return tuple(dict.fromkeys(names))

    # --- users, groups and roles --------------------------------------------------------------------------

    def _holder(self, part: Part, value: Any, kind: type[T]) -> T | None:
        """Read an entity's file; one that is a policy document is an entity with that one policy."""
        if not isinstance(value, dict) or not ("Statement" in value or "Version" in value):
            return self._typed(part, value, kind)
        for name in kind.__struct_fields__:
            if name in value:
                self._report.fault(part, pointer("", name), f"a policy document has no '{name}'",
                                   "move the document under 'inline: {NAME: ...}'", key=True)
                return None
        self._reader.embedded_document(part, value, "", PolicyKind.IDENTITY)
        return kind(inline={part.place.name: value})

    def _held(self, part: Part, file: _Holder, kind: Kind) -> dict[str, Any]:
        common = self._common(part, file, kind)
        return {**common, "policies": self._policies(part, common["account"], file.policies),
                "inline": self._inline(part, file.inline)}

    def _inline(self, part: Part, inline: dict[str, Any]) -> dict[str, str]:
        seen: set[str] = set()
        for name in inline:
            at = pointer("/inline", name)
            if (problem := name_problem(name, "inline")) and self._is_strict:
                self._report.fault(part, at, *problem, key=True)
            if name.lower() in seen:
                self._report.fault(part, at, f"the name '{name}' is taken but for its case", "rename one", key=True)
            seen.add(name.lower())
        return {name: self._document(part, value, pointer("/inline", name), PolicyKind.IDENTITY)
                for name, value in inline.items()}

    def _boundary(self, part: Part, account: str, reference: str) -> str:
        return self._policy_arn(part, "/boundary", account, reference) if reference else ""

    def _user(self, part: Part, value: Any) -> AnyEntity | None:
        if (file := self._holder(part, value, UserFile)) is None:
            return None
        held = self._held(part, file, Kind.USER)
        return User(**held, groups=self._groups(part, held["account"], file.groups), tags=self._tags(part, file.tags),
                    boundary=self._boundary(part, held["account"], file.boundary))

    def _group(self, part: Part, value: Any) -> AnyEntity | None:
        file = self._holder(part, value, GroupFile)
        return Group(**self._held(part, file, Kind.GROUP)) if file else None

    def _role(self, part: Part, value: Any) -> AnyEntity | None:
        if (file := self._holder(part, value, RoleFile)) is None:
            return None
        held = self._held(part, file, Kind.ROLE)
        trust = "" if file.trust is None else self._document(part, file.trust, "/trust", PolicyKind.TRUST)
        return Role(**held, trust=trust, trusted_ids=file.trusted_ids, tags=self._tags(part, file.tags),
                    description=file.description, max_session_duration=file.max_session_duration,
                    boundary=self._boundary(part, held["account"], file.boundary))

    # --- policies -----------------------------------------------------------------------------------------

    def _unwrapped(self, part: Part, value: Any, kind: type[T]) -> T | None:
        """Read a file that is a document, or wraps some."""
        if isinstance(value, dict) and not WRAPPERS.isdisjoint(value):
            return self._typed(part, value, kind)
        return kind(document=value)

    def _policy(self, part: Part, value: Any) -> AnyEntity | None:
        file = self._unwrapped(part, value, PolicyFile)
        if file is None or (versions := self._versions(part, value, file)) is None:
            return None
        default = file.default
        if versions and default not in [one.id for one in versions]:
            self._report.fault(part, "/default", f"there is no version '{default}'", "write the id of another")
        following_one = following(one.id for one in versions) if file.next_version is None else file.next_version
        return ManagedPolicy(**self._common(part, file, Kind.POLICY), versions=versions, default=default,
                             next_version=following_one, description=file.description, updated=file.updated,
                             tags=self._tags(part, file.tags), attachable=file.attachable)

    def _versions(self, part: Part, value: Any, file: PolicyFile) -> tuple[PolicyVersion, ...] | None:
        if file.versions is None:
            at = "/document" if isinstance(value, dict) and "document" in value else ""
            text = self._document(part, file.document, at, PolicyKind.IDENTITY)
            return (PolicyVersion(id="v1", document=text, created=file.created),)
        if file.document is not None:
            self._report.fault(part, "/document", "the documents are under 'versions'", "keep one of the two", key=True)
            return None
        return tuple(self._version(part, name, one) for name, one in file.versions.items())

    def _version(self, part: Part, name: str, file: VersionFile) -> PolicyVersion:
        at = pointer("/versions", name)
        return PolicyVersion(id=name, document=self._document(part, file.document, f"{at}/document",
                                                              PolicyKind.IDENTITY),
                             created=file.created, extra=self._extra(part, file.extra, f"{at}/extra"))

    def _control(self, part: Part, value: Any) -> AnyEntity | None:
        if (file := self._unwrapped(part, value, ControlPolicyFile)) is None:
            return None
        kind = PolicyKind.SCP if part.place.kind == "scps" else PolicyKind.RCP
        return ControlPolicy(type="scp" if kind is PolicyKind.SCP else "rcp",
                             name=part.place.name if file.name is None else file.name,
                             document=self._whole(part, value, file.document, kind), id=file.id,
                             description=file.description, created=file.created, extra=self._extra(part, file.extra))

    def _standing(self, part: Part, value: Any) -> AnyEntity | None:
        if (file := self._unwrapped(part, value, StandingPolicyFile)) is None:
            return None
        is_ceiling = part.place.kind == "endpoint"
        kind = PolicyKind.ENDPOINT if is_ceiling else PolicyKind.IDENTITY
        implied = implied_by(part.place, self._frame)
        return StandingPolicy(account=implied["account"] if file.account is None else file.account,
                              name=implied["name"] if file.name is None else file.name,
                              reach="endpoint" if is_ceiling else "everyone",
                              document=self._whole(part, value, file.document, kind),
                              extra=self._extra(part, file.extra))

    def _whole(self, part: Part, value: Any, document: Any, kind: PolicyKind) -> str:
        return self._document(part, document, "" if value is document else "/document", kind)

    def _resource(self, part: Part, value: Any) -> AnyEntity | None:
        if isinstance(value, dict) and "Statement" in value:
            self._report.fault(part, "", "the file does not say whose policy it is",
                               "write 'resource: ARN' and move the document under 'policy:'")
            return None
        if (file := self._typed(part, value, ResourceFile)) is None:
            return None
        name = implied_by(part.place, self._frame, file.resource)["name"] if file.name is None else file.name
        return ResourcePolicy(account=part.account if file.account is None else file.account, arn=file.resource,
                              document=self._document(part, file.policy, "/policy", PolicyKind.RESOURCE), name=name,
                              named_ids=file.named_ids, extra=self._extra(part, file.extra))


def _turn(part: Part) -> tuple[int, str]:
    kind = part.place.kind
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST), part.source.file

