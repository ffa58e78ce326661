"""TLS where the sidecar listens: for proxies, for Envoy's gRPC, and for those who look after it."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import httpx
import pytest
from authority import Authority
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sidecar_process import (
    PATIENCE,
    ROOT,
    SECRET,
    SETTINGS,
    Running,
    bearer,
    nginx_call,
    running,
    wait_until,
    world,
)

OURS, OTHERS = Authority(), Authority()
LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))
SERVER = "{cert_file: server.pem, key_file: server.key}"
PROXIES = "{cert_file: server.pem, key_file: server.key, client_ca_file: proxies.pem, client_required: true}"
TEXT = SETTINGS.replace("listen: 127.0.0.1:0", f"listen: 127.0.0.1:0\n  tls: {PROXIES}").replace(
    '{listen: "localhost:0"}', f'{{listen: "localhost:0", tls: {SERVER}}}').replace(
    "  control:", f"  ext_authz_grpc: {{listen: '127.0.0.2:0', peers: ['127.0.0.0/8'], tls: {SERVER}}}\n  control:")
#: An empty CheckRequest says nothing of a request: status.code (field 1, then 1) is PERMISSION_DENIED, 7.
DENIED = b"\x08\x07"


def write_files(folder: Path) -> None:
    (folder / "ca.pem").write_bytes(OURS.pem)
    (folder / "proxies.pem").write_bytes(OURS.pem)
    names = (LOOPBACK, x509.IPAddress(ip_address("127.0.0.2")), x509.DNSName("localhost"))
    OURS.issue(folder, "server", *names)
    OURS.issue(folder, "proxy", x509.DNSName("proxy.internal"))
    OTHERS.issue(folder, "stranger", x509.DNSName("proxy.internal"))


@pytest.fixture(scope="module", params=["1", "2"])
def sidecar(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = tmp_path_factory.mktemp(f"tls{request.param}")
    write_files(made)
    with running(world(made, TEXT), 3, "--workers", request.param) as found:
        yield found
        assert found.end() == 0, found.text
        assert "Traceback" not in found.text


def client_context(sidecar: Running, name: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(sidecar.folder / "ca.pem"))
    if name:
        context.load_cert_chain(sidecar.folder / f"{name}.pem", sidecar.folder / f"{name}.key")
    return context


def asked(sidecar: Running, name: str = "") -> int:
    with httpx.Client(verify=client_context(sidecar, name), timeout=PATIENCE) as client:
        return client.get(f"{sidecar.url('forward')}/forward-auth/nginx",
                          headers=nginx_call(**bearer("ann"))).status_code


def address(sidecar: Running, door: str) -> tuple[str, int]:
    host, _, port = sidecar.addresses[door].rpartition(":")
    return host, int(port)


def serial(sidecar: Running, door: str) -> int:
    """The number of the certificate that is shown."""
    host, port = address(sidecar, door)
    context = client_context(sidecar, "proxy")
    with socket.create_connection((host, port), PATIENCE) as plain, \
            context.wrap_socket(plain, server_hostname=host) as opened:
        shown = opened.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number


def test_it_says_where_it_speaks_tls(sidecar: Running) -> None:
    for door in ("forward", "ext_authz_grpc", "control"):
        assert f"{door}: listening at {sidecar.addresses[door]} over TLS\n" in sidecar.text


def test_a_proxy_with_a_certificate_is_answered(sidecar: Running) -> None:
    assert asked(sidecar, "proxy") == 200


@pytest.mark.parametrize("name", ["", "stranger"])
def test_nobody_else_is_heard(sidecar: Running, name: str) -> None:
    with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)):
        asked(sidecar, name)


def test_clear_text_is_not_answered(sidecar: Running) -> None:
    for door in ("forward", "control"):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            httpx.get(f"http://{sidecar.addresses[door]}/healthz", timeout=PATIENCE)


def test_the_control_plane_asks_for_no_certificate(sidecar: Running) -> None:
    with httpx.Client(verify=client_context(sidecar), timeout=PATIENCE) as client:
        assert client.get(f"{sidecar.url('control')}/readyz").status_code == 200
        origin = {**bearer("operator"), "Origin": sidecar.url("control")}
        assert client.get(f"{sidecar.url('control')}/status", headers=origin).status_code == 200


def spoken(sidecar: Running, door: str, version: ssl.TLSVersion) -> str | None:
    context = client_context(sidecar, "proxy")
    context.set_ciphers("ALL:@SECLEVEL=0")  # this side would speak anything
    context.minimum_version = context.maximum_version = version
    host, port = address(sidecar, door)
    with socket.create_connection((host, port), PATIENCE) as plain, \
            context.wrap_socket(plain, server_hostname=host) as opened:
        return opened.version()


@pytest.mark.parametrize("door", ["forward", "ext_authz_grpc", "control"])
def test_old_versions_are_not_spoken(sidecar: Running, door: str) -> None:
    assert spoken(sidecar, door, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert spoken(sidecar, door, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"), \
            pytest.raises((ssl.SSLError, ConnectionError)):
        spoken(sidecar, door, ssl.TLSVersion.TLSv1_1)


@pytest.mark.parametrize(("door", "offered", "chosen"), [
    ("ext_authz_grpc", ["h2"], "h2"), ("ext_authz_grpc", ["http/1.1", "h2"], "h2"),
    ("control", ["h2", "http/1.1"], "http/1.1"),
])
def test_what_is_spoken_over_it_is_agreed_upon(sidecar: Running, door: str, offered: list[str], chosen: str) -> None:
    context = client_context(sidecar)
    context.set_alpn_protocols(offered)
    host, port = address(sidecar, door)
    with socket.create_connection((host, port), PATIENCE) as plain, \
            context.wrap_socket(plain, server_hostname=host) as opened:
        assert opened.selected_alpn_protocol() == chosen


def test_grpc_is_answered_over_tls(sidecar: Running) -> None:
    trusted = grpc.ssl_channel_credentials((sidecar.folder / "ca.pem").read_bytes())
    with grpc.secure_channel(sidecar.addresses["ext_authz_grpc"], trusted) as channel:
        check = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
        for _ in range(4):
            assert check(b"", timeout=PATIENCE)[2:4] == DENIED


def test_a_new_certificate_is_shown_to_connections_that_begin_later(sidecar: Running) -> None:
    context = client_context(sidecar, "proxy")
    with httpx.Client(verify=context, timeout=PATIENCE) as kept:
        url, headers = f"{sidecar.url('forward')}/forward-auth/nginx", nginx_call(**bearer("ann"))
        assert kept.get(url, headers=headers).status_code == 200
        names = (LOOPBACK, x509.IPAddress(ip_address("127.0.0.2")), x509.DNSName("localhost"))
        issued = OURS.issue(sidecar.folder, "server", *names)
        for door in ("forward", "ext_authz_grpc", "control"):
            wait_until(lambda: serial(sidecar, door) == issued, "the new certificate is shown")  # noqa: B023
        assert kept.get(url, headers=headers).status_code == 200


def test_a_certificate_that_cannot_be_used_leaves_the_one_before(sidecar: Running) -> None:
    before = serial(sidecar, "control")
    kept = (sidecar.folder / "server.key").read_bytes()
    (sidecar.folder / "server.key").write_bytes((sidecar.folder / "proxy.key").read_bytes())
    try:
        wait_until(lambda: "is not that of the certificate" in sidecar.text, "it is refused")
        assert serial(sidecar, "control") == before
        assert asked(sidecar, "proxy") == 200
    finally:
        (sidecar.folder / "server.key").write_bytes(kept)


def test_other_authorities_of_clients_count_for_connections_that_begin_later(sidecar: Running) -> None:
    (sidecar.folder / "proxies.pem").write_bytes(OTHERS.pem)
    try:
        wait_until(lambda: heard(sidecar, "stranger") and not heard(sidecar, "proxy"), "the others count")
    finally:
        (sidecar.folder / "proxies.pem").write_bytes(OURS.pem)
    wait_until(lambda: heard(sidecar, "proxy") and not heard(sidecar, "stranger"), "ours count again")


def heard(sidecar: Running, name: str) -> bool:
    try:
        return asked(sidecar, name) == 200
    except httpx.HTTPError:
        return False


def expired(folder: Path) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(2), now - timedelta(1))
    (folder / "server.pem").write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))
    (folder / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def missing(folder: Path) -> None:
    (folder / "server.pem").unlink()


def unmatched(folder: Path) -> None:
    (folder / "server.key").write_bytes((folder / "proxy.key").read_bytes())


@pytest.mark.parametrize("command", [["sidecar", "--config"], ["sidecar", "--check", "--config"], ["check"]],
                         ids=["start", "sidecar-check", "check"])
@pytest.mark.parametrize(("spoil", "at", "told"), [
    (missing, "cert_file", "there is no file"), (expired, "cert_file", "has expired"),
    (unmatched, "key_file", "is not that of the certificate"),
])
def test_what_is_wrong_with_certificates_is_told_at_the_start(tmp_path: Path, command: list[str], spoil: object,
                                                              at: str, told: str) -> None:
    write_files(tmp_path)
    settings = world(tmp_path, TEXT)
    assert callable(spoil)
    spoil(tmp_path)
    ended = subprocess.run([sys.executable, "-m", "iam_guard", *command, str(settings)], check=False, text=True,
                           capture_output=True, timeout=60, cwd=ROOT,
                           env={**os.environ, "IAM_GUARD_TEST_SECRET": SECRET, "COLUMNS": "300"})
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    for section in ("/sidecar", "/sidecar/ext_authz_grpc", "/sidecar/control"):
        line = next(line for line in said.splitlines() if f" {section}/tls/{at}: " in line)
        assert line.startswith(f"{settings}:")
        assert told in line
        assert "server." in line
