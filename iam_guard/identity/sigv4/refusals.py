"""What those are told whose signature does not count.

An unknown key, one that is switched off, a wrong secret and a changed request all get :func:`not_valid`; what it was
is for the log (wire contracts, section 11).
"""

from __future__ import annotations

from iam_guard.errors import AuthenticationError

#: The one algorithm, which is also the scheme of the ``Authorization`` header.
ALGORITHM = "AWS4-HMAC-SHA256"

NOT_VALID = "The request signature is not valid"
MALFORMED = "The request signature is malformed"
EXPIRED = "The request signature is too old or of the future"


def not_valid(detail: str) -> AuthenticationError:
    """The signature is not one of a key that we know over this request."""
    return AuthenticationError(NOT_VALID, detail=detail, scheme=ALGORITHM)


def malformed(detail: str) -> AuthenticationError:
    """The signature cannot be read, or not in one way; *detail* repeats nothing of it."""
    return AuthenticationError(MALFORMED, detail=detail, scheme=ALGORITHM)


def twice(detail: str) -> AuthenticationError:
    """The request carries two signatures."""
    return AuthenticationError("More than one credential was sent", code="invalid_request", detail=detail,
                               scheme=ALGORITHM)


def expired(detail: str) -> AuthenticationError:
    """The date of the signature is not now."""
    return AuthenticationError(EXPIRED, detail=detail, scheme=ALGORITHM)
