"""Real policies: all parse in import mode, print and parse again to the same; broken ones are refused with a place."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from iam_guard.errors import PolicyDocumentError
from iam_guard.policy.document import Mode, PolicyDocument, PolicyKind
from iam_guard.policy.parse import parse_policy
from iam_guard.policy.render import print_policy, to_json

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the published policies of ../shared/data are not here")

KINDS = {
    "identity-policies": PolicyKind.IDENTITY,
    "bucket-policies": PolicyKind.RESOURCE,
    "resource-policies": PolicyKind.RESOURCE,
    "trust": PolicyKind.TRUST,
    "scp-examples": PolicyKind.SCP,
    "rcp-examples": PolicyKind.RCP,
    "vpc-endpoint-policies": PolicyKind.ENDPOINT,
}


def reads_back(text: str, kind: PolicyKind, name: str, *, resource_required: bool = True) -> PolicyDocument:
    read = parse_policy(text, kind=kind, mode=Mode.IMPORT, file=name, resource_required=resource_required)
    again = parse_policy(print_policy(read), kind=kind, mode=Mode.IMPORT, resource_required=resource_required)
    assert again == read, name
    assert to_json(again) == to_json(read)
    return read


def test_the_managed_policies_that_moto_ships() -> None:
    policies = json.loads(aws_managed_policies_data)
    assert len(policies) >= 1485
    for name, policy in policies.items():
        assert reads_back(json.dumps(policy["Document"]), PolicyKind.IDENTITY, name).statements


@needs_data
def test_all_managed_policies() -> None:
    lines = gzip.decompress((DATA / "aws-managed-policies.jsonl.gz").read_bytes()).decode().splitlines()
    assert len(lines) == 1645
    statements = sum(len(reads_back(json.dumps(policy["document"]), PolicyKind.IDENTITY, policy["name"]).statements)
                     for policy in map(json.loads, lines))
    assert statements == 9033


@needs_data
@pytest.mark.parametrize(("folder", "count"), [("identity-policies", 234), ("bucket-policies", 44),
                                               ("resource-policies", 54), ("trust", 60), ("scp-examples", 103),
                                               ("rcp-examples", 28), ("vpc-endpoint-policies", 12)])
def test_published_documents(folder: str, count: int) -> None:
    files = sorted((DATA / folder).glob("*.json"))
    assert len(files) == count
    for file in files:
        # Container registries have policies without Resource; the other types have to have it.
        reads_back(file.read_text(), KINDS[folder], file.name, resource_required=folder != "resource-policies")


def documents_in(value: object) -> Iterator[tuple[str, dict[str, object]]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("PolicyDocument", "AssumeRolePolicyDocument", "Document") and isinstance(inner, dict):
                yield key, inner
            else:
                yield from documents_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from documents_in(inner)


@needs_data
def test_the_documents_in_account_exports() -> None:
    files = sorted((DATA / "account-authorization-details").glob("*.json"))
    assert len(files) == 6
    found = [(file.name, key, body) for file in files for key, body in documents_in(json.loads(file.read_text()))]
    assert len(found) > 250
    for name, key, body in found:
        kind = PolicyKind.TRUST if key == "AssumeRolePolicyDocument" else PolicyKind.IDENTITY
        reads_back(json.dumps(body), kind, name)


@needs_data
def test_broken_documents_are_refused_with_a_place() -> None:
    files = sorted((DATA / "broken").iterdir())
    assert len(files) == 24
    for file in files:
        kind = KINDS.get(file.name.partition("--")[0], PolicyKind.SCP)
        for mode in Mode:
            with pytest.raises(PolicyDocumentError) as caught:
                parse_policy(file.read_text(), kind=kind, mode=mode, file=file.name)
            assert all(fault.line > 0 and fault.column > 0 and fault.file == file.name for fault in caught.value.faults)
