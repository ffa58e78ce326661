"""``folder.yaml``, ``organization.yaml`` and every ``account.yaml``: what all other files stand in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from iam_guard.directory.entities import Account, AnyEntity, Organization, Settings, Unit
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION
from iam_guard.policy.document import Mode
from iam_guard.policy.source import pointer
from iam_guard.store.accounts import PLATFORM, read_folder_settings
from iam_guard.store.entities import (
    AccountFile,
    AccountNode,
    FolderSettings,
    LooseUnit,
    OrganizationFile,
    UnitNode,
)
from iam_guard.store.folder_directory.frame_writing import implied_name
from iam_guard.store.folder_directory.places import Frame
from iam_guard.store.folder_directory.texts import extra_from
from iam_guard.store.layout import ODD
from iam_guard.store.organization import MAX_UNIT_DEPTH
from iam_guard.store.parts import Part, PartReader, Report
from iam_guard.store.typed import nearest

_ORGANIZATION_ID = re.compile(r"o-[a-z0-9-]+\Z")


@dataclass(frozen=True, slots=True)
class FrameRead:
    """What the files of the frame say.

    Attributes:
        frame: What places mean.
        mode: How strictly documents are read.
        entities: Settings, accounts, organization and units.
    """

    frame: Frame
    mode: Mode
    entities: tuple[AnyEntity, ...]

    @property
    def accounts(self) -> frozenset[str]:
        """Ids of the accounts that the folder has."""
        named = [one.account for one in self.entities if isinstance(one, Account)]
        return frozenset((self.frame.home, PLATFORM, *self.frame.folders.values(), *named))


def read_frame(parts: Iterable[Part], report: Report) -> FrameRead:
    """Read the files of the frame."""
    return _FrameReader(list(parts), report).read()


def assign_accounts(parts: Mapping[str, Part], frame: Frame, report: Report) -> dict[str, Part]:
    """Give every file its account; a folder without one, or a second one for an account, is a fault."""
    folders: dict[str, str] = {}
    assigned, reported = {}, set()
    for path, part in parts.items():
        name = part.place.account
        account = frame.account_of(name)
        problem = _folder_problem(name, account, folders.setdefault(account or "", name), frame)
        if problem and name not in reported:
            report.fault(part, "", *problem)
            reported.add(name)
        assigned[path] = replace(part, account=frame.home if account is None else account)
    return assigned


def _folder_problem(name: str, account: str | None, first: str, frame: Frame) -> tuple[str, str] | None:
    if name.startswith(ODD):
        return None
    if account is None:
        return f"'accounts/{name}/' has no account id", f"add '{name}: \"...\"' to 'accounts' in folder.yaml"
    if name and account == frame.home:
        return f"'accounts/{name}/' is the folder's own account", "move its files to the top of the folder"
    if first != name:
        return f"'accounts/{name}/' and 'accounts/{first}/' are one account", "keep one of the two folders"
    return None


@dataclass(slots=True)
class _Draft:
    """An account as far as it is known.

    Attributes:
        node: Where ``organization.yaml`` has it, and under which unit.
        file: What its own file says.
    """

    node: tuple[str, AccountNode] | None = None
    file: AccountFile | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class _FrameReader:
    def __init__(self, parts: list[Part], report: Report) -> None:
        self._parts, self._report = parts, report
        self._reader = PartReader(report, Mode.STRICT)
        self._frame = Frame()
        self._drafts: dict[str, _Draft] = {}
        self._units: dict[str, Unit] = {}

    def read(self) -> FrameRead:
        """Read everything."""
        file = read_folder_settings(self._parts, self._report)
        self._frame = Frame(file.partition or DEFAULT_PARTITION, file.account or DEFAULT_ACCOUNT, file.accounts,
                            file.quotas)
        found: list[AnyEntity] = list(self._settings(file))
        for account in file.accounts.values():
            self._draft(account)
        for part in self._of("account"):
            self._account_file(part)
        for part in self._of("organization"):
            found += self._organization(part)
        accounts = [self._account(account, draft) for account, draft in self._drafts.items()]
        return FrameRead(self._frame, Mode(file.mode), (*found, *self._units.values(), *accounts))

    def _of(self, kind: str) -> Iterator[Part]:
        return (part for part in self._parts if part.place.kind == kind)

    def _extra(self, part: Part, value: Any, at: str = "/extra") -> dict[str, Any]:
        try:
            return {} if value is None else extra_from(value)
        except ValueError:
            self._report.fault(part, at, "an object of keys and values is expected here")
            return {}

    def _settings(self, file: FolderSettings) -> Iterator[Settings]:
        for part in self._of("folder"):
            yield Settings(partition=self._frame.partition, default_account=self._frame.home, decisive=file.decisive,
                           imported=file.mode == "import", extra=self._extra(part, file.extra))

    # --- accounts -----------------------------------------------------------------------------------------

    def _draft(self, account: str) -> _Draft:
        return self._drafts.setdefault(account, _Draft())

    def _account_file(self, part: Part) -> None:
        file = self._reader.typed_file(part, AccountFile)
        if file is None:
            return
        account = self._frame.account_of(part.place.account) if file.account is None else file.account
        if account is None:
            return  # reported where accounts are given to files
        draft = self._draft(account)
        if draft.file is not None:
            self._report.fault(part, "", f"the account '{account}' has a file already", "keep one of the two")
        draft.file, draft.extra = file, self._extra(part, file.extra)

    def _account(self, account: str, draft: _Draft) -> Account:
        file = draft.file or AccountFile()
        parent, limits = draft.node or (file.parent, AccountNode(file.scps, file.rcps))
        name = implied_name(account, self._frame) if file.name is None else file.name
        return Account(account=account, name=name, parent=parent, scps=limits.scps, rcps=limits.rcps, tags=file.tags,
                       created=file.created, password_policy=file.password_policy, extra=draft.extra)

    # --- the organization ---------------------------------------------------------------------------------

    def _organization(self, part: Part) -> Iterator[Organization]:
        file = self._reader.typed_file(part, OrganizationFile)
        if file is None:
            return
        if file.id and not _ORGANIZATION_ID.match(file.id):
            self._report.fault(part, "/id", f"'{file.id}' is not an id", "use lower-case letters, digits and '-'")
        root = self._unit(part, "/root", "root", file.root, "", 0) if file.root else file.root_id
        for index, loose in enumerate(file.loose):
            self._loose(part, index, loose)
        if file.root or file.id is not None:
            management = self._account_id(part, "/management", file.management) if file.management else ""
            yield Organization(id=file.id or "", management=management, root=root, created=file.created,
                               extra=self._extra(part, file.extra))

    def _unit(self, part: Part, at: str, key: str, node: UnitNode, parent: str, depth: int) -> str:
        if depth > MAX_UNIT_DEPTH:
            self._report.fault(part, at, f"units are nested deeper than {MAX_UNIT_DEPTH}", "flatten the tree")
            return ""
        unit = Unit(id=node.id or key, name=key if node.name is None else node.name, parent=parent, scps=node.scps,
                    rcps=node.rcps, extra=self._extra(part, node.extra, f"{at}/extra"))
        self._add(part, at, unit)
        self._check_limits(part, at, node)
        for name, account in node.accounts.items():
            self._place(part, pointer(f"{at}/accounts", name), name, account or AccountNode(), unit.id)
        for name, below in node.units.items():
            self._unit(part, pointer(f"{at}/units", name), name, below, unit.id, depth + 1)
        return unit.id

    def _loose(self, part: Part, index: int, file: LooseUnit) -> None:
        at = f"/loose/{index}"
        self._add(part, at, Unit(id=file.id, name=file.name, parent=file.parent, scps=file.scps, rcps=file.rcps,
                                 extra=self._extra(part, file.extra, f"{at}/extra")))

    def _add(self, part: Part, at: str, unit: Unit) -> None:
        if unit.id in self._units:
            self._report.fault(part, at, f"there is a unit '{unit.id}' already", "give each an 'id' of its own",
                               key=True)
        self._units[unit.id] = unit

    def _place(self, part: Part, at: str, name: str, node: AccountNode, unit: str) -> None:
        account = self._account_id(part, at, name)
        draft = self._draft(account)
        if draft.node is not None:
            self._report.fault(part, at, f"the account '{name}' is in the tree already", "keep one place", key=True)
        draft.node = unit, node
        self._check_limits(part, at, node)

    def _account_id(self, part: Part, at: str, name: str) -> str:
        account = self._frame.account_of(name)
        if account is None or not name:
            mend = nearest(name, self._frame.folders) or f"add '{name}: \"...\"' to 'accounts' in folder.yaml"
            self._report.fault(part, at, f"there is no account '{name}'", mend, key=at != "/management")
        return account or name

    def _check_limits(self, part: Part, at: str, node: UnitNode | AccountNode) -> None:
        if node.scps == ():
            self._report.fault(part, f"{at}/scps", "no control policy is attached, which allows nothing",
                               "write '[FullAWSAccess]', or leave the key out")
