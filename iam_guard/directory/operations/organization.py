"""The organization: a tree of units with accounts for leaves."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from iam_guard.directory.checks import check_room
from iam_guard.directory.entities import Account, Kind, Organization, Unit
from iam_guard.directory.management import (
    Managing,
    accounts_in,
    arn_in_organization,
    depth_of,
    find_account,
    find_node,
    find_organization,
    find_unit,
    node_arn,
    organization_of,
    units_in,
)
from iam_guard.directory.operation import Answer, Listing, Operation, Work, slice_of
from iam_guard.directory.operations.accounts import account_shape, check_display_name
from iam_guard.directory.shapes import Shape
from iam_guard.errors import DeleteConflictError, EntityAlreadyExistsError, InvalidInputError
from iam_guard.model import ascii_lower

_LONGEST_NAME = 128


def _organization_shape(work: Work, found: Organization) -> Shape:
    return {"Id": found.id, "MasterAccountId": found.management, "FeatureSet": "ALL",
            "Arn": f"arn:{work.settings.partition}:organizations::{found.management}:organization/{found.id}"}


def unit_shape(work: Work, unit: Unit) -> Shape:
    """How answers write a unit or the root."""
    return {"Id": unit.id, "Arn": node_arn(work, unit.id), "Name": unit.name}


def _new_node_id(work: Work, prefix: str) -> str:
    return ascii_lower(work.new_id(prefix))


# --- the whole ------------------------------------------------------------------------------------------


class CreateOrganization(Managing, Operation, frozen=True, kw_only=True):
    """Make the organization; the account that does becomes the one that manages it, and nothing limits it."""

    grants: ClassVar[bool] = True

    def manage(self, work: Work) -> Answer:
        """Make it."""
        if organization_of(work) is not None:
            raise EntityAlreadyExistsError("There is an organization already.")
        root = Unit(id=_new_node_id(work, "r-"), name="Root")
        made = Organization(id=_new_node_id(work, "o-"), management=work.account, root=root.id, created=work.timestamp)
        account = work.tx.get(Account(account=work.account).key)
        account = account if isinstance(account, Account) else Account(account=work.account, created=work.timestamp)
        for entity in (root, made, replace(account, parent=root.id)):
            work.tx.put(entity)
        return {"Organization": _organization_shape(work, made)}


class DescribeOrganization(Managing, Operation, frozen=True, kw_only=True):
    """Look at the organization."""

    changes: ClassVar[bool] = False

    def manage(self, work: Work) -> Answer:
        """Look."""
        return {"Organization": _organization_shape(work, find_organization(work))}


class DeleteOrganization(Managing, Operation, frozen=True, kw_only=True):
    """Take the organization away, once there is nothing in it but the account that manages it."""

    grants: ClassVar[bool] = True

    def manage(self, work: Work) -> Answer:
        """Take it away."""
        organization = find_organization(work)
        inside = accounts_in(work, organization.root)
        if units_in(work, organization.root) or any(one.account != work.account for one in inside):
            raise DeleteConflictError("Cannot delete an organization that has units or other accounts.")
        if work.tx.count(Kind.CONTROL_POLICY, ""):
            raise DeleteConflictError("Cannot delete an organization that has control policies.")
        for account in inside:
            work.tx.put(replace(account, parent="", scps=None, rcps=()))
        work.tx.delete(find_unit(work, organization.root).key)
        work.tx.delete(organization.key)
        return {}


class ListRoots(Managing, Operation, frozen=True, kw_only=True):
    """List the roots of the organization, of which there is one."""

    changes: ClassVar[bool] = False

    def manage(self, work: Work) -> Answer:
        """List it."""
        return {"Roots": [unit_shape(work, find_unit(work, find_organization(work).root))]}


# --- units ----------------------------------------------------------------------------------------------


class CreateOrganizationalUnit(Managing, Operation, frozen=True, kw_only=True):
    """Make a unit.

    Attributes:
        parent_id: Id of the root or unit it is in.
        name: What people call it.
    """

    parent_id: str
    name: str

    def resource(self, work: Work) -> str:
        """What it is to be in."""
        return node_arn(work, self.parent_id)

    def manage(self, work: Work) -> Answer:
        """Make it."""
        parent = find_unit(work, self.parent_id)
        _check_unit_name(work, self.name, parent.id)
        check_room(depth_of(work, parent), work.quotas.unit_depth, "OuDepth")
        unit = Unit(id=_new_node_id(work, "ou-"), name=self.name, parent=parent.id)
        work.tx.put(unit)
        return {"OrganizationalUnit": unit_shape(work, unit)}


def _check_unit_name(work: Work, name: str, parent: str) -> None:
    check_display_name(name, "name", _LONGEST_NAME)
    if any(ascii_lower(unit.name) == ascii_lower(name) for unit in units_in(work, parent)):
        raise EntityAlreadyExistsError("There is a unit of this name already.")


class UnitOperation(Managing, Operation, frozen=True, kw_only=True):
    """An operation on one unit.

    Attributes:
        organizational_unit_id: Its id.
    """

    organizational_unit_id: str

    def resource(self, work: Work) -> str:
        """The unit."""
        return node_arn(work, self.organizational_unit_id)

    def unit(self, work: Work) -> Unit:
        """The unit.

        Raises:
            NoSuchEntityError: there is none.
            InvalidInputError: it is the root.
        """
        found = find_unit(work, self.organizational_unit_id)
        if not found.parent:
            raise InvalidInputError("The root is not an organizational unit.")
        return found


class DescribeOrganizationalUnit(UnitOperation, frozen=True, kw_only=True):
    """Look at a unit."""

    changes: ClassVar[bool] = False

    def manage(self, work: Work) -> Answer:
        """Look."""
        return {"OrganizationalUnit": unit_shape(work, self.unit(work))}


class UpdateOrganizationalUnit(UnitOperation, frozen=True, kw_only=True):
    """Call a unit otherwise; its id stays.

    Attributes:
        name: How.
    """

    name: str

    def manage(self, work: Work) -> Answer:
        """Rename it."""
        unit = self.unit(work)
        if ascii_lower(unit.name) != ascii_lower(self.name):
            _check_unit_name(work, self.name, unit.parent)
        unit = replace(unit, name=self.name)
        work.tx.put(unit)
        return {"OrganizationalUnit": unit_shape(work, unit)}


class DeleteOrganizationalUnit(UnitOperation, frozen=True, kw_only=True):
    """Take a unit away that is empty."""

    def manage(self, work: Work) -> Answer:
        """Take it away."""
        unit = self.unit(work)
        if units_in(work, unit.id) or accounts_in(work, unit.id):
            raise DeleteConflictError("Cannot delete an organizational unit that has units or accounts.")
        work.tx.delete(unit.key)
        return {}


# --- accounts in the tree -------------------------------------------------------------------------------


class MoveAccount(Managing, Operation, frozen=True, kw_only=True):
    """Move an account to another place in the tree, where other policies may limit it.

    Attributes:
        account_id: Id of the account.
        source_parent_id: Id of the root or unit it is in; empty for one that is not in the tree yet.
        destination_parent_id: Id of the root or unit it is to be in.
    """

    grants: ClassVar[bool] = True

    account_id: str
    destination_parent_id: str
    source_parent_id: str = ""

    def resource(self, work: Work) -> str:
        """The account."""
        return arn_in_organization(work, "account", self.account_id)

    def manage(self, work: Work) -> Answer:
        """Move it."""
        account = find_account(work, self.account_id)
        if account.parent != self.source_parent_id:
            raise InvalidInputError("The account is not in the root or unit that sourceParentId names.")
        work.tx.put(replace(account, parent=find_unit(work, self.destination_parent_id).id))
        return {}


class RemoveAccountFromOrganization(Managing, Operation, frozen=True, kw_only=True):
    """Take an account out of the tree: nothing in it limits the account any more.

    Attributes:
        account_id: Id of the account.
    """

    grants: ClassVar[bool] = True

    account_id: str

    def resource(self, work: Work) -> str:
        """The account."""
        return arn_in_organization(work, "account", self.account_id)

    def manage(self, work: Work) -> Answer:
        """Take it out."""
        account = find_account(work, self.account_id)
        if account.account == find_organization(work).management:
            raise DeleteConflictError("The management account cannot leave the organization.")
        work.tx.put(replace(account, parent="", scps=None, rcps=()))
        return {}


class InParent(Managing, Listing, frozen=True, kw_only=True):
    """A list of what is right below a root or unit.

    Attributes:
        parent_id: Its id.
    """

    parent_id: str

    def resource(self, work: Work) -> str:
        """The root or unit."""
        return node_arn(work, self.parent_id)


class ListOrganizationalUnitsForParent(InParent, frozen=True, kw_only=True):
    """List the units right below a root or unit."""

    def manage(self, work: Work) -> Answer:
        """List them."""
        parent = find_unit(work, self.parent_id)
        page, rest = slice_of(self, [(unit.id, unit) for unit in units_in(work, parent.id)])
        return {"OrganizationalUnits": [unit_shape(work, unit) for unit in page], **rest}


class ListAccountsForParent(InParent, frozen=True, kw_only=True):
    """List the accounts right below a root or unit."""

    def manage(self, work: Work) -> Answer:
        """List them."""
        parent = find_unit(work, self.parent_id)
        page, rest = slice_of(self, [(one.account, one) for one in accounts_in(work, parent.id)])
        return {"Accounts": [account_shape(work, one) for one in page], **rest}


class ListParents(Managing, Operation, frozen=True, kw_only=True):
    """Tell what a unit or account is in.

    Attributes:
        child_id: Its id.
    """

    changes: ClassVar[bool] = False

    child_id: str

    def resource(self, work: Work) -> str:
        """The unit or account."""
        return node_arn(work, self.child_id)

    def manage(self, work: Work) -> Answer:
        """Tell."""
        parent = find_node(work, self.child_id).parent
        kind = "ORGANIZATIONAL_UNIT" if parent and find_unit(work, parent).parent else "ROOT"
        return {"Parents": [{"Id": parent, "Type": kind}] if parent else []}
