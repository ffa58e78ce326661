"""IAM's operations, a file for each family, and all of them by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType

from iam_guard.directory.management import Managing
from iam_guard.directory.operation import Operation
from iam_guard.directory.operations import (
    access_keys,
    accounts,
    attachments,
    boundaries,
    control_policies,
    groups,
    inline,
    organization,
    passwords,
    policies,
    resource_policies,
    roles,
    standing,
    tags,
    users,
    versions,
)

_FAMILIES: tuple[ModuleType, ...] = (
    access_keys, accounts, attachments, boundaries, control_policies, groups, inline, organization, passwords, policies,
    resource_policies, roles, standing, tags, users, versions)


def _operations_of(module: ModuleType) -> Iterator[tuple[str, type[Operation]]]:
    """What a module defines itself, without what only others are made of."""
    for name, found in vars(module).items():
        if (isinstance(found, type) and issubclass(found, Operation) and found.__module__ == module.__name__
                and _is_whole(found)):
            yield name, found


def _is_whole(operation: type[Operation]) -> bool:
    if issubclass(operation, Managing):
        return operation.manage is not Managing.manage
    return operation.run is not Operation.run


#: Every operation, by IAM's name of it.
OPERATIONS: Mapping[str, type[Operation]] = MappingProxyType(
    {name: found for module in _FAMILIES for name, found in sorted(_operations_of(module))})
