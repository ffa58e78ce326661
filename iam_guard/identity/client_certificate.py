"""The client's certificate: where it stands, and what is read off it.

It comes from the TLS layer itself (the ASGI extension ``tls``), or from one header of a trusted proxy. Which one is
a setting and never a guess: a client can send every header that its proxy does not overwrite.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from cachetools import FIFOCache
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from iam_guard.errors import AuthenticationError
from iam_guard.identity.confirmation import thumbprint
from iam_guard.identity.forwarded_certificate import read_element

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest

_PEM = re.compile(rb"\s*-----BEGIN CERTIFICATE-----\s*([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----\s*")
#: RFC 9440 section 2.1: a byte sequence of structured fields.
_BYTES = re.compile(r"\s*:([A-Za-z0-9+/]*={0,2}):\s*")


class Place(StrEnum):
    """Where the certificate of a request stands."""

    TLS = "tls"
    CLIENT_CERT = "client-cert"
    SSL_CLIENT_CERT = "ssl-client-cert"
    XFCC = "x-forwarded-client-cert"


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client certificate whose chain and key somebody else has checked.

    Attributes:
        thumbprint: ``x5t#S256``: SHA-256 of its DER form, in base64url.
        uris: URIs among its alternative names.
        dns_names: Host names among them.
        not_before: Seconds since the epoch from which it is valid; ``None`` when the proxy did not say.
        not_after: Seconds since the epoch until which it is valid; ``None`` when the proxy did not say.
        is_leaf: It signs messages and no certificates.
    """

    thumbprint: str
    uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    not_before: float | None = None
    not_after: float | None = None
    is_leaf: bool = True


def bad(detail: str) -> AuthenticationError:
    """The refusal of a certificate; *detail* is for the log."""
    return AuthenticationError("The client certificate is not acceptable", detail=detail)


class CertificateSource:
    """Finds the client certificate of a request.

    Args:
        place: Where it stands.
        clock: Seconds since the epoch.
        cache_size: How many certificates are remembered as read.
    """

    def __init__(self, place: Place, *, clock: Callable[[], float], cache_size: int = 1024) -> None:
        self._place = place
        self._clock = clock
        self._read: FIFOCache[bytes, ClientCertificate] = FIFOCache(cache_size)

    def find(self, request: HTTPRequest) -> ClientCertificate | None:
        """The certificate of *request*, valid at this moment; ``None`` when the client showed none.

        Raises:
            AuthenticationError: there is one, and it cannot be read or is not valid now, or there are two.
        """
        found = self._find(request)
        if found is None:
            return None
        now = self._clock()
        if (found.not_before is not None and now < found.not_before) or (
                found.not_after is not None and now >= found.not_after):
            raise bad("it is not valid at this moment")
        return found

    def _find(self, request: HTTPRequest) -> ClientCertificate | None:
        if self._place is Place.TLS:
            return self._remembered(pem_bytes(request.tls_chain[0].encode())) if request.tls_chain else None
        if not request.trusted:
            return None  # whoever sent such a header from elsewhere only claims to have a certificate
        values = request.header_values(self._place.value)
        if len(values) > 1:
            raise AuthenticationError("More than one client certificate was sent", code="invalid_request")
        value = values[0].strip() if values else ""
        return self._in_header(value, request) if value else None

    def _in_header(self, value: str, request: HTTPRequest) -> ClientCertificate | None:
        if self._place is Place.CLIENT_CERT:
            return self._remembered(_structured(value))
        if self._place is Place.SSL_CLIENT_CERT:
            return self._remembered(pem_bytes(unquote_to_bytes(value))) if _is_verified(request) else None
        told = read_element(value)
        if told.certificate:
            found = self._remembered(pem_bytes(unquote_to_bytes(told.certificate)))
            if found.thumbprint != thumbprint(told.digest):
                raise bad("the proxy names the hash of another certificate")
            return found
        return ClientCertificate(thumbprint(told.digest), told.uris, told.dns_names)

    def _remembered(self, der: bytes) -> ClientCertificate:
        digest = sha256(der).digest()
        known = self._read.get(digest)
        if known is None:
            known = self._read[digest] = read_certificate(der)
        return known


def _is_verified(request: HTTPRequest) -> bool:
    """What nginx says about its check: SUCCESS, NONE, or FAILED with a reason."""
    said = request.header_values("ssl-client-verify")
    if said == ("NONE",):
        return False
    if said != ("SUCCESS",):
        raise bad("'ssl-client-verify' does not say SUCCESS")
    return True


def _structured(value: str) -> bytes:
    found = _BYTES.fullmatch(value)
    try:
        return base64.b64decode(found[1] if found else "?", validate=True)
    except binascii.Error:
        raise bad("'client-cert' is not one byte sequence") from None


def pem_bytes(text: bytes) -> bytes:
    """The DER form of the one certificate in *text*.

    Raises:
        AuthenticationError: there is none, several, or something else.
    """
    found = _PEM.fullmatch(text)
    try:
        return base64.b64decode(b"".join((found[1] if found else b"?").split()), validate=True)
    except binascii.Error:
        raise bad("there is not exactly one certificate in PEM form") from None


def read_certificate(der: bytes) -> ClientCertificate:
    """Read what callers are named by.

    Raises:
        AuthenticationError: it is not a certificate.
    """
    try:
        read = x509.load_der_x509_certificate(der)
        names = _alternative_names(read)
        return ClientCertificate(
            thumbprint(sha256(der).digest()), tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
            tuple(names.get_values_for_type(x509.DNSName)), read.not_valid_before_utc.timestamp(),
            read.not_valid_after_utc.timestamp(), _is_leaf(read))
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise bad(f"it cannot be read: {type(error).__name__}") from None


def _alternative_names(read: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _is_leaf(read: x509.Certificate) -> bool:
    """X509-SVID section 4: no authority, and of the key usages one signs, none signs certificates or lists."""
    constraints, usage = None, None
    for extension in read.extensions:
        if extension.oid == ExtensionOID.BASIC_CONSTRAINTS:
            constraints = extension.value
        elif extension.oid == ExtensionOID.KEY_USAGE:
            usage = extension.value
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        return False
    return not isinstance(usage, x509.KeyUsage) or (
        usage.digital_signature and not usage.key_cert_sign and not usage.crl_sign)
