"""Client certificates of every degree of wrongness, made for tests."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from tokens import NOW, ec_key


@cache
def certificate(uris: Sequence[str] = (), dns: Sequence[str] = (), *, ca: bool = False, signs_others: bool = False,
                start: int = NOW - 60, end: int = NOW + 3600, cn: str = "x") -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, cn)])
    names = [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, dns)]
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(ec_key("client").public_key())
            .serial_number(7).not_valid_before(datetime.fromtimestamp(start, UTC))
            .not_valid_after(datetime.fromtimestamp(end, UTC))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.KeyUsage(True, False, False, False, False, signs_others, False, False, False), True))
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(ec_key("client"), SHA256())


def pem(made: x509.Certificate) -> str:
    return made.public_bytes(Encoding.PEM).decode()


def x5t(made: x509.Certificate) -> str:
    return base64.urlsafe_b64encode(sha256(made.public_bytes(Encoding.DER)).digest()).rstrip(b"=").decode()


def client_cert(made: x509.Certificate) -> str:
    """The value of ``Client-Cert`` (RFC 9440)."""
    return f":{base64.b64encode(made.public_bytes(Encoding.DER)).decode()}:"


def xfcc(made: x509.Certificate, *, with_cert: bool = False) -> str:
    """The value of ``X-Forwarded-Client-Cert`` as Envoy documents it."""
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    parts = ["By=spiffe://prod.example/ingress", f"Hash={sha256(made.public_bytes(Encoding.DER)).hexdigest()}"]
    parts += [f'Cert="{quote(pem(made), safe="")}"'] if with_cert else []
    parts += ['Subject="CN=x,O=\\"Example\\""']
    parts += [f"URI={uri}" for uri in names.get_values_for_type(x509.UniformResourceIdentifier)]
    parts += [f"DNS={dns}" for dns in names.get_values_for_type(x509.DNSName)]
    return ";".join(parts)
