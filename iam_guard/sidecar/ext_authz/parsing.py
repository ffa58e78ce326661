"""``CheckRequest`` messages to what they say."""

from __future__ import annotations

from typing import Any

from iam_guard.sidecar.ext_authz import messages
from iam_guard.sidecar.ext_authz.described import Described
from iam_guard.sidecar.ext_authz.reading import apart, unclear
from iam_guard.sidecar.original import Fields


def described(message: bytes, listed: frozenset[bytes] = frozenset()) -> Described:
    """What a ``CheckRequest`` says.

    Args:
        message: As it came.
        listed: Names of headers that are read as lists where Envoy has made one of several with a name.

    Raises:
        RequestRefusedError: it is none, or tells its headers in two ways.
    """
    try:
        attributes: Any = messages.CheckRequest.FromString(message).attributes
    except messages.DecodeError:
        raise unclear("it is no CheckRequest") from None
    source, http = attributes.source, attributes.request.http
    return Described(http.method, http.path, http.host, http.scheme, http.protocol, _headers(http, listed),
                     http.raw_body or http.body, source.address.socket_address.address, source.certificate)


def _headers(http: Any, joined: frozenset[bytes]) -> Fields:
    listed = http.header_map.headers
    if not listed:
        return tuple(apart([(one.key.lower(), one.value) for one in http.headers], joined))
    if http.headers:
        raise unclear("it tells its headers twice")
    return tuple([(one.key.lower(), one.raw_value or one.value) for one in listed])
