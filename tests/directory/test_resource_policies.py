"""Resource policies."""

from __future__ import annotations

from typing import Any

import pytest

from iam_guard.directory.entities import Kind, Role, User
from iam_guard.directory.operations.resource_policies import (
    DeleteResourcePolicy,
    GetResourcePolicy,
    ListResourcePolicies,
    PutResourcePolicy,
)
from iam_guard.errors import InvalidInputError, LimitExceededError, MalformedPolicyDocumentError, NoSuchEntityError
from iam_guard.model import Principal

ACCOUNT = "000000000000"
ORDER = f"arn:app:orders:eu:{ACCOUNT}:order/1"
ANN, APP = f"arn:app:iam::{ACCOUNT}:user/staff/ann", f"arn:app:iam::{ACCOUNT}:role/App"


def document(principal: str = '{"AWS":"*"}') -> str:
    return (f'{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},'
            f'"Action":"orders:Get","Resource":"{ORDER}"}}]}}')


def test_a_policy_comes_back_as_it_was_given(do: Any, referee: Any) -> None:
    assert do(PutResourcePolicy(resource_arn=ORDER, policy_document=document())) == {}
    assert do(GetResourcePolicy(resource_arn=ORDER)) == {"ResourceArn": ORDER, "PolicyDocument": document()}
    assert [asked[1] for asked in referee.asked] == [ORDER, ORDER]
    do(DeleteResourcePolicy(resource_arn=ORDER))
    for gone in (GetResourcePolicy, DeleteResourcePolicy):
        with pytest.raises(NoSuchEntityError):
            do(gone(resource_arn=ORDER))


@pytest.mark.parametrize("arn", ["order/1", "arn:app:orders:eu:000000000000", "arn::orders::000000000000:order/1",
                                 "arn:app:::000000000000:order/1", "arn:app:orders::000000000000:",
                                 "arn:app:orders::000000000000:order/\n", ORDER + "x" * 2048])
def test_what_is_no_resource(do: Any, arn: str) -> None:
    with pytest.raises(InvalidInputError):
        do(PutResourcePolicy(resource_arn=arn, policy_document=document()))


@pytest.mark.parametrize("arn", [APP, ANN, f"arn:app:IAM::{ACCOUNT}:role/App",
                                 f"arn:app:sts::{ACCOUNT}:assumed-role/App/s"])
def test_no_policy_stands_in_for_a_trust_policy(do: Any, arn: str) -> None:
    with pytest.raises(InvalidInputError):
        do(PutResourcePolicy(resource_arn=arn, policy_document=document()))


def test_no_account_speaks_for_anothers_resources(do: Any, directory: Any) -> None:
    other = Principal.user("eve", account="other")
    with pytest.raises(InvalidInputError):
        directory.perform(PutResourcePolicy(resource_arn=ORDER, policy_document=document()), by=other)
    nobodys = "arn:app:s3:::bucket"
    with pytest.raises(InvalidInputError):
        directory.perform(PutResourcePolicy(resource_arn=nobodys, policy_document=document()), by=other)
    do(PutResourcePolicy(resource_arn=nobodys, policy_document=document()))  # the default account's
    with pytest.raises(NoSuchEntityError):
        directory.perform(GetResourcePolicy(resource_arn=nobodys), by=other)


@pytest.mark.parametrize("text", [document('"ann"'), document('{"AWS":"arn:app:iam::000000000000:user/*"}'),
                                  document().replace('"Principal":{"AWS":"*"},', "")])
def test_documents_are_read_as_resource_policies(do: Any, text: str) -> None:
    with pytest.raises(MalformedPolicyDocumentError):
        do(PutResourcePolicy(resource_arn=ORDER, policy_document=text))


def test_a_policy_is_so_long_at_most(do: Any) -> None:
    with pytest.raises(LimitExceededError):
        do(PutResourcePolicy(resource_arn=ORDER,
                             policy_document=document().replace("orders:Get", "orders:" + "G" * 20480)))


def test_names_mean_who_has_them_today(do: Any, put: Any, get: Any) -> None:
    put(User(account=ACCOUNT, name="ann", path="/staff/", arn=ANN, id="AIDAANN"),
        Role(account=ACCOUNT, name="App", arn=APP, id="AROAAPP"))
    named = [ANN, APP, ANN.replace("/staff", ""), APP.replace("App", "Gone"), f"arn:app:iam::{ACCOUNT}:root",
             "arn:app:iam::111122223333:user/ann"]
    listed = ",".join(f'"{arn}"' for arn in named)
    do(PutResourcePolicy(resource_arn=ORDER, policy_document=document(f'{{"AWS":[{listed}]}}')))
    assert get(Kind.RESOURCE_POLICY, ORDER).named_ids == {ANN: "AIDAANN", APP: "AROAAPP"}


def test_who_is_gone_is_called_by_id(do: Any, put: Any) -> None:
    put(User(account=ACCOUNT, name="ann", path="/staff/", arn=ANN, id="AIDAANN"))
    do(PutResourcePolicy(resource_arn=ORDER, policy_document=document(f'{{"AWS":"{ANN}"}}')))
    put(User(account=ACCOUNT, name="ann", path="/staff/", arn=ANN, id="AIDANEXT"))
    assert do(GetResourcePolicy(resource_arn=ORDER))["PolicyDocument"] == document('{"AWS":"AIDAANN"}')


def test_resources_with_policies_are_listed(do: Any) -> None:
    arns = [f"arn:app:orders:eu:{ACCOUNT}:order/{name}" for name in ("B", "a", "c")]
    for arn in arns:
        do(PutResourcePolicy(resource_arn=arn, policy_document=document()))
    first = do(ListResourcePolicies(max_items=2))
    assert [one["ResourceArn"] for one in first["ResourcePolicies"]] == arns[:2]
    rest = do(ListResourcePolicies(max_items=2, marker=first["Marker"]))
    assert rest == {"ResourcePolicies": [{"ResourceArn": arns[2]}], "IsTruncated": False}
