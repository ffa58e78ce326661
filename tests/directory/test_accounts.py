"""Accounts, and what the managing account alone may do."""

from __future__ import annotations

from typing import Any

import pytest

from iam_guard.directory.entities import Account, Kind, Settings, User
from iam_guard.directory.management import Managing
from iam_guard.directory.operations import OPERATIONS
from iam_guard.directory.operations.accounts import (
    CloseAccount,
    CreateAccount,
    DescribeAccount,
    GetAccountSummary,
    GetDirectorySettings,
    ListAccounts,
    RenameAccount,
    UpdateDirectorySettings,
)
from iam_guard.directory.operations.organization import CreateOrganization
from iam_guard.directory.quotas import Quotas
from iam_guard.directory.shapes import Tag
from iam_guard.errors import (
    DeleteConflictError,
    EntityAlreadyExistsError,
    InvalidInputError,
    NoSuchEntityError,
    OperationDeniedError,
)
from iam_guard.model import Principal

ACCOUNT = "000000000000"
TENANT = "111122223333"


@pytest.fixture
def tenant(do: Any) -> str:
    return do(CreateAccount(account_name="Tenant", account_id=TENANT))["Account"]["Id"]


def test_an_account_is_made_and_looked_at(do: Any, referee: Any) -> None:
    made = do(CreateAccount(account_name="Tenant", account_id=TENANT, tags=(Tag(key="team", value="x"),)))
    arn = f"arn:app:organizations::{ACCOUNT}:account/{TENANT}"
    assert made == {"Account": {"Id": TENANT, "Arn": arn, "Name": "Tenant", "Status": "ACTIVE",
                                "JoinedTimestamp": "2026-01-01T12:00:00Z", "Tags": [{"Key": "team", "Value": "x"}]}}
    assert do(DescribeAccount(account_id=TENANT)) == made
    assert [asked[:2] for asked in referee.asked] == [("organizations:CreateAccount", arn),
                                                      ("organizations:DescribeAccount", arn)]


def test_an_id_is_thrown_when_none_is_given(do: Any) -> None:
    first, second = (do(CreateAccount(account_name="Tenant"))["Account"]["Id"] for _ in range(2))
    assert first != second
    assert len(first) == 12
    assert first.isdigit()


@pytest.mark.parametrize("id", ["1", "1234567890123", "aws", "AWS", "anonymous", "-x", "a:b", "a/b", "x" * 129,
                                "\u0661" * 12])
def test_ids_that_no_arn_can_hold(do: Any, id: str) -> None:
    with pytest.raises(InvalidInputError):
        do(CreateAccount(account_name="Tenant", account_id=id))


@pytest.mark.parametrize("name", [" ", "", "x" * 51, "a\nb"])
def test_names_of_accounts_are_checked(do: Any, name: str) -> None:
    with pytest.raises(InvalidInputError):
        do(CreateAccount(account_name=name))


def test_an_id_in_use_is_not_given_again(do: Any, put: Any, tenant: str) -> None:
    put(User(account="shadow", name="eve", arn="arn:app:iam::shadow:user/eve"))
    for taken in (tenant, ACCOUNT, "shadow"):
        with pytest.raises(EntityAlreadyExistsError):
            do(CreateAccount(account_name="Another", account_id=taken))


def test_in_an_organization_it_begins_below_the_root(do: Any, get: Any) -> None:
    do(CreateOrganization())
    do(CreateAccount(account_name="Tenant", account_id=TENANT))
    assert get(Kind.ACCOUNT, TENANT, TENANT).parent == get(Kind.ORGANIZATION, "", "").root


def test_accounts_are_renamed_and_listed(do: Any, tenant: str) -> None:
    do(RenameAccount(account_id=tenant, account_name="Other"))
    do(CreateAccount(account_name="Name", account_id="acme"))
    first = do(ListAccounts(max_items=1))
    assert [one["Name"] for one in first["Accounts"]] == ["Other"]
    rest = do(ListAccounts(max_items=1, marker=first["Marker"]))
    assert [one["Id"] for one in rest["Accounts"]] == ["acme"]
    assert not rest["IsTruncated"]


def test_an_empty_account_is_closed(do: Any, tenant: str) -> None:
    do(CloseAccount(account_id=tenant))
    for operation in (DescribeAccount, CloseAccount):
        with pytest.raises(NoSuchEntityError):
            do(operation(account_id=tenant))


def test_an_account_with_users_stays(do: Any, put: Any, tenant: str) -> None:
    put(User(account=tenant, name="eve", arn=f"arn:app:iam::{tenant}:user/eve"))
    with pytest.raises(DeleteConflictError):
        do(CloseAccount(account_id=tenant))


def test_the_managing_account_stays(do: Any, put: Any) -> None:
    put(Account(account=ACCOUNT))
    with pytest.raises(DeleteConflictError):
        do(CloseAccount(account_id=ACCOUNT))


def test_a_summary_counts_one_account(make_directory: Any, put: Any, admin: Any) -> None:
    put(User(account=ACCOUNT, name="ann", arn="a"), User(account="other", name="ben", arn="b"))
    summary = make_directory(quotas=Quotas(users=7)).perform(GetAccountSummary(), by=admin)["SummaryMap"]
    assert (summary["Users"], summary["UsersQuota"], summary["Groups"]) == (1, 7, 0)
    assert summary["VersionsPerPolicyQuota"] == 5


def test_what_holds_for_all_is_read_and_changed(do: Any, get: Any) -> None:
    do(UpdateDirectorySettings(decisive_services=("queue", "kv", "kv")))
    assert do(GetDirectorySettings())["DirectorySettings"] == {
        "Partition": "app", "DefaultAccount": ACCOUNT, "DecisiveServices": ["kv", "queue"], "Imported": False}
    assert get(Kind.SETTINGS, "", "") == Settings(decisive=("kv", "queue"))
    with pytest.raises(InvalidInputError):
        do(UpdateDirectorySettings(decisive_services=("k*",)))


# --- whose business it is ---

MANAGED = sorted(name for name, one in OPERATIONS.items() if issubclass(one, Managing))
ALIKE = {"account_id": TENANT, "account_name": "x", "decisive_services": (), "name": "x", "content": "{}",
         "type": "SERVICE_CONTROL_POLICY", "filter": "SERVICE_CONTROL_POLICY", "target_id": TENANT, "parent_id": "r-1",
         "organizational_unit_id": "ou-1", "destination_parent_id": "r-1", "child_id": TENANT, "reach": "everyone",
         "policy_name": "x", "policy_document": "{}"}


@pytest.mark.parametrize("name", MANAGED)
@pytest.mark.parametrize(("who", "where"), [(TENANT, TENANT), (TENANT, ACCOUNT), (ACCOUNT, TENANT)])
def test_what_is_above_all_accounts_is_for_the_managing_one(directory: Any, store: Any, name: str, who: str,
                                                            where: str) -> None:
    kind = OPERATIONS[name]
    operation = kind(**{field: ALIKE[field] for field in kind.__struct_fields__ if field in ALIKE})
    with pytest.raises(OperationDeniedError):
        directory.perform(operation, by=Principal.user("eve", account=who), account=where)
    assert store.revision() == 0


def test_these_are_for_the_managing_account() -> None:
    assert {"CreateAccount", "CloseAccount", "MoveAccount", "AttachControlPolicy", "DetachControlPolicy",
            "UpdateControlPolicy", "PutStandingPolicy", "DeleteStandingPolicy", "UpdateDirectorySettings",
            "DeleteOrganization", "RemoveAccountFromOrganization"} <= set(MANAGED)
