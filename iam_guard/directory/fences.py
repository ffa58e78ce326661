"""The policies of resources, as statements that say which resource."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from iam_guard.directory.documents import texts_of
from iam_guard.directory.entities import AnyEntity
from iam_guard.errors import PolicyDocumentError
from iam_guard.policy.document import Mode, PolicyKind, Statement
from iam_guard.policy.parse import parse_policy


def statements_of(entity: AnyEntity | None) -> tuple[Statement, ...]:
    """The statements of a resource's policy; none when it cannot be read, for then nobody may do anything to it."""
    return () if entity is None else tuple(one for text in texts_of(entity) for one in _read(text.text))


@lru_cache(maxsize=4096)
def _read(text: str) -> tuple[Statement, ...]:
    try:
        return parse_policy(text, kind=PolicyKind.RESOURCE, mode=Mode.IMPORT).statements
    except PolicyDocumentError:
        return ()


def fence_off(arn: str, statements: Iterable[Statement], *, exact: bool = False) -> Iterator[Statement]:
    """Statements of a resource's policy, each speaking of that resource.

    Args:
        arn: The resource, whatever is in its name.
        statements: What its policy says.
        exact: Leave out statements that may not speak of it after all, rather than take them for more than they are.
    """
    is_plain = not any(char in arn for char in "*?$")
    for one in statements:
        if is_plain and not one.not_resource and (one.resources is None or not {"*", arn}.isdisjoint(one.resources)):
            yield replace(one, resources=(arn,))
        elif not exact:
            yield replace(one, resources=(arn,) if is_plain else ("*",), not_resource=False)
