"""The tree of units and accounts."""

from __future__ import annotations

from typing import Any

import pytest

from iam_guard.directory.entities import Account, Kind
from iam_guard.directory.operations.accounts import CreateAccount
from iam_guard.directory.operations.control_policies import CreateControlPolicy
from iam_guard.directory.operations.organization import (
    CreateOrganization,
    CreateOrganizationalUnit,
    DeleteOrganization,
    DeleteOrganizationalUnit,
    DescribeOrganization,
    DescribeOrganizationalUnit,
    ListAccountsForParent,
    ListOrganizationalUnitsForParent,
    ListParents,
    ListRoots,
    MoveAccount,
    RemoveAccountFromOrganization,
    UpdateOrganizationalUnit,
)
from iam_guard.errors import (
    DeleteConflictError,
    EntityAlreadyExistsError,
    InvalidInputError,
    LimitExceededError,
    NoSuchEntityError,
)

ACCOUNT = "000000000000"
TENANT = "111122223333"


@pytest.fixture
def root(do: Any) -> str:
    do(CreateOrganization())
    return do(ListRoots())["Roots"][0]["Id"]


@pytest.fixture
def unit(do: Any, root: str) -> Any:
    return lambda name, parent=root: do(CreateOrganizationalUnit(parent_id=parent,
                                                                 name=name))["OrganizationalUnit"]["Id"]


def test_whoever_makes_the_organization_manages_it(do: Any, get: Any) -> None:
    made = do(CreateOrganization())
    assert made["Organization"]["MasterAccountId"] == ACCOUNT
    assert made["Organization"]["Id"].startswith("o-")
    assert do(DescribeOrganization()) == made
    assert get(Kind.ACCOUNT, ACCOUNT, ACCOUNT).parent == do(ListRoots())["Roots"][0]["Id"]
    with pytest.raises(EntityAlreadyExistsError):
        do(CreateOrganization())


def test_ids_are_what_the_folder_format_takes(do: Any, unit: Any, root: str) -> None:
    for found, prefix in [(unit("a"), "ou-"), (root, "r-"), (do(DescribeOrganization())["Organization"]["Id"], "o-")]:
        assert found.startswith(prefix)
        assert found == found.lower()


@pytest.mark.parametrize("operation", [DescribeOrganization(), DeleteOrganization(), ListRoots(),
                                       RemoveAccountFromOrganization(account_id=TENANT)])
def test_without_an_organization_there_is_no_tree(do: Any, operation: Any) -> None:
    with pytest.raises(NoSuchEntityError):
        do(operation)


def test_units_are_made_looked_at_renamed_and_deleted(do: Any, unit: Any, referee: Any) -> None:
    name = unit("Teams")
    arn = f"arn:app:organizations::{ACCOUNT}:ou/{do(DescribeOrganization())['Organization']['Id']}/{name}"
    assert do(DescribeOrganizationalUnit(organizational_unit_id=name)) == {
        "OrganizationalUnit": {"Id": name, "Arn": arn, "Name": "Teams"}}
    assert referee.asked[-1][:2] == ("organizations:DescribeOrganizationalUnit", arn)
    do(UpdateOrganizationalUnit(organizational_unit_id=name, name="teams"))
    do(DeleteOrganizationalUnit(organizational_unit_id=name))
    with pytest.raises(NoSuchEntityError):
        do(DescribeOrganizationalUnit(organizational_unit_id=name))


def test_siblings_have_different_names(do: Any, unit: Any) -> None:
    first, second = unit("a"), unit("b")
    with pytest.raises(EntityAlreadyExistsError):
        unit("A")
    with pytest.raises(EntityAlreadyExistsError):
        do(UpdateOrganizationalUnit(organizational_unit_id=second, name="A"))
    unit("A", first)


def test_units_are_nested_five_deep_at_most(unit: Any, root: str) -> None:
    parent = root
    for level in range(5):
        parent = unit(f"level{level}", parent)
    with pytest.raises(LimitExceededError):
        unit("level5", parent)


