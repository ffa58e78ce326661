"""Walks over more entities than one page of a store holds."""

from __future__ import annotations

from collections.abc import Iterator

from iam_guard.directory.entities import AnyEntity, Kind
from iam_guard.directory.port import Reading

_PAGE = 500


def walk(tx: Reading, kind: Kind, account: str, *, path: str = "/", after: str = "") -> Iterator[AnyEntity]:
    """Every entity of one kind and account, by name, no more of them read than are asked for."""
    while True:
        found = tx.page(kind, account, path=path, after=after, limit=_PAGE)
        yield from found
        if len(found) < _PAGE:
            return
        after = found[-1].key.name
