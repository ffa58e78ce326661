"""Everything this package raises, as one tree.

    IAMGuardError
    ├── DocumentError            a text could not be read; carries every fault that was found
    │   ├── PolicyDocumentError    ... and the text is a policy
    │   └── ConfigurationError     ... and the text (or call) configures the guard
    ├── AuthenticationError      credentials were sent and are not acceptable
    │   └── BodyNeededError        ... as long as the body, which they cover, has not been handed over
    ├── AccessDeniedError        a Decision said no and somebody asked to enforce it
    ├── RequestRefusedError      the request itself is malformed or ambiguous
    ├── UnavailableError         a decision cannot be made now (nothing loaded, keys never fetched)
    │   └── HistoryGoneError       a store no longer knows what changed since then
    ├── TokenServiceError        the token service refused; code and status are those of IAM's token service
    └── DirectoryError           an operation on the directory was refused; code and status are IAM's
        ├── NoSuchEntityError, EntityAlreadyExistsError, DeleteConflictError, LimitExceededError
        ├── ConcurrentModificationError, MalformedPolicyDocumentError, InvalidInputError
        ├── PolicyNotAttachableError, UnmodifiableEntityError
        └── OperationDeniedError   the caller may not do it; carries the Decision where there is one

Messages start in lower case, name the thing in question in single quotes and end without a full stop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iam_guard.engine.decision import Decision


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a text, where it stands and how to mend it.

    Attributes:
        message: What is wrong.
        mend: What to write instead; empty when the message says it all.
        pointer: RFC 6901 JSON pointer to the place, ``""`` for the whole document.
        line: Line in the text, counted from 1; 0 when unknown.
        column: Column in the line, counted from 1; 0 when unknown.
        file: Name of the text; empty when it came from memory.
        code: Access Analyzer's name of the check where it has one, in upper snake case.
    """

    message: str
    mend: str = ""
    pointer: str = ""
    line: int = 0
    column: int = 0
    file: str = ""
    code: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        where = f"{place}: " if place else ""
        at = f"{self.pointer}: " if self.pointer else ""
        return f"{where}{at}{self.message}" + (f"; {self.mend}" if self.mend else "")

    def in_file(self, file: str) -> Fault:
        """The same fault, said to stand in *file*."""
        return replace(self, file=file)


class IAMGuardError(Exception):
    """Base of everything this package raises."""


class DocumentError(IAMGuardError, ValueError):
    """A text could not be read.

    Args:
        faults: What is wrong, one or several; a plain string becomes a fault without a place.
    """

    faults: tuple[Fault, ...]

    def __init__(self, faults: str | Fault | Iterable[Fault]) -> None:
        if isinstance(faults, str):
            faults = Fault(faults)
        self.faults = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class PolicyDocumentError(DocumentError):
    """A policy document was refused as a whole.

    Args:
        faults: As for DocumentError.
        summary: What IAM's CreatePolicy says about the first of them.
    """

    def __init__(self, faults: str | Fault | Iterable[Fault], *, summary: str = "Syntax errors in policy.") -> None:
        super().__init__(faults)
        self.summary = summary


class ConfigurationError(DocumentError):
    """The guard was about to be built wrongly: it does not start."""


class AuthenticationError(IAMGuardError):
    """Credentials were sent and cannot be accepted.

    Args:
        description: For the client, printable ASCII without quotes; never repeats token contents.
        code: ``invalid_token`` (401) or ``invalid_request`` (400), as in RFC 6750 section 3.1.
        detail: For the log only: why, in terms an operator can act on.
        scheme: The scheme whose challenge tells the client, such as ``DPoP``; by default the usual one for *code*.
        headers: What the client is told besides, such as the nonce to use next.
    """

    def __init__(self, description: str, *, code: str = "invalid_token", detail: str = "", scheme: str = "",
                 headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail or description)
        self.description = description
        self.code = code
        self.detail = detail or description
        self.scheme = scheme
        self.headers = headers


