"""Principals in documents: meant as whoever had the name when the document was saved (language specification, 2.5).

A name that is used again is another principal. So a document is kept as it was given, beside the unique ids of those
it named; wherever it is read, a principal that is gone is written as its id, and one with another name by that name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from iam_guard.directory.attaching import key_of
from iam_guard.directory.entities import Key, Kind, Relation, Role, User
from iam_guard.directory.operation import Work
from iam_guard.directory.port import Reading
from iam_guard.errors import MalformedPolicyDocumentError
from iam_guard.policy.document import PolicyDocument


def ids_named(document: PolicyDocument, work: Work) -> dict[str, str]:
    """Unique ids of the users and roles of this directory that a document names as principals, by ARN."""
    found = ((arn, _holder_of(arn, work.tx)) for arn in named_arns(document))
    return {arn: holder.id for arn, holder in found if holder is not None and holder.id}


def check_principals(document: PolicyDocument, work: Work) -> None:
    """Check that a trust policy names nobody who could exist here and does not.

    Whoever got such a name later would be trusted without anybody having meant them. Principals of accounts that
    this directory does not keep are somebody else's to know.

    Raises:
        MalformedPolicyDocumentError: it does.
    """
    for arn in named_arns(document):
        key = key_of(arn)
        if key is not None and _is_local(key.account, work) and _holder_of(arn, work.tx) is None:
            raise MalformedPolicyDocumentError(f'Invalid principal in policy: "AWS":"{arn}"')


def _is_local(account: str, work: Work) -> bool:
    return (account in (work.account, work.settings.default_account)
            or work.tx.get(Key(Kind.ACCOUNT, account, account)) is not None)


def as_it_reads_now(text: str, ids: Mapping[str, str], work: Work) -> str:
    """A document that was kept, as it reads for an operation: see :func:`as_it_reads_in`."""
    return as_it_reads_in(text, ids, work.tx)


def as_it_reads_in(text: str, ids: Mapping[str, str], reading: Reading) -> str:
    """A document that was kept, with every principal as it is called by now.

    Args:
        text: The document as it was given.
        ids: Unique ids of those it named then, by ARN.
        reading: Where they are looked for.
    """
    names = {arn: now for arn, id in ids.items() if (now := _name_now(arn, id, reading)) != arn}  # noqa: A001
    if not names:
        return text
    return json.dumps(_renamed(json.loads(text), names), separators=(",", ":"))


def named_arns(document: PolicyDocument) -> Iterator[str]:
    """The ARNs that a document names as principals."""
    for statement in document.statements:
        if statement.principals is not None:
            yield from (name for kind, name in statement.principals.entries if kind == "AWS")


def _holder_of(arn: str, reading: Reading) -> User | Role | None:
    key = key_of(arn)
    found = None if key is None else reading.get(key)
    return found if isinstance(found, User | Role) and found.arn == arn else None


def _name_now(arn: str, id: str, reading: Reading) -> str:
    """The ARN of whoever has an id; the id itself when nobody has it any more."""
    holder = _holder_of(arn, reading)
    if holder is not None and holder.id == id:
        return arn
    for kind in (Kind.USER, Kind.ROLE):
        for key in reading.linking(Relation.ID, id, kind=kind):
            if isinstance(found := reading.get(key), User | Role):
                return found.arn
    return id


def _renamed(document: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    statements = document["Statement"]
    several = statements if isinstance(statements, list) else [statements]
    for statement in several:
        for element in ("Principal", "NotPrincipal"):
            if isinstance(said := statement.get(element), dict) and "AWS" in said:
                said["AWS"] = _replaced(said["AWS"], names)
    return document


def _replaced(value: str | list[str], names: Mapping[str, str]) -> str | list[str]:
    return names.get(value, value) if isinstance(value, str) else [names.get(one, one) for one in value]
