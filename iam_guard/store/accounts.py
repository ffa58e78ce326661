"""Which account each file of a policy folder belongs to, and how the folder is to be read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from iam_guard.policy.document import Mode
from iam_guard.policy.source import pointer
from iam_guard.store.entities import FolderSettings
from iam_guard.store.names import is_account_id
from iam_guard.store.parts import Part, PartReader, Report

_PARTITION = re.compile(r"[A-Za-z0-9-]+\Z")
_ACCOUNT_MEND = "write twelve digits in quotes, or a name"
_SERVICE = re.compile(r"[A-Za-z0-9.-]+\Z")

#: The account of policies that come with the platform.
PLATFORM = "aws"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a folder.

    Attributes:
        partition: Second field of every ARN.
        home: Id of the folder's own account.
        others: Ids of further accounts by folder name; empty when folders are called by their ids.
    """

    partition: str
    home: str
    others: dict[str, str]

    def id_of(self, name: str) -> str | None:
        """The id that a folder name or an id stands for; ``None`` when it is unknown.

        Where ``folder.yaml`` lists accounts, the list is complete; where it does not, a name is an id.
        """
        if not name or name == self.home:
            return self.home
        if name == PLATFORM:
            return PLATFORM
        if self.others:
            return self.others.get(name) or (name if name in self.others.values() else None)
        return name if is_account_id(name) else None

    def arn(self, part: Part, kind: str) -> str:
        """The ARN of the entity in *part*, *kind* being ``user``, ``group``, ``role`` or ``policy``."""
        return f"arn:{self.partition}:iam::{part.account}:{kind}{part.place.path}{part.place.name}"


def read_folder_settings(parts: Iterable[Part], report: Report) -> FolderSettings:
    """Read ``folder.yaml``; what it does not say has its default."""
    for part in parts:
        if part.place.kind == "folder":
            reader = PartReader(report, Mode.STRICT)
            settings = reader.typed_file(part, FolderSettings)
            if settings:
                _check_settings(part, settings, report)
                return settings
    return FolderSettings()


def _check_settings(part: Part, settings: FolderSettings, report: Report) -> None:
    if settings.partition and not _PARTITION.match(settings.partition):
        report.fault(part, "/partition", f"'{settings.partition}' is not a partition", "use letters, digits and '-'")
    if settings.account and not is_account_id(settings.account):
        report.fault(part, "/account", f"'{settings.account}' is not an account id", _ACCOUNT_MEND)
    seen = {settings.account: "the folder's own account"}
    for name, account in settings.accounts.items():
        at = pointer("/accounts", name)
        if not is_account_id(account):
            report.fault(part, at, f"'{account}' is not an account id", _ACCOUNT_MEND)
        elif account in seen:
            report.fault(part, at, f"'{account}' is already {seen[account]}", "give every account its own id")
        seen[account] = f"the account '{name}'"
    for index, service in enumerate(settings.decisive):
        if not _SERVICE.match(service):
            report.fault(part, f"/decisive/{index}", f"'{service}' is not a service prefix", "write it as in 'kms'")


def assign_accounts(parts: Iterable[Part], accounts: Accounts, report: Report) -> list[Part]:
    """Give every part its account; an account folder without an id, or a second one for an id, is a fault."""
    assigned = []
    folders: dict[str, str] = {accounts.home: ""}
    reported: set[str] = set()
    for part in parts:
        name = part.place.account
        account = accounts.id_of(name)
        first = folders.setdefault(account, name) if account else None
        if first != name and name not in reported:
            reported.add(name)
            report.fault(part, "", *_folder_problem(name, account, first))
        assigned.append(replace(part, account=account or accounts.home))
    return assigned


def _folder_problem(name: str, account: str | None, first: str | None) -> tuple[str, str]:
    if account is None:
        return f"'accounts/{name}/' has no account id", f"add '{name}: \"...\"' to 'accounts' in folder.yaml"
    if first == "":
        return f"'accounts/{name}/' is the folder's own account", "move its files to the top of the folder"
    return f"'accounts/{name}/' and 'accounts/{first}/' are one account", "keep one of the two folders"
