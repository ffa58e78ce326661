"""Callers who show nginx a client certificate: nginx writes what it found, and nobody else does."""

from __future__ import annotations

import http.client
import ssl
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from forward_client import HOST, SECONDS
from forward_proxies import running
from forward_world import WEB, App, Serving, World

from iam_guard.identity.certificates import CertificateAuthenticator, TrustDomain
from iam_guard.identity.client_certificate import CertificateSource, Place
from iam_guard.sidecar.forward.app import make_forward_app
from iam_guard.sidecar.forward.settings import ForwardDoor

WEBS = "spiffe://prod.example/web"


class Authority:
    """Issues certificates, as files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._signed(self._name, self._key, None).public_bytes(Encoding.PEM))

    def issue(self, name: str, names: x509.GeneralName) -> tuple[Path, Path]:
        """Files of a certificate and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        chain, secret = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        chain.write_bytes(self._signed(subject, key, names).public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return chain, secret

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey,
                names: x509.GeneralName | None) -> x509.Certificate:
        now, issues = datetime.now(UTC), names is None
        made = (x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
                .not_valid_after(now + timedelta(hours=1))
                .add_extension(x509.BasicConstraints(issues, None), critical=True)
                .add_extension(x509.KeyUsage(True, False, False, False, False, issues, False, False, False), True))
        if names is not None:
            made = made.add_extension(x509.SubjectAlternativeName([names]), critical=False)
        return made.sign(self._key, SHA256())


@dataclass
class Setting:
    """nginx with TLS, and what a client needs to talk to it."""

    port: int
    app: App
    authority: Authority
    folder: Path

    def get(self, target: str, certificate: tuple[Path, Path] | None,
            headers: Iterable[tuple[str, str]] = ()) -> int:
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if certificate:
            context.load_cert_chain(*certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS, context=context)
        try:
            connection.putrequest("GET", target, skip_host=True)
            for name, value in (("Host", HOST), *headers):
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()


TLS = """listen 127.0.0.1:8000 ssl;
        ssl_certificate        server.crt;
        ssl_certificate_key    server.key;
        ssl_client_certificate authority.pem;
        ssl_verify_client      optional;"""
TOLD = """internal;
            proxy_set_header ssl-client-cert   $ssl_client_escaped_cert;
            proxy_set_header ssl-client-verify $ssl_client_verify;
            proxy_pass http://guard"""


def with_tls(text: str) -> str:
    """The example, for clients with certificates."""
    if not text.startswith("# nginx asks"):
        return text
    before, asking, after = text.partition("internal;\n            proxy_pass http://guard")
    assert asking
    return (before + TOLD + after).replace("listen 127.0.0.1:8000;", TLS)


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    source = CertificateSource(Place.SSL_CLIENT_CERT, clock=time.time)
    world = World(authenticator=CertificateAuthenticator(source, trust_domains=[TrustDomain("prod.example", "t1")]))
    app = App()
    doors = [ForwardDoor("nginx", upgrades="header", certificates=True)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="certificates-")))
        authority = Authority(folder, "authority")
        authority.issue("server", x509.IPAddress(ip_address("127.0.0.1")))
        guard = stack.enter_context(Serving(make_forward_app(world.asker, doors, world.edge)))
        upstream = stack.enter_context(Serving(app))
        made = Setting(0, app, authority, folder)

        def passes(port: int) -> bool:
            made.port = port
            try:
                return made.get("/health", None) == 200
            except OSError:
                return False

        stack.enter_context(running("nginx", folder, (upstream.port, guard.port), change=with_tls, passes=passes))
        app.seen.clear()
        yield made


def test_a_certificate_that_nginx_checked_says_who_calls(setting: Setting) -> None:
    web = setting.authority.issue("web", x509.UniformResourceIdentifier(WEBS))
    assert setting.get("/docs/1", web) == 200
    assert setting.app.header("x-guard-principal") == [WEB]
    assert setting.get("/docs/secret", web) == 403
    assert setting.get("/at-home", web) == 200
    assert setting.get("/tls", web) == 200


def test_what_a_client_writes_about_certificates_counts_for_nothing(setting: Setting) -> None:
    setting.app.seen.clear()
    web, _ = setting.authority.issue("copied", x509.UniformResourceIdentifier(WEBS))
    lies = [("ssl-client-cert", quote(web.read_text("ascii"))), ("ssl-client-verify", "SUCCESS"),
            ("X-Forwarded-Client-Cert", f"Hash={'0' * 64};URI={WEBS}"), ("Client-Cert", ":AAAA:")]
    assert setting.get("/docs/1", None, lies) == 401
    other = setting.authority.issue("other", x509.UniformResourceIdentifier("spiffe://prod.example/other"))
    assert setting.get("/docs/1", other, lies) == 403
    assert setting.app.seen == []


def test_a_certificate_of_another_authority_is_none(setting: Setting) -> None:
    setting.app.seen.clear()
    foreign = Authority(setting.folder, "foreign").issue("stranger", x509.UniformResourceIdentifier(WEBS))
    assert setting.get("/docs/1", foreign) in (400, 401, 403)
    assert setting.app.seen == []
