"""Prints policies: a PolicyDocument as plain JSON values or text. Reading it back gives the same document."""

from __future__ import annotations

import json
from typing import Any

from iam_guard.policy.document import PolicyDocument, PrincipalElement, Statement


def to_json(document: PolicyDocument) -> dict[str, Any]:
    """The document as JSON values, in the order of the IAM grammar."""
    head: dict[str, Any] = {}
    if document.version is not None:
        head["Version"] = document.version
    if document.id:
        head["Id"] = document.id
    return head | {"Statement": [_statement(statement) for statement in document.statements]}


def print_policy(document: PolicyDocument) -> str:
    """The document as indented JSON text."""
    return json.dumps(to_json(document), indent=2) + "\n"


def _statement(statement: Statement) -> dict[str, Any]:
    printed: dict[str, Any] = {"Sid": statement.sid} if statement.sid else {}
    if statement.principals is not None:
        printed["NotPrincipal" if statement.principals.negated else "Principal"] = _principals(statement.principals)
    printed["Effect"] = statement.effect.value
    printed["NotAction" if statement.not_action else "Action"] = list(statement.actions)
    if statement.resources is not None:
        printed["NotResource" if statement.not_resource else "Resource"] = list(statement.resources)
    if statement.conditions:
        printed["Condition"] = _conditions(statement)
    return printed


def _principals(element: PrincipalElement) -> Any:
    if element.entries == (("*", "*"),):
        return "*"
    printed: dict[str, list[str]] = {}
    for key, text in element.entries:
        printed.setdefault(key, []).append(text)
    return printed


def _conditions(statement: Statement) -> dict[str, dict[str, list[str]]]:
    """Group pairs by operator; a pair that import mode kept twice finds room under another spelling of its key."""
    printed: dict[str, dict[str, list[str]]] = {}
    for operator, key, values in statement.conditions:
        block = printed.setdefault(operator, {})
        while key in block:
            key = key.swapcase() if key.swapcase() not in block else key.title()
        block[key] = list(values)
    return printed
