"""The files of a policy folder to one snapshot: whole, or every fault at once and nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from iam_guard.engine.attachments import DECISIVE_SERVICES, Attachments, Guardrails, Holder, Policy
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION
from iam_guard.policy.document import Mode, PolicyKind
from iam_guard.store.accounts import Accounts, assign_accounts, read_folder_settings
from iam_guard.store.base import Snapshot
from iam_guard.store.entities import AccountFile, FolderSettings, StandingPolicyFile
from iam_guard.store.folder import FolderFile, revision_of
from iam_guard.store.holders import HolderReader, Trust
from iam_guard.store.layout import EMPTY_MARKER
from iam_guard.store.managed import ManagedPolicies
from iam_guard.store.organization import OrganizationReader
from iam_guard.store.parts import Part, PartReader, Report, put_in_place
from iam_guard.store.quotas import Quotas
from iam_guard.store.resources import ResourceReader


@dataclass(frozen=True, slots=True)
class Home:
    """What the reader of a folder wants its ARNs to say; empty to leave it to ``folder.yaml``.

    Attributes:
        partition: Second field of every ARN.
        account: Id of the folder's own account.
    """

    partition: str = ""
    account: str = ""


def is_empty(files: Iterable[FolderFile]) -> bool:
    """Whether a folder holds nothing but, perhaps, its settings."""
    return all(file.path.parent.parts == () and file.path.stem in ("folder", EMPTY_MARKER) for file in files)


def read_directory(files: Sequence[FolderFile], wanted: Home) -> Snapshot:
    """Make a snapshot of the files of a folder.

    Raises:
        ConfigurationError: with everything that is wrong with any of them.
    """
    report = Report()
    parts = put_in_place(files, report)
    settings = read_folder_settings(parts, report)
    _check_home(parts, settings, wanted, report)
    accounts = Accounts(settings.partition or wanted.partition or DEFAULT_PARTITION,
                        settings.account or wanted.account or DEFAULT_ACCOUNT, settings.accounts)
    parts = assign_accounts(parts, accounts, report)
    attachments = _Assembly(parts, settings, accounts, report).attachments()
    report.raise_faults()
    return Snapshot(attachments, revision_of(files), accounts.partition, accounts.home, tuple(report.notes))


def home_of(files: Iterable[FolderFile], wanted: Home) -> Home:
    """The partition and account that a folder's ARNs have; what is wrong in it is told when it is loaded."""
    report = Report()
    settings = read_folder_settings(put_in_place(files, report), report)
    return Home(wanted.partition or settings.partition or DEFAULT_PARTITION,
                wanted.account or settings.account or DEFAULT_ACCOUNT)


def _check_home(parts: Iterable[Part], settings: FolderSettings, wanted: Home, report: Report) -> None:
    """Resources and policies have to agree on partition and account, or nothing ever matches."""
    for part in parts:
        for name in ("partition", "account") if part.place.kind == "folder" else ():
            here, there = getattr(settings, name), getattr(wanted, name)
            if here and there and here != there:
                message = f"the {name} is '{here}' here and '{there}' in the settings of the guard"
                report.fault(part, f"/{name}", message, "make them equal, or leave one out")


class _Assembly:
    """Reads the parts in the order in which they refer to one another."""

    def __init__(self, parts: Sequence[Part], settings: FolderSettings, accounts: Accounts, report: Report) -> None:
        self._parts, self._settings, self._accounts = parts, settings, accounts
        self._reader = PartReader(report, Mode(settings.mode))
        self._quotas = Quotas(report, enforced=settings.quotas == "aws")

    def attachments(self) -> Attachments:
        managed = ManagedPolicies(self._of("policies"), self._accounts, self._reader, self._quotas)
        reader = HolderReader(self._accounts, managed, self._reader, self._quotas)
        groups = reader.groups(self._of("groups"))
        roles = [reader.role(part) for part in self._of("roles")]
        holders = {holder.arn: holder for holder in [*self._users(reader), *(role for role, _ in roles)]}
        managed.note_unused()
        self._check_accounts()
        return Attachments(
            everyone=self._documents("everyone", PolicyKind.IDENTITY), holders=holders, groups=groups,
            resources=self._resources([trust for _, trust in roles if trust], holders),
            guardrails=self._guardrails(), endpoint=self._documents("endpoint", PolicyKind.ENDPOINT) or None,
            decisive=DECISIVE_SERVICES | set(self._settings.decisive))

    def _check_accounts(self) -> None:
        """Limits that stand beside the organization's tree would be no limits here."""
        for part in self._of("account"):
            file = self._reader.typed_file(part, AccountFile)
            for name in ("account", "parent", "scps", "rcps") if file else ():
                if getattr(file, name):
                    self._reader.report.fault(part, f"/{name}", f"'{name}' is not read here",
                                              "give the account its place in 'organization.yaml'", key=True)

    def _of(self, kind: str) -> list[Part]:
        return [part for part in self._parts if part.place.kind == kind]

    def _users(self, reader: HolderReader) -> list[Holder]:
        groups: dict[str, dict[str, str]] = {}
        for part in self._of("groups"):
            groups.setdefault(part.account, {})[part.place.name] = self._accounts.arn(part, "group")
        return [reader.user(part, groups.get(part.account, {})) for part in self._of("users")]

    def _documents(self, kind: str, policy_kind: PolicyKind) -> tuple[Policy, ...]:
        """Whole documents; a single file is called by its own name."""
        found = []
        for part in self._of(kind):
            name = kind if kind == part.place.name and kind == "endpoint" else f"{kind}/{part.place.label}"
            if document := self._reader.wrapped_document(part, policy_kind, StandingPolicyFile):
                found.append(Policy(name, document))
        return tuple(found)

    def _resources(self, trusts: list[Trust], holders: dict[str, Holder]) -> dict[str, Policy]:
        reader = ResourceReader(self._reader, self._accounts)
        return {**reader.resources(self._of("resources")), **reader.trusts(trusts, holders)}

    def _guardrails(self) -> dict[str, Guardrails]:
        trees = self._of("organization")
        in_use = {part.account for part in self._parts if part.place.kind in ("users", "groups", "roles", "policies")}
        reader = OrganizationReader(self._accounts, self._reader, self._quotas)
        return reader.guardrails(trees[0] if trees else None, self._of("scps"), self._of("rcps"), in_use)
