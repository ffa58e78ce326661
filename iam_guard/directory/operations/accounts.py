"""Accounts: each a tenant with users, groups, roles and policies of its own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from typing import ClassVar

from msgspec.structs import replace

from iam_guard.directory.checks import PLATFORM, new_tags_context, tag_context, tags_from
from iam_guard.directory.entities import Account, Key, Kind
from iam_guard.directory.management import (
    Managing,
    arn_in_organization,
    find_account,
    management_account,
    organization_of,
)
from iam_guard.directory.operation import Answer, Listing, Operation, Work, slice_of
from iam_guard.directory.shapes import Shape, Tag, tags_shape
from iam_guard.errors import DeleteConflictError, EntityAlreadyExistsError, InvalidInputError
from iam_guard.model import ContextValue

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DIGITS = 12
_RESERVED = frozenset({PLATFORM, "anonymous"})
_LONGEST_NAME = 50
#: What an account may still hold.
_CONTENTS = (Kind.USER, Kind.GROUP, Kind.ROLE, Kind.POLICY, Kind.RESOURCE_POLICY, Kind.STANDING_POLICY)


# --- checks and shapes ----------------------------------------------------------------------------------


def check_account_id(id: str) -> None:
    """Check the id of an account to be: twelve digits, or a tenant's name.

    Raises:
        InvalidInputError: it is neither. A number of another length is a mistyped id, and no name.
    """
    if id.isdigit():
        is_fine = id.isascii() and len(id) == _DIGITS
    else:
        is_fine = bool(_TENANT.fullmatch(id)) and id.lower() not in _RESERVED
    if not is_fine:
        raise InvalidInputError("The specified value for accountId is invalid. It must be twelve digits, or a name of "
                                "letters, digits and any of ._- that begins with one of the former.")


def check_display_name(name: str, parameter: str, longest: int) -> None:
    """Check what people call something.

    Raises:
        InvalidInputError: it is empty, too long, or holds control characters.
    """
    if not name.strip() or len(name) > longest or not name.isprintable():
        raise InvalidInputError(f"The specified value for {parameter} is invalid. It must have 1 to {longest} "
                                "printable characters.")


def account_shape(work: Work, account: Account) -> Shape:
    """How answers write an account."""
    shape: Shape = {"Id": account.account, "Arn": arn_in_organization(work, "account", account.account),
                    "Name": account.name, "Status": "ACTIVE", "JoinedTimestamp": account.created,
                    "Tags": tags_shape(account.tags)}
    return {name: value for name, value in shape.items() if value not in ("", [])}


def _is_used(work: Work, account: str) -> bool:
    """Whether an account is there, be it only that something belongs to it."""
    return (work.tx.get(Key(Kind.ACCOUNT, account, account)) is not None or account == management_account(work)
            or _holds_anything(work, account))


def _holds_anything(work: Work, account: str) -> bool:
    return any(work.tx.count(kind, account) for kind in _CONTENTS)


# --- operations -----------------------------------------------------------------------------------------


class CreateAccount(Managing, Operation, frozen=True, kw_only=True):
    """Make an account. In an organization it is put right below the root, where the root's policies limit it.

    Attributes:
        account_name: What people call it.
        account_id: Its id; twelve digits are thrown when it is left out.
        tags: Its tags.
    """

    account_name: str
    account_id: str = ""
    tags: tuple[Tag, ...] = ()

    def resource(self, work: Work) -> str:
        """The account to be; its id may not be known yet."""
        return arn_in_organization(work, "account", self.account_id or "*")

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The tags that are asked for."""
        return {**tag_context(self.tags), **new_tags_context(self.tags)}

    def manage(self, work: Work) -> Answer:
        """Make it."""
        check_display_name(self.account_name, "accountName", _LONGEST_NAME)
        name = self.account_id or _free_id(work)
        check_account_id(name)
        if _is_used(work, name):
            raise EntityAlreadyExistsError("An account with this id already exists.")
        organization = organization_of(work)
        account = Account(account=name, name=self.account_name, parent=organization.root if organization else "",
                          tags=tags_from(self.tags, work.quotas), created=work.timestamp)
        work.tx.put(account)
        return {"Account": account_shape(work, account)}


