"""The condition keys that a request brings (language specification, sections 4.3 and 4.5).

A key whose value is unknown is absent, never empty. Header and query keys are added only for names that are
asked for, and always hold a set of values: a header that was sent twice is two values.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from iam_guard.http.request import HTTPRequest

# Half the price of isoformat, which asks the time zone for its offset.
_INSTANT = "%04d-%02d-%02dT%02d:%02d:%02dZ"


def request_context(request: HTTPRequest, now: datetime, *, http_headers: Iterable[str] = (),
                    http_query: Iterable[str] = ()) -> dict[str, str | tuple[str, ...]]:
    """Describe a request to the policies.

    Args:
        request: The checked request.
        now: The time of the decision, with a time zone.
        http_headers: Header names to add as ``http:header/<name>``.
        http_query: Query parameters to add as ``http:query/<name>``.

    Raises:
        ValueError: *now* has no time zone.
    """
    return {"aws:currenttime": _instant(now), "aws:epochtime": str(int(now.timestamp())),
            **request_keys(request, http_headers=http_headers, http_query=http_query)}


def request_keys(request: HTTPRequest, *, http_headers: Iterable[str] = (),
                 http_query: Iterable[str] = ()) -> dict[str, str | tuple[str, ...]]:
    """The same without the time, for who asks a guard: it knows the time itself."""
    keys: dict[str, str | tuple[str, ...]] = {
        "aws:securetransport": "true" if request.secure else "false",
        "aws:viaawsservice": "false",
        "http:method": request.method,
        "http:path": request.path,
    }
    if request.source_ip:
        keys["aws:sourceip"] = request.source_ip
    if request.host:
        keys["http:host"] = request.host
    if agent := request.field(b"user-agent"):
        keys["aws:useragent"] = agent
    if referer := request.field(b"referer"):
        keys["aws:referer"] = referer
    for name in http_headers:
        if values := request.header_values(name):
            keys[f"http:header/{name.lower()}"] = values
    for name in http_query:
        if values := request.query.get(name, ()):
            keys[f"http:query/{name.lower()}"] = values
    return keys


def _instant(now: datetime) -> str:
    if now.tzinfo is None:
        raise ValueError("a date in the context needs a time zone")
    if now.tzinfo is not UTC:
        now = now.astimezone(UTC)
    return _INSTANT % (now.year, now.month, now.day, now.hour, now.minute, now.second)
