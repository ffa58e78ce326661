"""``CheckRequest`` messages to what they say."""

from __future__ import annotations

from typing import Any

from iam_guard.sidecar.ext_authz import messages
from iam_guard.sidecar.ext_authz.described import Described
from iam_guard.sidecar.ext_authz.reading import unclear
from iam_guard.sidecar.original import Fields


def described(message: bytes) -> Described:
    """What a ``CheckRequest`` says.

    Args:
        message: As it came.

    Raises:
        RequestRefusedError: it is none, or tells its headers in two ways.
    """
    try:
        attributes: Any = messages.CheckRequest.FromString(message).attributes
    except messages.DecodeError:
        raise unclear("it is no CheckRequest") from None
    source, http = attributes.source, attributes.request.http
    return Described(http.method, http.path, http.host, http.scheme, http.protocol, _headers(http),
                     http.raw_body or http.body, source.address.socket_address.address, source.certificate)


def _headers(http: Any) -> Fields:
    listed = http.header_map.headers
    if not listed:
        return tuple([(one.key.lower(), one.value) for one in http.headers])
    if http.headers:
        raise unclear("it tells its headers twice")
    return tuple([(one.key.lower(), one.raw_value or one.value) for one in listed])
