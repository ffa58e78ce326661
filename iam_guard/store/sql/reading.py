"""Reads the directory within one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, select, tuple_

from iam_guard.directory.entities import AnyEntity, Key, Kind, Relation, from_json
from iam_guard.errors import UnavailableError
from iam_guard.store.sql.schema import HEAD, entities, links, meta, version
from iam_guard.store.sql.session import Session

_SCAN_BATCH = 1000

_NAMED = (entities.c.kind == bindparam("kind"), entities.c.account == bindparam("account"))
_KEY = (*_NAMED, entities.c.name == bindparam("name"))
_KEY_COLUMNS = (entities.c.kind, entities.c.account, entities.c.name)

_META = select(meta.c.revision, select(version.c.version_num).scalar_subquery().label("version_num"))
_GET = select(entities.c.data).where(*_KEY)
_REVISION_OF = select(entities.c.revision).where(*_KEY)
_COUNT = select(func.count()).select_from(entities).where(*_NAMED)
_PAGE = (select(entities.c.data).where(*_NAMED, entities.c.name > bindparam("after"))
         .order_by(entities.c.name).limit(bindparam("limit")))
# Not LIKE: it has wild cards, and ignores case in SQLite.
_UNDER = func.substr(entities.c.path, 1, bindparam("length")) == bindparam("path")
_PAGE_UNDER = _PAGE.where(_UNDER)
_LINKING = (select(links.c.kind, links.c.account, links.c.name)
            .where(links.c.relation == bindparam("relation"), links.c.target == bindparam("target"))
            .order_by(links.c.kind, links.c.account, links.c.name))
_LINKING_KIND = _LINKING.where(links.c.kind == bindparam("kind"))
_SCAN = select(*_KEY_COLUMNS, entities.c.data).order_by(*_KEY_COLUMNS).limit(_SCAN_BATCH)
_SCAN_ON = _SCAN.where(tuple_(*_KEY_COLUMNS)
                       > tuple_(bindparam("kind"), bindparam("account"), bindparam("name")))


def storable(*texts: str) -> bool:
    """Whether a database can hold these texts; what it cannot hold is not in it, and need not be asked for.

    PostgreSQL has no NUL in text, and nothing has half a surrogate pair.
    """
    text = "".join(texts)
    if "\0" in text:
        return False
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def key_of(row: Row[Any]) -> Key:
    """The key in the columns of a row.

    Raises:
        UnavailableError: somebody else than this program wrote it.
    """
    try:
        return Key(Kind(row.kind), row.account, row.name)
    except ValueError:
        raise UnavailableError(f"the directory has an entity of a kind that is not known: '{row.kind}'") from None


def entity_of(data: str) -> AnyEntity:
    """The entity in the JSON of a row.

    Raises:
        UnavailableError: somebody else than this program wrote it.
    """
    try:
        return from_json(data)
    except ValueError as error:
        raise UnavailableError(f"the directory has an entity that cannot be read: {error}") from None


class SQLReading:
    """The directory at one revision; asking for the revision begins the snapshot.

    Args:
        session: The transaction that is read in.

    Raises:
        UnavailableError: the schema is not the one that this version of the program reads.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        row = session.rows(_META)[0]
        if row.version_num != HEAD:
            raise UnavailableError(f"the schema of the directory is now '{row.version_num}' and this process reads "
                                   f"'{HEAD}': restart it with the version that migrated it")
        self._revision: int = row.revision

    @property
    def revision(self) -> int:
        """When the transaction began."""
        return self._revision

    def get(self, key: Key) -> AnyEntity | None:
        """The entity with this key."""
        data = self._value(_GET, key)
        return None if data is None else entity_of(data)

    def revision_of(self, key: Key) -> int:
        """The revision that last changed it."""
        return self._value(_REVISION_OF, key) or 0

    def page(self, kind: Kind, account: str, *, path: str = "/", after: str = "",
             limit: int = 1000) -> list[AnyEntity]:
        """Entities of one kind and account, by name."""
        after = after.partition("\0")[0]  # no name has a NUL, so the same names come after it
        if not storable(account, path, after):
            return []
        asked: dict[str, Any] = {"kind": kind.value, "account": account, "after": after, "limit": limit}
        if path in ("", "/"):
            rows = self._session.rows(_PAGE, **asked)
        else:
            rows = self._session.rows(_PAGE_UNDER, **asked, path=path, length=len(path))
        return [entity_of(row.data) for row in rows]

    def count(self, kind: Kind, account: str) -> int:
        """How many there are."""
        if not storable(account):
            return 0
        return int(self._session.rows(_COUNT, kind=kind.value, account=account)[0][0])

    def linking(self, relation: Relation, target: str, *, kind: Kind | None = None) -> list[Key]:
        """Who refers to *target*."""
        if not storable(target):
            return []
        asked: dict[str, Any] = {"relation": relation.value, "target": target}
        if kind is None:
            return [key_of(row) for row in self._session.rows(_LINKING, **asked)]
        return [key_of(row) for row in self._session.rows(_LINKING_KIND, **asked, kind=kind.value)]

    def scan(self) -> Iterator[tuple[Key, bytes]]:
        """Every entity, written; read in pieces, so that they need not all fit in memory."""
        rows = self._session.rows(_SCAN)
        while rows:
            for row in rows:
                yield key_of(row), row.data.encode()
            last = key_of(rows[-1])
            rows = self._session.rows(_SCAN_ON, kind=last.kind.value, account=last.account, name=last.name)

    def _value(self, statement: Select[Any], key: Key) -> Any:
        if not storable(key.account, key.name):
            return None
        rows = self._session.rows(statement, kind=key.kind.value, account=key.account, name=key.name)
        return rows[0][0] if rows else None
