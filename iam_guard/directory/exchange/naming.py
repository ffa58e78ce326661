"""What documents of an export say: whether they can be read, and which users and roles of it trust policies mean."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from iam_guard.directory.documents import Text, managed_as, texts_of, trust_of
from iam_guard.directory.entities import AnyEntity, ManagedPolicy, Role, User
from iam_guard.errors import DocumentError, Fault, PolicyDocumentError
from iam_guard.policy.document import Mode, PolicyDocument, PolicyKind
from iam_guard.policy.parse import parse_policy


def check_documents(entities: list[AnyEntity]) -> bool:
    """Read every document that counts the way AWS would run it.

    A document that nobody can read would deny its holders everything, and hold up whoever follows the directory.

    Returns:
        Whether all of them would be accepted as new ones too.

    Raises:
        DocumentError: with everything that cannot be read.
    """
    faults: list[Fault] = []
    strict = True
    for text in _all_texts(entities):
        try:
            _read(text, Mode.IMPORT)
        except DocumentError as refused:
            faults.extend(fault.in_file(text.id) for fault in refused.faults)
        strict = strict and _is_strict(text)
    if faults:
        raise DocumentError(faults)
    return strict


def with_trusted_ids(entities: list[AnyEntity]) -> list[AnyEntity]:
    """Note for each role the ids of those whom its trust policy names (language specification, section 2.5)."""
    ids = {one.arn: one.id for one in entities if isinstance(one, User | Role) and one.id}
    return [replace(one, trusted_ids=_trusted(one, ids)) if isinstance(one, Role) and one.trust else one
            for one in entities]


def _trusted(role: Role, ids: dict[str, str]) -> dict[str, str]:
    try:
        document = _read(trust_of(role), Mode.IMPORT)
    except DocumentError:
        return {}  # check_documents says why
    return {name: ids[name] for statement in document.statements if statement.principals is not None
            for kind, name in statement.principals.entries if kind == "AWS" and name in ids}


def _all_texts(entities: list[AnyEntity]) -> Iterator[Text]:
    boundaries = {one.boundary for one in entities if isinstance(one, User | Role)}
    for one in entities:
        yield from texts_of(one)
        if isinstance(one, ManagedPolicy) and one.arn in boundaries:
            yield managed_as(one, PolicyKind.BOUNDARY)


def _is_strict(text: Text) -> bool:
    try:
        _read(text, Mode.STRICT)
    except PolicyDocumentError:
        return False
    return True


def _read(text: Text, mode: Mode) -> PolicyDocument:
    return parse_policy(text.text, kind=text.kind, mode=mode)
