"""The ``Authorization`` header: its scheme, and the token after it where the scheme is not ``Bearer``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from iam_guard.errors import AuthenticationError
from iam_guard.identity.token import malformed
from iam_guard.model import ascii_lower

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest

#: ``token68`` of RFC 9110 section 11.2 after a scheme and spaces.
_CREDENTIALS = re.compile(rb"[A-Za-z0-9-]+ +([A-Za-z0-9._~+/-]+=*)")


def authorization_scheme(request: HTTPRequest) -> str | None:
    """The scheme in lower case; ``""`` for a header without one, ``None`` without a header.

    Raises:
        AuthenticationError: there are two such headers.
    """
    value = request.only(b"authorization")
    if value is None:
        if request.header_values("authorization"):
            raise AuthenticationError("More than one Authorization header was sent", code="invalid_request")
        return None
    if value.startswith(b"Bearer "):
        return "bearer"  # what nearly everybody sends
    first = value.split(None, 1)[:1]
    return ascii_lower(first[0].decode("latin-1")) if first else ""


def token_after_scheme(request: HTTPRequest) -> bytes:
    """The one token after the scheme, whatever that is.

    Raises:
        AuthenticationError: there is no header, no token, or more than one.
    """
    found = _CREDENTIALS.fullmatch(request.only(b"authorization") or b"")
    if found is None:
        raise malformed("there is not exactly one token after the scheme")
    return found[1]
