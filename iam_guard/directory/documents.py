"""The documents of entities: which there are, what decisions call them, and reading them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from iam_guard.directory.entities import (
    AnyEntity,
    ControlPolicy,
    Group,
    ManagedPolicy,
    ResourcePolicy,
    Role,
    StandingPolicy,
    User,
)
from iam_guard.engine.attachments import Policy
from iam_guard.engine.memo import Memo
from iam_guard.policy.document import Mode, PolicyDocument, PolicyKind
from iam_guard.policy.parse import parse_policy
from iam_guard.policy.source import SourceText

_KINDS = {"scp": PolicyKind.SCP, "rcp": PolicyKind.RCP}


class Text(NamedTuple):
    """A document that has not been read.

    Attributes:
        id: What decisions call it.
        text: JSON.
        kind: What it is attached as.
    """

    id: str
    text: str
    kind: PolicyKind


def texts_of(entity: AnyEntity) -> Iterator[Text]:
    """The documents of an entity that decisions read: of a managed policy the default version alone."""
    match entity:
        case User() | Group() | Role():
            yield from (Text(f"{entity.arn}/inline/{name}", text, PolicyKind.IDENTITY)
                        for name, text in entity.inline.items())
            if isinstance(entity, Role) and entity.trust:
                yield trust_of(entity)
        case ManagedPolicy():
            yield managed_as(entity, PolicyKind.IDENTITY)
        case ResourcePolicy():
            yield Text(f"resources/{entity.name or entity.arn}", entity.document, PolicyKind.RESOURCE)
        case StandingPolicy():
            kind = PolicyKind.ENDPOINT if entity.reach == "endpoint" else PolicyKind.IDENTITY
            yield Text(f"{entity.reach}/{entity.name}", entity.document, kind)
        case ControlPolicy():
            yield Text(f"{entity.type}/{entity.name}", entity.document, _KINDS[entity.type])


def trust_of(role: Role) -> Text:
    """Who may assume a role."""
    return Text(f"{role.arn}/trust", role.trust, PolicyKind.TRUST)


def managed_as(policy: ManagedPolicy, kind: PolicyKind) -> Text:
    """The version of a managed policy that counts, as an identity policy or as a boundary."""
    version = policy.version()
    return Text(policy.arn, "" if version is None else version.document, kind)


class Documents:
    """Reads documents. One that was lately read under the same name is the same object.

    Args:
        limit: How many are remembered.
    """

    def __init__(self, limit: int) -> None:
        self._memo: Memo[tuple[Text, Mode], Policy] = Memo(limit)

    def read(self, text: Text, mode: Mode) -> Policy:
        """Read one.

        Raises:
            PolicyDocumentError: it is refused; with every fault.
        """
        known = (text, mode)
        found = self._memo.get(known) or self._memo.recall(known)
        if found is not None:
            return found
        document = parse_policy(SourceText(text.text, file=text.id), kind=text.kind, mode=mode)
        return self._memo.keep(known, Policy(text.id, document))


def naming(policy: Policy, names: Mapping[str, str]) -> Policy:
    """A policy with other names for some principals."""
    if not names:
        return policy
    return replace(policy, document=_renamed(policy.document, names))


def _renamed(document: PolicyDocument, names: Mapping[str, str]) -> PolicyDocument:
    statements = []
    for one in document.statements:
        if (who := one.principals) is not None:
            entries = tuple((kind, names.get(name, name)) for kind, name in who.entries)
            one = replace(one, principals=who._replace(entries=entries))
        statements.append(one)
    return replace(document, statements=tuple(statements))