def _free_id(work: Work) -> str:
    while _is_used(work, found := f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"):
        pass
    return found


class AccountOperation(Managing, Operation, frozen=True, kw_only=True):
    """An operation on one account.

    Attributes:
        account_id: Its id.
    """

    account_id: str

    def resource(self, work: Work) -> str:
        """The account."""
        return arn_in_organization(work, "account", self.account_id)


class DescribeAccount(AccountOperation, frozen=True, kw_only=True):
    """Look at an account."""

    changes: ClassVar[bool] = False

    def manage(self, work: Work) -> Answer:
        """Look."""
        return {"Account": account_shape(work, find_account(work, self.account_id))}


class RenameAccount(AccountOperation, frozen=True, kw_only=True):
    """Call an account otherwise; its id stays.

    Attributes:
        account_name: How.
    """

    account_name: str

    def manage(self, work: Work) -> Answer:
        """Rename it."""
        check_display_name(self.account_name, "accountName", _LONGEST_NAME)
        work.tx.put(replace(find_account(work, self.account_id), name=self.account_name))
        return {}


class CloseAccount(AccountOperation, frozen=True, kw_only=True):
    """Take an account away that holds nothing any more."""

    # Whoever comes with this account from elsewhere is no longer under the policies of the tree.
    grants: ClassVar[bool] = True

    def manage(self, work: Work) -> Answer:
        """Take it away."""
        account = find_account(work, self.account_id)
        if account.account == management_account(work):
            raise DeleteConflictError("The management account cannot be closed.")
        if _holds_anything(work, account.account):
            raise DeleteConflictError("Cannot close an account that has users, groups, roles or policies.")
        work.tx.delete(account.key)
        return {}


class ListAccounts(Managing, Listing, frozen=True, kw_only=True):
    """List all accounts, in the organization or not."""

    def manage(self, work: Work) -> Answer:
        """List them."""
        page, rest = slice_of(self, ((one, one) for one in _account_ids(work)))
        return {"Accounts": [account_shape(work, find_account(work, one)) for one in page], **rest}


def _account_ids(work: Work) -> Iterator[str]:
    for key, _ in work.tx.scan():
        if key.kind > Kind.ACCOUNT:  # the keys are in order
            return
        if key.kind is Kind.ACCOUNT:
            yield key.account


class GetAccountSummary(Operation, frozen=True, kw_only=True):
    """Count what the account has, and say how much it may have."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Count."""
        quotas = work.quotas
        counted = {"Users": Kind.USER, "Groups": Kind.GROUP, "Roles": Kind.ROLE, "Policies": Kind.POLICY}
        return {"SummaryMap": {
            **{name: work.tx.count(kind, work.account) for name, kind in counted.items()},
            "UsersQuota": quotas.users, "GroupsQuota": quotas.groups, "RolesQuota": quotas.roles,
            "PoliciesQuota": quotas.policies, "GroupsPerUserQuota": quotas.groups_per_user,
            "AccessKeysPerUserQuota": quotas.access_keys_per_user, "VersionsPerPolicyQuota": quotas.versions,
            "PolicySizeQuota": quotas.managed_policy_size, "UserPolicySizeQuota": quotas.user_inline_size,
            "GroupPolicySizeQuota": quotas.group_inline_size, "RolePolicySizeQuota": quotas.role_inline_size,
            "AssumeRolePolicySizeQuota": quotas.trust_policy_size,
            "AttachedPoliciesPerUserQuota": quotas.policies_per_user,
            "AttachedPoliciesPerGroupQuota": quotas.policies_per_group,
            "AttachedPoliciesPerRoleQuota": quotas.policies_per_role}}


# --- what holds for all accounts ------------------------------------------------------------------------

_SERVICE = re.compile(r"[a-z0-9-]+")


class GetDirectorySettings(Managing, Operation, frozen=True, kw_only=True):
    """Tell what holds for the whole directory."""

    changes: ClassVar[bool] = False

    def manage(self, work: Work) -> Answer:
        """Tell."""
        settings = work.settings
        return {"DirectorySettings": {"Partition": settings.partition, "DefaultAccount": settings.default_account,
                                      "DecisiveServices": list(settings.decisive), "Imported": settings.imported}}


class UpdateDirectorySettings(Managing, Operation, frozen=True, kw_only=True):
    """Change what holds for the whole directory. Partition and default account are part of every ARN and stay.

    Attributes:
        decisive_services: Further services whose resources' own policy has to allow.
    """

    # Without its place here, a service's resources are open to whoever has an identity policy.
    grants: ClassVar[bool] = True

    decisive_services: tuple[str, ...]

    def manage(self, work: Work) -> Answer:
        """Change it."""
        if not all(_SERVICE.fullmatch(service) for service in self.decisive_services):
            raise InvalidInputError("The specified value for decisiveServices is invalid. A service is lower-case "
                                    "letters, digits and hyphens.")
        work.tx.put(replace(work.settings, decisive=tuple(sorted(set(self.decisive_services)))))
        return {}
