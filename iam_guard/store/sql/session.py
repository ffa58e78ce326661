"""One transaction on one connection: runs statements, and none after one that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Executable, Row
from sqlalchemy.exc import SQLAlchemyError

from iam_guard.errors import IAMGuardError
from iam_guard.store.sql.faults import translate

Rows = Sequence[Row[Any]]
Parameters = list[dict[str, Any]]


class Session:
    """A transaction under way.

    A failed statement may have ended the transaction: SQLite undoes it when the disk is full, PostgreSQL only
    pretends to go on. So nothing runs after a failure, even where a caller swallowed it; half a write would
    otherwise be committed.

    Args:
        connection: Whose transaction.
        place: The store's URL without a password, for messages.
        secret: The password, for leaving it out of them.
        writing: Whether it writes.
    """

    def __init__(self, connection: Connection, place: str, secret: str, *, writing: bool) -> None:
        self._connection, self._place, self._secret, self._writing = connection, place, secret, writing
        self._fault: IAMGuardError | None = None

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._connection.dialect.name

    def rows(self, statement: Executable, **parameters: Any) -> Rows:
        """Run a query.

        Raises:
            UnavailableError: it cannot be run.
            ConcurrentModificationError: others are in the way of a write.
        """
        self._check()
        try:
            return self._connection.execute(statement, parameters).all()
        except SQLAlchemyError as error:
            raise self._failed(error) from None

    def run(self, statement: Executable, parameters: Parameters | dict[str, Any]) -> int:
        """Run a statement, once or once for each of the parameters in a list; how many rows it met.

        Raises:
            UnavailableError: it cannot be run.
            ConcurrentModificationError: others are in the way.
        """
        self._check()
        if parameters == []:
            return 0
        try:
            return self._connection.execute(statement, parameters).rowcount
        except SQLAlchemyError as error:
            raise self._failed(error) from None

    def commit(self) -> None:
        """Keep what was written.

        Raises:
            UnavailableError: it could not be; when the server went away just then, whether it was kept is not
                known.
            ConcurrentModificationError: others are in the way.
        """
        self._check()
        try:
            self._connection.commit()
        except SQLAlchemyError as error:
            raise self._failed(error) from None

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _failed(self, error: SQLAlchemyError) -> IAMGuardError:
        self._fault = translate(error, self._place, self._secret, writing=self._writing)
        return self._fault
