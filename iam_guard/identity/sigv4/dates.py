"""When a request was signed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from iam_guard.identity.sigv4.refusals import malformed

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest

_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
#: As HTTP writes dates (RFC 9110 section 5.6.7), and as botocore does.
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} (?:GMT|-0000)")
_FORMAT = "%Y%m%dT%H%M%SZ"


def date_header(request: HTTPRequest) -> str:
    """Name of the header that dates a request: ``x-amz-date`` before ``date``."""
    return "x-amz-date" if request.header_values("x-amz-date") else "date"


def stamp_of_request(request: HTTPRequest) -> str:
    """The date of a request that is signed in the header, written as signatures write it.

    Raises:
        AuthenticationError: it has no date, or several.
    """
    values = request.header_values(date_header(request))
    if len(values) != 1:
        raise malformed("a signed request does not have one date")
    text = values[0].strip()
    return _from_http_date(text) if _HTTP_DATE.fullmatch(text) else text


def _from_http_date(text: str) -> str:
    try:
        return parsedate_to_datetime(text).strftime(_FORMAT)
    except ValueError:
        raise malformed("the Date header is not a date") from None


def seconds_of(stamp: str) -> float:
    """Seconds since the epoch.

    Raises:
        AuthenticationError: it is not a date in the one spelling that signatures have.
    """
    if not _STAMP.fullmatch(stamp):
        raise malformed("the date of the signature is not written like one")
    try:
        return datetime.strptime(stamp, _FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise malformed("the date of the signature is not a date") from None