class BodyNeededError(AuthenticationError):
    """Credentials cover the body of the request: ask again with :attr:`HTTPRequest.body` set.

    A door that hands bodies over (see :class:`iam_guard.http.body.RequestBody`) asks again; for any other this is
    the refusal that it has to be.
    """

    def __init__(self) -> None:
        super().__init__("The request signature cannot be checked here",
                         detail="the signature covers the body, which this door does not hand over")


class AccessDeniedError(IAMGuardError):
    """Somebody may not do what they asked; ``decision`` says why.

    ``status_code``, ``detail`` and ``headers`` let a framework that knows nothing of this package
    answer correctly.
    """

    status_code = 403

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.message)
        self.decision = decision
        self.detail = "Access denied"
        self.headers: dict[str, str] = {"Cache-Control": "no-store"}


class RequestRefusedError(IAMGuardError):
    """A request is malformed or could be read in two ways.

    Args:
        description: What is wrong with it, for the client; repeats nothing of the request.
        status: HTTP status to answer with.
        code: Last part of the problem type, such as ``ambiguous-path``.
    """

    def __init__(self, description: str, *, status: int = 400, code: str = "ambiguous-path") -> None:
        super().__init__(description)
        self.description = description
        self.status = status
        self.code = code


class UnavailableError(IAMGuardError):
    """A decision cannot be made at the moment; the door answers 503 and nothing runs."""


class HistoryGoneError(UnavailableError):
    """A store no longer knows what changed since a revision; everything has to be read again."""


class TokenServiceError(IAMGuardError):
    """The token service gives no session.

    Args:
        code: IAM's name of the error (language specification, section 6.2): ``AccessDenied``, ``ValidationError``,
            ``PackedPolicyTooLarge``, ``ExpiredTokenException``, ``InvalidIdentityToken``, ``IDPCommunicationError``.
        message: What is wrong; it repeats no secret and tells nobody which roles there are.
        decision: The decision, where one was made; for the operator.
    """

    def __init__(self, code: str, message: str, decision: Decision | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = 403 if code in ("AccessDenied", "IDPRejectedClaim") else 400
        self.decision = decision


class DirectoryError(IAMGuardError):
    """An operation on the directory was refused, and changed nothing.

    Attributes:
        code: IAM's name of the error (language specification, section 7.1).
        status: The HTTP status that belongs to it.
    """

    code = "ServiceFailure"
    status = 500


class NoSuchEntityError(DirectoryError):
    """What was named does not exist."""

    code, status = "NoSuchEntity", 404


class EntityAlreadyExistsError(DirectoryError):
    """The name is taken, be it in other case."""

    code, status = "EntityAlreadyExists", 409


class DeleteConflictError(DirectoryError):
    """Something still hangs on what should be deleted."""

    code, status = "DeleteConflict", 409


class LimitExceededError(DirectoryError):
    """A quota is used up."""

    code, status = "LimitExceeded", 409


class ConcurrentModificationError(DirectoryError):
    """Somebody else changed it meanwhile; read again and try again."""

    code, status = "ConcurrentModification", 409


class MalformedPolicyDocumentError(DirectoryError):
    """A policy document was refused.

    Args:
        message: What IAM says about the first fault.
        faults: All of them, each with its place.
    """

    code, status = "MalformedPolicyDocument", 400

    def __init__(self, message: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class InvalidInputError(DirectoryError):
    """A parameter is not acceptable."""

    code, status = "InvalidInput", 400


class PolicyNotAttachableError(DirectoryError):
    """The policy may not be attached."""

    code, status = "PolicyNotAttachable", 400


class UnmodifiableEntityError(DirectoryError):
    """It belongs to the platform and is not changed here."""

    code, status = "UnmodifiableEntity", 400


class OperationDeniedError(DirectoryError):
    """The caller may not do this.

    Args:
        message: Why, for the operator.
        decision: The decision, where the engine made one.
    """

    code, status = "AccessDenied", 403

    def __init__(self, message: str, decision: Decision | None = None) -> None:
        super().__init__(message)
        self.decision = decision
