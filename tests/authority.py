"""An authority of certificates, for TLS in tests with real connections."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


class Authority:
    """Signs certificates."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self._made = self._begun(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(True, None), critical=True).add_extension(
            x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        self.pem = self._made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def _begun(self, name: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key)
                .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(minutes=1))
                .not_valid_after(now + timedelta(hours=1)))

    def issue(self, folder: Path, name: str, *names: x509.GeneralName) -> int:
        """Write a certificate and its key; returns its serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._begun(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), key.public_key())
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = made.add_extension(x509.BasicConstraints(False, None), critical=True)
        made = made.add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
        signed = made.sign(self._key, SHA256())
        for ending, content in (("key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
                                ("pem", signed.public_bytes(Encoding.PEM))):
            aside = folder / f"{name}.{ending}.new"
            aside.write_bytes(content)
            aside.replace(folder / f"{name}.{ending}")
        return signed.serial_number