@pytest.mark.parametrize("operation", [DescribeOrganizationalUnit, DeleteOrganizationalUnit])
def test_the_root_is_no_unit(do: Any, root: str, operation: Any) -> None:
    with pytest.raises(InvalidInputError):
        do(operation(organizational_unit_id=root))


def test_a_unit_with_something_in_it_stays(do: Any, unit: Any, root: str) -> None:
    full = unit("full")
    unit("inner", full)
    with pytest.raises(DeleteConflictError):
        do(DeleteOrganizationalUnit(organizational_unit_id=full))


def test_an_account_is_moved_from_where_it_is(do: Any, unit: Any, root: str) -> None:
    do(CreateAccount(account_name="Tenant", account_id=TENANT))
    there = unit("there")
    with pytest.raises(InvalidInputError):
        do(MoveAccount(account_id=TENANT, source_parent_id=there, destination_parent_id=root))
    with pytest.raises(NoSuchEntityError):
        do(MoveAccount(account_id=TENANT, source_parent_id=root, destination_parent_id="ou-none"))
    do(MoveAccount(account_id=TENANT, source_parent_id=root, destination_parent_id=there))
    assert do(ListParents(child_id=TENANT)) == {"Parents": [{"Id": there, "Type": "ORGANIZATIONAL_UNIT"}]}
    assert [one["Id"] for one in do(ListAccountsForParent(parent_id=there))["Accounts"]] == [TENANT]
    assert [one["Id"] for one in do(ListAccountsForParent(parent_id=root))["Accounts"]] == [ACCOUNT]
    with pytest.raises(DeleteConflictError):
        do(DeleteOrganizationalUnit(organizational_unit_id=there))


def test_an_account_leaves_and_comes_back(do: Any, put: Any, get: Any, root: str) -> None:
    put(Account(account=TENANT, name="Tenant", parent=root, scps=("X",), rcps=("Y",)))
    do(RemoveAccountFromOrganization(account_id=TENANT))
    assert get(Kind.ACCOUNT, TENANT, TENANT) == Account(account=TENANT, name="Tenant")
    assert do(ListParents(child_id=TENANT)) == {"Parents": []}
    do(MoveAccount(account_id=TENANT, destination_parent_id=root))
    assert do(ListParents(child_id=TENANT)) == {"Parents": [{"Id": root, "Type": "ROOT"}]}
    with pytest.raises(DeleteConflictError):
        do(RemoveAccountFromOrganization(account_id=ACCOUNT))


def test_units_are_listed(do: Any, unit: Any, root: str) -> None:
    made = {unit(name) for name in ("a", "b", "c")}
    first = do(ListOrganizationalUnitsForParent(parent_id=root, max_items=2))
    rest = do(ListOrganizationalUnitsForParent(parent_id=root, max_items=2, marker=first["Marker"]))
    found = [one["Id"] for page in (first, rest) for one in page["OrganizationalUnits"]]
    assert sorted(made) == found


def test_an_organization_ends_when_it_is_empty(do: Any, get: Any, unit: Any) -> None:
    inner = unit("a")
    with pytest.raises(DeleteConflictError):
        do(DeleteOrganization())
    do(DeleteOrganizationalUnit(organizational_unit_id=inner))
    do(CreateControlPolicy(type="SERVICE_CONTROL_POLICY", name="X", content='{"Version":"2012-10-17","Statement":'
                           '[{"Effect":"Deny","Action":"a:B","Resource":"*"}]}'))
    with pytest.raises(DeleteConflictError):
        do(DeleteOrganization())


def test_nothing_stays_of_an_organization(do: Any, get: Any, root: str) -> None:
    do(DeleteOrganization())
    assert get(Kind.ORGANIZATION, "", "") is None
    assert get(Kind.UNIT, root, "") is None
    assert get(Kind.ACCOUNT, ACCOUNT, ACCOUNT).parent == ""
