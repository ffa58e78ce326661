"""Certificates of listeners: what is wrong with them is told before anybody connects."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from iam_guard.asgi.tls import TLSSettings, make_context, renewable
from iam_guard.errors import ConfigurationError

DAY = timedelta(days=1)


def written(folder: Path, begin: timedelta = -DAY, end: timedelta = DAY, password: bytes = b"") -> TLSSettings:
    """A certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now + begin, now + end)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return TLSSettings(cert_file=str(folder / "cert.pem"), key_file=str(folder / "key.pem"))


def refused(settings: TLSSettings) -> tuple[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        make_context(settings)
    (fault,) = caught.value.faults
    assert fault.mend
    return fault.pointer, fault.message


def test_a_good_certificate_is_shown(tmp_path: Path) -> None:
    assert make_context(written(tmp_path)).minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(("begin", "end", "told"), [(-2 * DAY, -DAY, "has expired"),
                                                    (DAY, 2 * DAY, "is not good before")])
def test_a_certificate_that_does_not_count_today_is_refused(tmp_path: Path, begin: timedelta, end: timedelta,
                                                            told: str) -> None:
    pointer, message = refused(written(tmp_path, begin, end))
    assert pointer == "/tls/cert_file"
    assert f"'{tmp_path / 'cert.pem'}' {told}" in message


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = written(tmp_path), written(tmp_path / "other")
    pointer, message = refused(TLSSettings(cert_file=one.cert_file, key_file=other.key_file))
    assert pointer == "/tls/key_file"
    assert one.cert_file in message
    assert other.key_file in message


@pytest.mark.parametrize(("name", "pointer"), [("cert.pem", "/tls/cert_file"), ("key.pem", "/tls/key_file")])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str, pointer: str) -> None:
    settings = written(tmp_path)
    (tmp_path / name).unlink()
    assert refused(settings) == (pointer, f"there is no file '{tmp_path / name}'")


@pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
def test_what_is_no_certificate_and_no_key_is_refused(tmp_path: Path, name: str) -> None:
    settings = written(tmp_path)
    (tmp_path / name).write_text("nothing")
    pointer, message = refused(settings)
    assert pointer == "/tls/cert_file"
    assert str(tmp_path / name) in message


def test_nobody_is_asked_for_the_password_of_a_key(tmp_path: Path) -> None:
    assert "cannot be loaded" in refused(written(tmp_path, password=b"secret"))[1]


def test_authorities_are_there_and_can_be_read(tmp_path: Path) -> None:
    one = written(tmp_path)
    files = {"cert_file": one.cert_file, "key_file": one.key_file}
    assert refused(TLSSettings(**files, client_ca_file="none.pem")) == ("/tls/client_ca_file",
                                                                        "there is no file 'none.pem'")
    assert refused(TLSSettings(**files, client_ca_file=one.key_file))[0] == "/tls/client_ca_file"
    assert refused(TLSSettings(**files, client_required=True))[0] == "/tls/client_required"


def shaken(server: ssl.SSLContext, trusted: str) -> ssl.SSLObject:
    """One handshake in memory: the client's side of it."""
    pipes = [ssl.MemoryBIO() for _ in range(4)]
    client = ssl.create_default_context(cafile=trusted)
    ends = [client.wrap_bio(pipes[0], pipes[1], server_hostname="127.0.0.1"),
            server.wrap_bio(pipes[2], pipes[3], server_side=True)]
    for turn in range(6):
        with suppress(ssl.SSLWantReadError):
            ends[turn % 2].do_handshake()
        pipes[2].write(pipes[1].read())
        pipes[0].write(pipes[3].read())
    return ends[0]


def test_connections_that_begin_later_get_the_newest_certificate(tmp_path: Path) -> None:
    (tmp_path / "later").mkdir()
    before, later = written(tmp_path), written(tmp_path / "later")
    lasting = renewable(make_context(before))
    assert shaken(lasting, before.cert_file).version() == "TLSv1.3"
    lasting.newest = make_context(later)
    assert shaken(lasting, later.cert_file).version() == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(lasting, before.cert_file)
