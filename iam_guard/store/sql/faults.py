"""Errors of drivers, said in this package's words and without what they quote."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from iam_guard.errors import ConcurrentModificationError, IAMGuardError, UnavailableError

#: SQLite: BUSY and LOCKED. PostgreSQL: no lock in time, serialization failure, deadlock.
_BUSY_SQLITE = {5, 6}
_BUSY_POSTGRESQL = {"55P03", "40001", "40P01"}


def is_busy(error: BaseException) -> bool:
    """Whether others had it, so that the same may succeed later."""
    cause = getattr(error, "orig", None) or error
    if getattr(cause, "sqlstate", None) in _BUSY_POSTGRESQL:
        return True
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _BUSY_SQLITE


def said(error: BaseException, secret: str = "") -> str:
    """The first line of what the driver says, which repeats neither statement nor parameters.

    Args:
        error: What the driver or SQLAlchemy raised.
        secret: The password, taken out wherever it stands.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(cause).strip().splitlines()
    line = text[0] if text else type(cause).__name__
    return line.replace(secret, "***") if secret else line


def translate(error: SQLAlchemyError, place: str, secret: str, *, writing: bool) -> IAMGuardError:
    """What to raise instead.

    Args:
        error: What SQLAlchemy raised.
        place: The store's URL without a password.
        secret: The password.
        writing: Whether a write met it; then who is in the way decides which error it is.
    """
    if writing and (is_busy(error) or isinstance(error, IntegrityError)):
        return ConcurrentModificationError(f"'{place}' is being written to by others: {said(error, secret)}")
    return UnavailableError(f"'{place}' is not available: {said(error, secret)}")
