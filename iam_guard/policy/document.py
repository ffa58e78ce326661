"""What a policy says, once it has been read: PolicyDocument, Statement and their parts.

These are plain values. Reading is in :mod:`iam_guard.policy.parse`, printing in
:mod:`iam_guard.policy.render`, meaning in :mod:`iam_guard.engine`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from iam_guard.errors import Fault
    from iam_guard.policy.source import SourceText


class Effect(StrEnum):
    """The sign of a statement."""

    ALLOW = "Allow"
    DENY = "Deny"


class PolicyKind(StrEnum):
    """What a document is attached as; it decides which elements the document may have (section 1.4)."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"
    BOUNDARY = "boundary"
    SESSION = "session"
    SCP = "scp"
    RCP = "rcp"
    ENDPOINT = "endpoint"


class Mode(StrEnum):
    """How a document is read: ``STRICT`` for new ones, ``IMPORT`` for ones that already exist elsewhere."""

    STRICT = "strict"
    IMPORT = "import"


class Condition(NamedTuple):
    """One operator applied to one key, such as ``StringEquals aws:username [ann]``.

    Attributes:
        operator: The operator as written, set qualifier and ``IfExists`` included.
        key: The condition key as written.
        values: The policy's values as text; any of them may match.
    """

    operator: str
    key: str
    values: tuple[str, ...]


class PrincipalElement(NamedTuple):
    """``Principal`` or ``NotPrincipal``.

    Attributes:
        entries: Pairs such as ``("AWS", "111122223333")``; the bare ``"*"`` is the pair ``("*", "*")``.
        negated: True for ``NotPrincipal``.
    """

    entries: tuple[tuple[str, str], ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """One rule and its sign.

    Attributes:
        effect: Allow or Deny.
        actions: Patterns of ``Action``, or of ``NotAction`` when ``not_action`` is set.
        resources: Patterns of ``Resource`` or ``NotResource``; ``None`` when the statement has neither
            (trust policies, and resource policies that speak of the resource they are attached to).
        principals: ``Principal`` or ``NotPrincipal``; ``None`` when absent.
        conditions: All must hold. A pair may appear twice: both then must hold.
        sid: The author's name for it; empty when there is none.
        index: Position in the document, from 0.
        variables: Whether ``${...}`` is substituted (documents of version 2012-10-17 only).
        broken: Pairs of ``conditions`` that cannot be evaluated as written (import mode keeps them:
            they hold in a Deny and fail in an Allow), as indices.
    """

    effect: Effect
    actions: tuple[str, ...]
    not_action: bool = False
    resources: tuple[str, ...] | None = None
    not_resource: bool = False
    principals: PrincipalElement | None = None
    conditions: tuple[Condition, ...] = ()
    sid: str = ""
    index: int = 0
    variables: bool = True
    broken: tuple[int, ...] = ()

    @property
    def is_deny(self) -> bool:
        """Whether this statement takes away rather than grants."""
        return self.effect is Effect.DENY


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A whole policy.

    Attributes:
        statements: In the order they were written.
        version: ``2012-10-17``, ``2008-10-17``, or ``None`` when the document has none.
        id: The ``Id`` element; it means nothing to evaluation.
        source: The text it was read from, kept so that a decision can name a line; ``None`` for documents
            made in code.
        pointer: Where in that text the document stands.
        notes: What import mode tolerated and strict mode would not.
    """

    statements: tuple[Statement, ...]
    version: str | None = "2012-10-17"
    id: str = ""
    source: SourceText | None = field(default=None, compare=False, repr=False)
    pointer: str = field(default="", compare=False, repr=False)
    notes: tuple[Fault, ...] = field(default=(), compare=False)

    @property
    def file(self) -> str:
        """Name of the text; empty when it came from memory."""
        return self.source.file if self.source else ""

    def line_of(self, index: int) -> int:
        """Line of the statement at *index*, from 1; 0 when the document was made in code."""
        return self.source.position(f"{self.pointer}/Statement/{index}")[0] if self.source else 0
