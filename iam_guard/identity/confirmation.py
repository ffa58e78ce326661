"""``cnf``: what a token is bound to, and whether its sender showed exactly that (RFC 7800, threat J24).

A bound token is worth nothing without its proof, whatever scheme it is sent with; a binding that is not
understood cannot be checked and therefore is never met.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any

from iam_guard.errors import AuthenticationError
from iam_guard.model import EMPTY

#: Thumbprint of the key that signs DPoP proofs (RFC 9449 section 6.1).
KEY = "jkt"
#: Thumbprint of the client certificate (RFC 8705 section 3.1).
CERTIFICATE = "x5t#S256"
#: Of sessions that sign requests: which key their secret was made with. No other scheme shows it.
SIGNING = "iam_guard:sigv4"

#: A SHA-256 digest in base64url. It is compared as text, so one with spare bits is met by nothing.
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_FORMS = {KEY: _THUMBPRINT, CERTIFICATE: _THUMBPRINT, SIGNING: re.compile(r"[0-9a-f]{16}")}

Confirmation = Mapping[str, str]


def thumbprint(digest: bytes) -> str:
    """A SHA-256 digest as confirmations write it (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def read_confirmation(claims: Mapping[str, Any]) -> Confirmation:
    """What the token with these *claims* is bound to; empty for one that is not bound.

    Raises:
        AuthenticationError: it is bound in a way that cannot be checked here.
    """
    if "cnf" not in claims:
        return EMPTY
    bound = claims["cnf"]
    if not isinstance(bound, dict) or not bound or not bound.keys() <= _FORMS.keys():
        raise _unmet("'cnf' is of a kind that is not checked here")
    if not all(isinstance(value, str) and _FORMS[name].fullmatch(value) for name, value in bound.items()):
        raise _unmet("'cnf' holds something else than thumbprints")
    return dict(bound)


def check_confirmation(bound: Confirmation, shown: Confirmation) -> None:
    """Compare everything that a token is bound to with what its sender has shown.

    Args:
        bound: See :func:`read_confirmation`.
        shown: Thumbprints of what the sender proved to hold.

    Raises:
        AuthenticationError: something is missing or different.
    """
    for method, expected in bound.items():
        if not compare_digest(expected, shown.get(method, "")):
            raise _unmet(f"'{method}' of 'cnf' was not shown")


def _unmet(detail: str) -> AuthenticationError:
    return AuthenticationError("The access token is bound to a key", detail=detail)
