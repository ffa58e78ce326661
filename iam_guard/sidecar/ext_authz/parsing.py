"""``CheckRequest`` messages of any shape, read by protobuf."""

from __future__ import annotations

from typing import Any

from iam_guard.sidecar.ext_authz import messages
from iam_guard.sidecar.ext_authz.described import Described
from iam_guard.sidecar.ext_authz.reading import unclear
from iam_guard.sidecar.original import Fields


def by_protobuf(message: bytes) -> Described:
    """What a ``CheckRequest`` says.

    Args:
        message: As it came.

    Raises:
        RequestRefusedError: it is none, or tells its headers in two ways.
    """
    try:
        check: Any = messages.CheckRequest.FromString(message)
    except messages.DecodeError:
        raise unclear("it is no CheckRequest") from None
    source, http = check.attributes.source, check.attributes.request.http
    return Described(http.method.encode(), http.path.encode(), http.host.encode(), http.scheme.encode(),
                     http.protocol.encode(), _headers(http), http.raw_body or http.body.encode(),
                     source.address.socket_address.address, source.certificate.encode())


def _headers(http: Any) -> Fields:
    raw = http.header_map.headers
    if raw and http.headers:
        raise unclear("it tells its headers twice")
    if raw:
        return tuple([(one.key.lower().encode(), one.raw_value or one.value.encode()) for one in raw])
    return tuple([(name.lower().encode(), value.encode()) for name, value in http.headers.items()])
