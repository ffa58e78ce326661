"""Settings, accounts and the organization as the values of their files: the frame that all others stand in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from iam_guard.directory.entities import Account, AnyEntity, Organization, Settings, Unit
from iam_guard.store.folder_directory.places import Frame, odd_name, path_of
from iam_guard.store.folder_directory.texts import extra_value
from iam_guard.store.layout import Place
from iam_guard.store.organization import MAX_UNIT_DEPTH

Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FrameEntities:
    """The entities of the frame.

    Attributes:
        settings: What holds for the whole directory, where that was said.
        accounts: The accounts by id.
        organization: The organization, where there is one.
        units: Its units by id.
    """

    settings: Settings | None
    accounts: Mapping[str, Account]
    organization: Organization | None
    units: Mapping[str, Unit]

    @classmethod
    def among(cls, entities: Iterable[AnyEntity]) -> FrameEntities:
        """Pick them out."""
        found = list(entities)
        return cls(next((one for one in found if isinstance(one, Settings)), None),
                   {one.account: one for one in found if isinstance(one, Account)},
                   next((one for one in found if isinstance(one, Organization)), None),
                   {one.id: one for one in found if isinstance(one, Unit)})


def frame_of(entities: FrameEntities, before: Frame) -> Frame:
    """What places mean with these entities; folders keep their names."""
    settings = entities.settings
    if settings is None:
        return Frame()
    folders = {name: account for name, account in before.folders.items() if account in entities.accounts}
    if folders:
        missing = sorted(entities.accounts.keys() - {*folders.values(), settings.default_account})
        folders |= {account: account for account in missing if Frame().folder_of(account)}
    return Frame(settings.partition, settings.default_account, folders, before.quotas)


def frame_values(entities: FrameEntities, frame: Frame) -> dict[str, Value]:
    """The files of the frame, by path without suffix."""
    found: dict[str, Value] = {}
    if entities.settings:
        found["folder"] = _folder(entities.settings, frame)
    tree = _Tree(entities, frame)
    if entities.organization or entities.units:
        found["organization"] = tree.file(entities.organization)
    for account in entities.accounts.values():
        place, said = _account_place(account, frame)
        found[path_of(place, "")] = said | _account(account, frame, is_placed=account.account in tree.placed)
    return found


def _folder(settings: Settings, frame: Frame) -> Value:
    value: Value = {"partition": settings.partition, "account": settings.default_account}
    if frame.folders:
        value["accounts"] = dict(frame.folders)
    if settings.imported:
        value["mode"] = "import"
    if frame.quotas != "none":
        value["quotas"] = frame.quotas
    if settings.decisive:
        value["decisive"] = list(settings.decisive)
    return value | _extra(settings.extra)


def _extra(extra: dict[str, Any]) -> Value:
    return {"extra": extra_value(extra)} if extra else {}


def _account_place(account: Account, frame: Frame) -> tuple[Place, Value]:
    folder = frame.folder_of(account.account)
    if folder is not None:
        return Place("account", "account", (), folder), {}
    return Place("account", "account", (), odd_name(account.key)), {"account": account.account}


def _account(account: Account, frame: Frame, *, is_placed: bool) -> Value:
    value: Value = {}
    if account.name != implied_name(account.account, frame):
        value["name"] = account.name
    if account.created:
        value["created"] = account.created
    if account.tags:
        value["tags"] = account.tags
    if account.password_policy is not None:
        value["password_policy"] = msgspec.to_builtins(account.password_policy)
    if account.parent and not is_placed:
        value["parent"] = account.parent
    return value | ({} if is_placed else limits_of(account)) | _extra(account.extra)


def implied_name(account: str, frame: Frame) -> str:
    """The name of an account whose file says none: that of its folder, where that is not the id."""
    return next((name for name, listed in frame.folders.items() if listed == account and name != account), "")


def limits_of(one: Account | Unit) -> Value:
    """Control policies of a node; nothing where there are those that every node has."""
    value: Value = {}
    if one.scps is not None:
        value["scps"] = list(one.scps)
    if one.rcps:
        value["rcps"] = list(one.rcps)
    return value


class _Tree:
    """The tree of units and accounts.

    Attributes:
        placed: Ids of the accounts that have a place in it.
    """

    def __init__(self, entities: FrameEntities, frame: Frame) -> None:
        self._units, self._frame = entities.units, frame
        self._children: dict[str, list[Unit]] = {}
        self._accounts: dict[str, list[Account]] = {}
        self._reached: set[str] = set()
        self.placed: set[str] = set()
        for unit in sorted(entities.units.values(), key=lambda unit: unit.name):
            self._children.setdefault(unit.parent, []).append(unit)
        for account in entities.accounts.values():
            self._accounts.setdefault(account.parent, []).append(account)

    def file(self, organization: Organization | None) -> Value:
        """``organization.yaml``."""
        value = self._organization(organization) if organization else {"root": None}
        loose = [self._loose(unit) for unit in self._units.values() if unit.id not in self._reached]
        return value | ({"loose": loose} if loose else {})

    def _organization(self, organization: Organization) -> Value:
        value: Value = {"id": organization.id}
        for name in ("management", "created"):
            if getattr(organization, name):
                value[name] = getattr(organization, name)
        root = self._root(organization.root)
        said = {"root_id": organization.root} if root is None and organization.root else {}
        return value | _extra(organization.extra) | said | {"root": root}

    def _root(self, id: str) -> Value | None:
        root = self._units.get(id)
        return self._unit(root, "root", 0) if root and root.parent == "" and id else None

    def _unit(self, unit: Unit, key: str, depth: int) -> Value:
        self._reached.add(unit.id)
        value = {"id": unit.id, **({"name": unit.name} if unit.name != key else {}), **limits_of(unit),
                 **_extra(unit.extra)}
        if accounts := self._accounts_of(unit):
            value["accounts"] = accounts
        units: Value = {}
        for child in self._children.get(unit.id, ()) if depth < MAX_UNIT_DEPTH else ():
            if child.id not in self._reached and (name := _free(child, units)):
                units[name] = self._unit(child, name, depth + 1)
        return value | ({"units": units} if units else {})

    def _accounts_of(self, unit: Unit) -> Value:
        found: Value = {}
        for account in self._accounts.get(unit.id, ()):
            folder = self._frame.folder_of(account.account)
            if folder is not None:
                found[folder or account.account] = limits_of(account) or None
                self.placed.add(account.account)
        return found

    def _loose(self, unit: Unit) -> Value:
        named = {name: getattr(unit, name) for name in ("id", "name", "parent") if getattr(unit, name)}
        return {"id": unit.id, **named, **limits_of(unit), **_extra(unit.extra)}


def _free(unit: Unit, taken: Value) -> str:
    """A key for a unit among its neighbours: its name, else its id; empty when both are taken."""
    return next((name for name in (unit.name, unit.id) if name and name not in taken), "")
