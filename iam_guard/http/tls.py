"""The client's certificates, as the TLS layer of the server tells them (ASGI extension ``tls``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from iam_guard.http.request import HTTPRequest

#: A chain that is longer than this is no chain of ours.
MAX_CHAIN = 10
#: Stands for a certificate that the server did not accept: whoever reads certificates cannot read this one.
UNACCEPTABLE = ("",)


def with_client_certificates(request: HTTPRequest, tls: Mapping[str, Any]) -> None:
    """Add to a request that was just made what the server found out about its client.

    A certificate that the server did not accept matters where certificates matter, and nowhere else.

    Args:
        request: Nobody else may have it yet.
        tls: The extension's part of the scope.
    """
    chain = tuple(tls.get("client_cert_chain") or ())
    if tls.get("client_cert_error") or len(chain) > MAX_CHAIN or not all(isinstance(one, str) for one in chain):
        chain = UNACCEPTABLE
    msgspec.structs.force_setattr(request, "tls_chain", chain)
