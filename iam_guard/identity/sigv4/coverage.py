"""What a signature has to cover, if it is there: whatever else anybody on the way could change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iam_guard.identity.sigv4.dates import date_header
from iam_guard.identity.sigv4.refusals import malformed

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.identity.sigv4.claim import Claim
    from iam_guard.identity.sigv4.rules import SignatureRules

#: CloudFront adds it to requests that were signed before they came there.
_ADDED_ON_THE_WAY = frozenset({b"x-amz-cf-id"})


def check_coverage(request: HTTPRequest, claim: Claim, rules: SignatureRules) -> None:
    """Check that the signature covers ``host``, the date, every ``x-amz-`` header and what the rules name.

    Raises:
        AuthenticationError: it does not.
    """
    signed = set(claim.signed_headers)
    needed = {"host"} if claim.expires is not None else {"host", date_header(request)}
    for name, _ in request.headers:
        text = name.decode("latin-1")
        if text in rules.signed_headers or (text.startswith("x-amz-") and name not in _ADDED_ON_THE_WAY):
            needed.add(text)
    if not needed <= signed:
        raise malformed("the signature does not cover " + ", ".join(sorted(needed - signed)))
