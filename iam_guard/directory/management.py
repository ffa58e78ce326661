"""What the managing account alone does: it makes accounts, places them, and says what limits them all."""

from __future__ import annotations

from typing import cast

from iam_guard.directory.entities import Account, Key, Kind, Organization, Relation, Unit
from iam_guard.directory.operation import Answer, Work
from iam_guard.errors import NoSuchEntityError, OperationDeniedError

_ORGANIZATION = Key(Kind.ORGANIZATION, "", "")


def organization_of(work: Work) -> Organization | None:
    """The organization, if there is one."""
    found = work.tx.get(_ORGANIZATION)
    return found if isinstance(found, Organization) else None


def find_organization(work: Work) -> Organization:
    """The organization.

    Raises:
        NoSuchEntityError: there is none.
    """
    found = organization_of(work)
    if found is None:
        raise NoSuchEntityError("There is no organization.")
    return found


def management_account(work: Work) -> str:
    """Id of the managing account: the organization's, or the default one where there is no organization."""
    organization = organization_of(work)
    return (organization.management if organization else "") or work.settings.default_account


def check_management(work: Work) -> None:
    """Check that the caller belongs to the managing account and works in it.

    A policy of another account may say ``Allow`` for any action on any resource; that is about its own account,
    and does not reach up to what is above all of them.

    Raises:
        OperationDeniedError: not.
    """
    if {work.account, work.caller.account} != {management_account(work)}:
        raise OperationDeniedError("only the management account can do this")


class Managing:
    """Made part of an operation, it leaves that to the managing account."""

    __slots__ = ()

    @property
    def action(self) -> str:
        """``organizations:MoveAccount``."""
        return f"organizations:{type(self).__name__}"

    def run(self, work: Work) -> Answer:
        """Do it, if it is for the caller's account to do.

        Raises:
            OperationDeniedError: it is not.
            DirectoryError: it cannot be done; nothing is kept of it.
        """
        check_management(work)
        return self.manage(work)

    def manage(self, work: Work) -> Answer:
        """Do it."""
        raise NotImplementedError


# --- the tree -------------------------------------------------------------------------------------------


def arn_in_organization(work: Work, noun: str, id: str) -> str:
    """The ARN of an account, unit or control policy: ``arn:app:organizations::MANAGEMENT:ou/o-.../ou-...``."""
    organization = organization_of(work)
    within = f"{organization.id}/" if organization else ""
    return f"arn:{work.settings.partition}:organizations::{management_account(work)}:{noun}/{within}{id}"


def find_account(work: Work, id: str) -> Account:
    """The account with an id.

    Raises:
        NoSuchEntityError: there is none.
    """
    found = work.tx.get(Key(Kind.ACCOUNT, id, id))
    if not isinstance(found, Account):
        raise NoSuchEntityError("There is no account with this id.")
    return found


def find_unit(work: Work, id: str) -> Unit:
    """The root or organizational unit with an id.

    Raises:
        NoSuchEntityError: there is none.
    """
    found = work.tx.get(Key(Kind.UNIT, "", id))
    if not isinstance(found, Unit):
        raise NoSuchEntityError("There is no root or organizational unit with this id.")
    return found


def find_node(work: Work, id: str) -> Account | Unit:
    """The account, unit or root with an id.

    Raises:
        NoSuchEntityError: there is none.
    """
    return find_unit(work, id) if isinstance(work.tx.get(Key(Kind.UNIT, "", id)), Unit) else find_account(work, id)


def node_arn(work: Work, id: str) -> str:
    """The ARN of an account, unit or root, be it there or not."""
    noun = "root" if id.startswith("r-") else "ou" if id.startswith("ou-") else "account"
    return arn_in_organization(work, noun, id)


def units_in(work: Work, parent: str) -> list[Unit]:
    """The units right below a node."""
    return [cast("Unit", work.tx.get(key)) for key in work.tx.linking(Relation.PARENT, parent, kind=Kind.UNIT)]


def accounts_in(work: Work, parent: str) -> list[Account]:
    """The accounts right below a node."""
    return [cast("Account", work.tx.get(key)) for key in work.tx.linking(Relation.PARENT, parent, kind=Kind.ACCOUNT)]


def depth_of(work: Work, unit: Unit) -> int:
    """How many units are above this one; 0 for the root."""
    return depth_of(work, find_unit(work, unit.parent)) + 1 if unit.parent else 0
