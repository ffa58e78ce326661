"""Where an entity has its file, and what the file has to say because its place does not."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from iam_guard.directory.entities import (
    AnyEntity,
    ControlPolicy,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    ResourcePolicy,
    Role,
    StandingPolicy,
    User,
)
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION
from iam_guard.store.accounts import PLATFORM
from iam_guard.store.layout import ODD, SUFFIXES, Place
from iam_guard.store.names import is_account_id, name_problem, path_problem

#: Kinds that are in ``folder.yaml``, ``organization.yaml`` and ``account.yaml`` together.
FRAME_KINDS = frozenset({Kind.SETTINGS, Kind.ACCOUNT, Kind.ORGANIZATION, Kind.UNIT})
#: Folders of those files.
FRAME_FOLDERS = frozenset({"folder", "organization", "account"})

Named = User | Group | Role | ManagedPolicy
NOUNS = {Kind.USER: "user", Kind.GROUP: "group", Kind.ROLE: "role", Kind.POLICY: "policy"}
FOLDERS = {Kind.USER: "users", Kind.GROUP: "groups", Kind.ROLE: "roles", Kind.POLICY: "policies"}

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_+=,@-]")
_PLAIN = re.compile(r"[A-Za-z0-9_+=,@%-][A-Za-z0-9_+=,.@%-]*\Z")
_LONGEST, _DEEPEST = 200, 8


@dataclass(frozen=True, slots=True)
class Frame:
    """What the places of files mean.

    Attributes:
        partition: Second field of every ARN.
        home: Id of the folder's own account.
        folders: Ids of further accounts by the names of their folders; empty where names are ids.
        quotas: What ``folder.yaml`` says of quotas.
    """

    partition: str = DEFAULT_PARTITION
    home: str = DEFAULT_ACCOUNT
    folders: dict[str, str] = field(default_factory=dict)
    quotas: str = "none"

    def folder_of(self, account: str) -> str | None:
        """The folder of an account; empty for the folder's own, ``None`` when it can have none."""
        if account == self.home:
            return ""
        for name, listed in self.folders.items():
            if listed == account:
                return name
        is_free = not self.folders or account == PLATFORM
        fits = account == PLATFORM or (is_account_id(account) and not account.endswith((".md", "~")))
        return account if is_free and fits else None

    def account_of(self, folder: str) -> str | None:
        """The account of a folder under ``accounts/``; ``None`` when there is none."""
        if folder in self.folders:
            return self.folders[folder]
        if folder in ("", PLATFORM):
            return self.home if not folder else PLATFORM
        is_id = folder in self.folders.values() if self.folders else is_account_id(folder)
        return folder if is_id or folder == self.home else None

    def arn(self, kind: Kind, account: str, path: str, name: str) -> str:
        """The ARN that an entity has unless its file says otherwise."""
        return f"arn:{self.partition}:iam::{account}:{NOUNS[kind]}{path}{name}"


def path_of(place: Place, suffix: str) -> str:
    """The file of a place, relative to the folder."""
    above = f"accounts/{place.account}/" if place.account else ""
    if place.kind == "endpoint" and place.name == "endpoint":
        return f"endpoint{suffix}"
    if place.kind in FRAME_FOLDERS:
        return f"{above}{place.name}{suffix}"
    return f"{above}{place.kind}/{place.label}{suffix}"


def suffix_of(path: str) -> str:
    """The suffix of a file."""
    return next((suffix for suffix in SUFFIXES if path.endswith(suffix)), SUFFIXES[0])


def odd_name(key: Key) -> str:
    """A name for the file of what has none; no two keys have the same."""
    digest = hashlib.sha256("\0".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    plain = _NOT_PLAIN.sub("_", key.name)[:60]
    return f"{ODD}{plain}-{digest}"


def resource_name(arn: str) -> str:
    """What the file of a resource's policy is called when the policy has no name."""
    digest = hashlib.sha256(arn.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    plain = _NOT_PLAIN.sub("-", arn.split(":", 5)[-1]).strip("-")[:60] or "resource"
    return f"{plain}-{digest}"


# --- which place ------------------------------------------------------------------------------------------


def place_for(entity: AnyEntity, now: Place | None, frame: Frame) -> Place:
    """The place of an entity with a file of its own: where it is *now* when that says as much as any other."""
    wanted = _wanted(entity, frame) or odd_place(entity)
    if now and said_of(entity, now, frame).keys() <= said_of(entity, wanted, frame).keys():
        return now
    return wanted


def odd_place(entity: AnyEntity) -> Place:
    """A place that nothing else can have."""
    return Place(_folder(entity), odd_name(entity.key))


def _folder(entity: AnyEntity) -> str:
    if isinstance(entity, ControlPolicy):
        return f"{entity.type}s"
    if isinstance(entity, StandingPolicy):
        return entity.reach
    return "resources" if isinstance(entity, ResourcePolicy) else FOLDERS[entity.kind]


def _wanted(entity: AnyEntity, frame: Frame) -> Place | None:
    """The place that says everything there is to say, where there is one."""
    folder = _folder(entity)
    if isinstance(entity, ControlPolicy):
        return Place(folder, entity.name) if _is_name(entity.name, "policies") else None
    if isinstance(entity, StandingPolicy):
        return _labelled(folder, entity.name, "") if entity.account == frame.home else None
    account = frame.folder_of(entity.account)
    if account is None:
        return None
    if isinstance(entity, ResourcePolicy):
        return _labelled(folder, entity.name or resource_name(entity.arn), account)
    assert isinstance(entity, Named)
    return Place(folder, entity.name, _steps(entity.path), account) if _is_name(entity.name, folder) else None


def _labelled(folder: str, label: str, account: str) -> Place | None:
    *steps, name = label.split("/")
    fits = all(_PLAIN.match(step) and not step.endswith(".md") for step in (*steps, name))
    return Place(folder, name, tuple(steps), account) if fits and len(label) <= _LONGEST else None


def _is_name(name: str, folder: str) -> bool:
    return bool(_PLAIN.match(name)) and len(name) <= _LONGEST and name_problem(name, folder) is None


def _steps(path: str) -> tuple[str, ...]:
    """The folders of an IAM path; none where folders cannot be called that."""
    steps = tuple(path.strip("/").split("/")) if path != "/" else ()
    fits = all(_PLAIN.match(step) and not step.endswith(".md") for step in steps) and path_problem(steps) is None
    return steps if fits and len(steps) <= _DEEPEST and len(path) <= _LONGEST else ()


# --- what the place does not say --------------------------------------------------------------------------


def said_of(entity: AnyEntity, place: Place, frame: Frame) -> dict[str, Any]:
    """What a file at *place* has to say of the entity's account, name, path and ARN."""
    implied = implied_by(place, frame, entity.arn if isinstance(entity, ResourcePolicy) else "")
    said = {name: getattr(entity, name) for name, value in implied.items() if getattr(entity, name) != value}
    if isinstance(entity, Named) and entity.arn != frame.arn(entity.kind, entity.account, entity.path, entity.name):
        said["arn"] = entity.arn
    return said


def implied_by(place: Place, frame: Frame, resource: str = "") -> dict[str, str]:
    """What a place says of the account, name and path of what is there."""
    account = frame.account_of(place.account)
    if place.kind in ("scps", "rcps"):
        return {"name": place.name}
    if place.kind in ("everyone", "endpoint"):
        return {"account": frame.home, "name": place.label}
    if place.kind == "resources":
        is_made = place.steps == () and place.name == resource_name(resource)
        return {"account": account or "", "name": "" if is_made else place.label}
    return {"account": account or "", "name": place.name, "path": place.path}
