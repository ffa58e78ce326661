"""What documents of an export say: whether they can be read, and whom they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from iam_guard.directory.documents import Text, managed_as, texts_of, trust_of
from iam_guard.directory.entities import AnyEntity, ManagedPolicy, ResourcePolicy, Role, User
from iam_guard.directory.trust import named_arns
from iam_guard.errors import DocumentError, Fault, PolicyDocumentError
from iam_guard.policy.document import Mode, PolicyDocument, PolicyKind
from iam_guard.policy.parse import parse_policy


def check_documents(entities: Iterable[AnyEntity]) -> bool:
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


def with_ids(entity: AnyEntity, id_of: Callable[[str], str]) -> AnyEntity:
    """Note whom a document means that names principals (language specification, section 2.5).

    Args:
        entity: A role, or the policy of a resource; anything else stays as it is.
        id_of: The unique id of whoever has an ARN; empty for nobody.
    """
    match entity:
        case Role(trust=text) if text:
            return replace(entity, trusted_ids=_ids(trust_of(entity), id_of))
        case ResourcePolicy():
            return replace(entity, named_ids=_ids(next(texts_of(entity)), id_of))
    return entity


def _ids(text: Text, id_of: Callable[[str], str]) -> dict[str, str]:
    return {arn: found for arn in named_arns(_read(text, Mode.IMPORT)) if (found := id_of(arn))}


def _all_texts(entities: Iterable[AnyEntity]) -> Iterator[Text]:
    entities = list(entities)
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
