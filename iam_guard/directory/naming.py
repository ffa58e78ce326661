"""Operations by name, with parameters in IAM's words: what every wire and command line begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from iam_guard.directory.operation import Operation
from iam_guard.directory.operations import OPERATIONS
from iam_guard.errors import InvalidInputError


def operation_named(name: str, parameters: Mapping[str, Any]) -> Operation:
    """Make an operation of its name and parameters: ``operation_named("GetUser", {"UserName": "ann"})``.

    Args:
        name: IAM's name of the operation.
        parameters: By IAM's names; numbers and booleans may be text, as in a query.

    Raises:
        InvalidInputError: there is no such operation, a parameter is missing, unknown or of the wrong kind.
    """
    found = OPERATIONS.get(name)
    if found is None:
        raise InvalidInputError(f"There is no operation {name}.")
    try:
        return msgspec.convert(dict(parameters), found, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"{name}: {error}") from None
