"""The client certificate as proof that a token is its sender's (RFC 8705 section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iam_guard.errors import AuthenticationError
from iam_guard.identity.confirmation import CERTIFICATE, Confirmation
from iam_guard.model import EMPTY

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.identity.client_certificate import CertificateSource


@dataclass(frozen=True, slots=True)
class CertificateProof:
    """Certificates beside tokens.

    Attributes:
        source: Where the certificate of a request is; ``None`` where none is looked at.
        names_callers: Whether a certificate alone is a credential here. Beside a token that is not bound to it,
            it is a second one then.
    """

    source: CertificateSource | None = None
    names_callers: bool = False

    def shown(self, request: HTTPRequest) -> Confirmation:
        """What the certificate of *request* proves; empty without one.

        Raises:
            AuthenticationError: there is one, and it is not acceptable.
        """
        found = None if self.source is None else self.source.find(request)
        return EMPTY if found is None else {CERTIFICATE: found.thumbprint}

    def check_alone(self, request: HTTPRequest, bound: Confirmation) -> None:
        """Refuse a second credential.

        Raises:
            AuthenticationError: a certificate that names a caller was sent beside a token that is not bound to it.
        """
        if self.names_callers and CERTIFICATE not in bound and self.shown(request):
            raise AuthenticationError("More than one credential was sent", code="invalid_request",
                                      detail="the certificate is not the one that the token is bound to")


NO_CERTIFICATES = CertificateProof()
