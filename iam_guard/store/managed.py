"""Managed policies of a folder: read once, attached by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from iam_guard.engine.attachments import Policy
from iam_guard.policy.document import PolicyKind
from iam_guard.store.accounts import PLATFORM, Accounts
from iam_guard.store.entities import PolicyFile
from iam_guard.store.parts import Part, PartReader
from iam_guard.store.quotas import MANAGED_POLICY, Quotas
from iam_guard.store.typed import nearest


@dataclass(slots=True)
class _Entry:
    part: Part
    arn: str
    policy: Policy | None
    is_used: bool = False


class ManagedPolicies:
    """Finds managed policies by name or ARN, within one account and among those of the platform.

    Args:
        parts: The files under ``policies/`` of all accounts.
        accounts: Gives ARNs.
        reader: Reads the documents.
        quotas: Looks at their sizes.
    """

    def __init__(self, parts: Iterable[Part], accounts: Accounts, reader: PartReader, quotas: Quotas) -> None:
        self._reader = reader
        self._by_account: dict[str, dict[str, _Entry]] = {}
        self._by_arn: dict[str, _Entry] = {}
        for part in parts:
            quotas.file_size(part, "a managed policy", MANAGED_POLICY)
            document = reader.wrapped_document(part, PolicyKind.IDENTITY, PolicyFile)
            arn = accounts.arn(part, "policy")
            entry = _Entry(part, arn, Policy(arn, document) if document else None)
            self._by_account.setdefault(part.account, {})[part.place.name] = entry
            self._by_arn[arn] = entry

    def find(self, part: Part, at: str, reference: str) -> Policy | None:
        """The policy that the file *part* refers to at the pointer *at*.

        A reference to nothing is reported; one to a policy that could not be read was reported already.
        """
        known = self._by_account.get(part.account, {})
        entry = known.get(reference) or self._by_arn.get(reference)
        if entry and entry.part.account not in (part.account, PLATFORM):
            entry = None
        if entry is None:
            folder = f"accounts/{part.place.account}/" if part.place.account else ""
            mend = nearest(reference, known) or f"create '{folder}policies/{reference}.yaml', or remove the name"
            self._reader.report.fault(part, at, f"there is no policy '{reference}'", mend)
            return None
        entry.is_used = True
        return entry.policy

    def attached(self, part: Part, at: str, references: tuple[str, ...]) -> tuple[Policy, ...]:
        """The policies of a list of references."""
        found = []
        for index, reference in enumerate(references):
            if reference in references[:index]:
                self._reader.report.fault(part, f"{at}/{index}", f"'{reference}' is listed twice", "remove one")
            elif policy := self.find(part, f"{at}/{index}", reference):
                found.append(policy)
        return tuple(found)

    def note_unused(self) -> None:
        """Note the policies that are attached to nobody."""
        for known in self._by_account.values():
            for name, entry in known.items():
                if not entry.is_used:
                    self._reader.report.note(entry.part, "", f"the policy '{name}' is attached to nobody",
                                             "name it under 'policies' of a user, group or role")
