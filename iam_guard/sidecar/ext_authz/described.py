"""What Envoy says about a request."""

from __future__ import annotations

from typing import NamedTuple

from iam_guard.sidecar.original import Fields


class Described(NamedTuple):
    """The part of a ``CheckRequest`` that is used here; empty where nothing is said.

    Attributes:
        method: Of the client's request, as the fields ``path``, ``host``, ``scheme`` and ``protocol`` are.
        path: With the query.
        host: As the client named it.
        scheme: Of the connection.
        protocol: Such as ``HTTP/1.1``.
        headers: Names in lower case and values, pseudo headers among them.
        body: What was handed over of the body.
        source: The address that the request came from.
        certificate: Of the client, percent-encoded.
    """

    method: bytes
    path: bytes
    host: bytes
    scheme: bytes
    protocol: bytes
    headers: Fields
    body: bytes
    source: str
    certificate: str
