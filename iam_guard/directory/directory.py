"""Directory: performs operations on a store, each as one write, for a caller who may."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol, cast

from iam_guard.directory.history import GetDirectoryHistory, Record, record_of
from iam_guard.directory.operation import Answer, Operation, Work
from iam_guard.directory.port import DirectoryStore, Note, Reading, Writing
from iam_guard.directory.quotas import Quotas
from iam_guard.directory.secrets import Secrets
from iam_guard.errors import ConcurrentModificationError
from iam_guard.model import EMPTY, ContextValue, Principal

_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ID_LENGTH = 21


def new_unique_id(prefix: str) -> str:
    """``AIDA`` and seventeen more letters and digits, never the same twice."""
    return prefix + "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH - len(prefix)))


class Referee(Protocol):
    """Says whether an operation may be; see :mod:`iam_guard.directory.authorization`."""

    def before(self, operation: Operation, work: Work) -> None:
        """Whether the caller may perform it.

        Raises:
            OperationDeniedError: not.
        """
        ...

    def after(self, operation: Operation, work: Work) -> None:
        """Whether what it did gives nobody more than the caller has.

        Raises:
            OperationDeniedError: it does.
        """
        ...


class Directory:
    """Accounts, users, groups, roles and policies, and IAM's operations on them.

    Args:
        store: Where they are kept.
        referee: Decides who may do what.
        quotas: How much of everything there may be.
        secrets: Hashes passwords and encrypts secret access keys.
        clock: Tells the time, in UTC.
        new_id: Makes unique ids.
    """

    def __init__(self, store: DirectoryStore, *, referee: Referee, secrets: Secrets, quotas: Quotas = Quotas(),  # noqa: B008
                 clock: Callable[[], datetime] = lambda: datetime.now(UTC),
                 new_id: Callable[[str], str] = new_unique_id) -> None:
        self.store = store
        self._referee, self._quotas, self._secrets, self._clock, self._new_id = referee, quotas, secrets, clock, new_id

    def perform(self, operation: Operation, *, by: Principal, account: str = "",
                context: Mapping[str, ContextValue] = EMPTY, if_revision: int | None = None) -> Answer:
        """Perform an operation, whole or not at all.

        The store records who did what and when, with every entity before and after; :meth:`history` shows it.

        Args:
            operation: What to do.
            by: Who asks.
            account: The account to work in; the caller's own when empty.
            context: Further condition keys of the request, such as ``aws:SourceIp``.
            if_revision: Where the caller edits what was read earlier: the directory's revision then. When
                anything the operation changes has changed since, nothing is done.

        Raises:
            DirectoryError: it cannot or may not be done; nothing is kept of it.
            UnavailableError: the store cannot be reached.
        """
        account, now = account or by.account, self._clock()
        if not operation.changes:
            with self.store.read() as reading:
                return self._run(operation, self._work(reading, by, account, now, context))
        note = Note(by.arn, type(operation).__name__, now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        with self.store.write(note) as tx:
            answer = self._run(operation, self._work(tx, by, account, now, context))
            _check_unchanged(tx, if_revision)
            return answer

    def history(self, *, by: Principal, account: str = "", since: int = 0, limit: int = 1000,
                context: Mapping[str, ContextValue] = EMPTY) -> list[Record]:
        """What was changed in an account, by whom, when and from what to what; hidden texts stay hidden.

        The managing account also sees what concerns the organization and the whole directory.

        Args:
            by: Who asks; it takes ``iam:GetDirectoryHistory``.
            account: Of which account; the caller's own when empty.
            since: Only what came after this revision.
            limit: How many writes are looked at, at most.
            context: As for :meth:`perform`.

        Raises:
            DirectoryError: it may not be seen.
            HistoryGoneError: that far back nothing is kept.
        """
        account = account or by.account
        accounts = self.perform(GetDirectoryHistory(), by=by, account=account, context=context)["Accounts"]
        changes = self.store.changes(since, limit=limit)
        return [record for change in changes if (record := record_of(change, accounts)) is not None]

    def _run(self, operation: Operation, work: Work) -> Answer:
        self._referee.before(operation, work)
        answer = operation.run(work)
        if operation.changes:
            self._referee.after(operation, work)
        return answer

    def _work(self, tx: Reading, by: Principal, account: str, now: datetime,
              context: Mapping[str, ContextValue]) -> Work:
        return Work(cast("Writing", tx), account, by, self._quotas, now, self._new_id, self._secrets, context)


def _check_unchanged(tx: Writing, since: int | None) -> None:
    if since is None:
        return
    for entry in tx.entries():
        if entry.before is not None and tx.revision_of(entry.key) > since:
            raise ConcurrentModificationError(f"{entry.key.kind} {entry.key.name} was changed since revision {since}.")
