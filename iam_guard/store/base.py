"""The port: where policies, and who they are attached to, come from."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from iam_guard.engine.attachments import Attachments
from iam_guard.errors import Fault
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a store holds, as it was at one moment; whole or not at all.

    Attributes:
        attachments: What is attached to whom.
        revision: Stands for the contents: equal contents have equal revisions.
        partition: The partition that the store's ARNs are written with.
        account: The account that names without one belong to.
        notes: What is legal and probably not meant.
        since: Revision of an earlier snapshot that this one shares its unchanged policies with, to the very
            object; empty when it shares with none.
        touched: Names (ARNs, ids of accounts, ``*`` for everybody) of what changed from there to here.
    """

    attachments: Attachments
    revision: str
    partition: str = DEFAULT_PARTITION
    account: str = DEFAULT_ACCOUNT
    notes: tuple[Fault, ...] = ()
    since: str = ""
    touched: frozenset[str] = frozenset()


class PolicyStore(Protocol):
    """Holds policies. It hands out documents, never decisions, and half a set never."""

    def load(self) -> Snapshot:
        """Read everything. May block: the refresher calls it in a worker thread.

        Raises:
            DocumentError: something is wrong; carries every fault that was found.
            UnavailableError: the store cannot be reached, or holds nothing where it should.
        """
        ...

    def revision(self) -> str:
        """The revision that :meth:`load` would give now, as cheaply as it can be told.

        Raises:
            DocumentError: as :meth:`load` does.
            UnavailableError: as :meth:`load` does.
        """
        ...

    def changes(self) -> AsyncGenerator[None, None]:
        """Yields soon after something changed; may miss a change and may yield for none."""
        ...
