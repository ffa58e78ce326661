"""All operations by name."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import msgspec
import pytest

from iam_guard.directory import operations
from iam_guard.directory.operation import Listing, Operation
from iam_guard.directory.operations import OPERATIONS

READS = ("Get", "List", "Describe")


def leaves(operation: type[Operation]) -> Iterator[type[Operation]]:
    """Operations that no other is made of."""
    below = operation.__subclasses__()
    if not below and operation.__module__.startswith(f"{operations.__name__}."):
        yield operation
    for one in below:
        yield from leaves(one)


def test_every_operation_that_is_written_is_found_by_its_name() -> None:
    for module in pkgutil.iter_modules(operations.__path__):
        importlib.import_module(f"{operations.__name__}.{module.name}")
    assert {one.__name__: one for one in leaves(Operation)} == dict(OPERATIONS)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_says_what_it_does(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation.changes != name.startswith(READS)
    assert issubclass(operation, Listing) == ("max_items" in operation.__struct_fields__)
    assert operation.changes or not operation.grants
    assert operation.__doc__


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_parameter_is_explained(name: str) -> None:
    said = "".join(base.__doc__ or "" for base in OPERATIONS[name].__mro__ if issubclass(base, Operation))
    fields = OPERATIONS[name].__struct_fields__
    assert [field for field in fields if not re.search(rf"^ +{field}: ", said, re.M)] == []


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_parameters_are_written_as_iam_writes_them_and_no_others_are_taken(name: str) -> None:
    operation = OPERATIONS[name]
    for field in msgspec.structs.fields(operation):
        assert field.encode_name == "".join(word.capitalize() for word in field.name.split("_"))
    assert operation.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize("name", [
    "CreateAccessKey", "UpdateAccessKey", "CreateLoginProfile", "UpdateLoginProfile", "CreatePolicyVersion",
    "SetDefaultPolicyVersion", "PutResourcePolicy", "DeleteResourcePolicy", "PutStandingPolicy",
    "DeleteStandingPolicy", "AttachControlPolicy", "DetachControlPolicy", "UpdateControlPolicy", "MoveAccount",
    "RemoveAccountFromOrganization", "CloseAccount", "UpdateDirectorySettings"])
def test_what_may_give_rights_is_held_against_those_of_the_caller(name: str) -> None:
    assert OPERATIONS[name].grants
