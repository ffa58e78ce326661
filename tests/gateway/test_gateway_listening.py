"""TLS and Unix sockets where the gateway listens, with certificates of clients and new ones of its own."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from authority import Authority
from cryptography import x509
from gateway_origin import SECONDS, Origin, wait_for
from gateway_world import Gateway, bearer, running, section
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

WORKLOAD = "spiffe://prod.example/billing"


AUTHORITY = Authority()
LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))


@pytest.fixture(scope="module")
def gateway(behind: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.pem").write_bytes(AUTHORITY.pem)
    AUTHORITY.issue(folder, "server", LOOPBACK)
    AUTHORITY.issue(folder, "billing", x509.UniformResourceIdentifier(WORKLOAD))
    tls = {"cert_file": "server.pem", "key_file": "server.key", "client_ca_file": "ca.pem"}
    workloads = {"place": "tls", "trust_domains": [{"name": "prod.example", "account": "t1", "partition": "iamg"}]}
    with running(folder, section(behind.url, tls=tls), credentials={"certificates": workloads}) as started:
        yield started


def secure(gateway: Gateway, client: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(gateway.folder / "ca.pem"))
    if client:
        context.load_cert_chain(gateway.folder / f"{client}.pem", gateway.folder / f"{client}.key")
    return context


def get(gateway: Gateway, target: str, who: str = "anon", client: str = "") -> int:
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, timeout=SECONDS,
                                             context=secure(gateway, client))
    try:
        connection.request("GET", target, headers=bearer(who))
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def test_requests_over_tls_are_told_to_be(gateway: Gateway, behind: Origin) -> None:
    assert get(gateway, "/items", "insider") == 200  # allowed over TLS only
    assert behind.seen[-1].values("x-forwarded-proto") == ["https"]


def test_clear_text_is_not_answered(gateway: Gateway) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        gateway.call("GET", "/health")


def spoken(gateway: Gateway, version: ssl.TLSVersion) -> str | None:
    context = secure(gateway)
    context.set_ciphers("ALL:@SECLEVEL=0")  # this side would speak anything
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as plain, \
            context.wrap_socket(plain, server_hostname="127.0.0.1") as opened:
        return opened.version()


def test_old_versions_are_not_spoken(gateway: Gateway) -> None:
    assert spoken(gateway, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert spoken(gateway, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"), \
            pytest.raises((ssl.SSLError, ConnectionError)):
        spoken(gateway, ssl.TLSVersion.TLSv1_1)


def test_a_workload_is_known_by_its_certificate(gateway: Gateway, behind: Origin) -> None:
    assert get(gateway, "/items/1") == 401
    assert get(gateway, "/items/1", client="billing") == 403  # known, and allowed nothing
    wait_for(lambda: "billing" in gateway.decisions()[-1]["principal"], "the decision is recorded")


@pytest.mark.parametrize(("client", "status"), [("", 401), ("billing", 403)])
def test_a_workload_is_known_where_it_opens_a_websocket(gateway: Gateway, client: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused, \
            connect(f"wss://127.0.0.1:{gateway.port}/ws/feed", ssl=secure(gateway, client), proxy=None,
                    open_timeout=SECONDS):
        pass
    assert refused.value.response.status_code == status


def test_a_websocket_passes_over_tls(gateway: Gateway) -> None:
    with connect(f"wss://127.0.0.1:{gateway.port}/ws/feed", ssl=secure(gateway), additional_headers=bearer("alice"),
                 proxy=None, open_timeout=SECONDS) as opened:
        opened.send("hello")
        assert opened.recv(SECONDS) == "echo hello"


def test_a_new_certificate_is_shown_without_a_restart(gateway: Gateway) -> None:
    def shown() -> int:
        with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as plain, \
                secure(gateway).wrap_socket(plain, server_hostname="127.0.0.1") as opened:
            der = opened.getpeercert(binary_form=True)
            assert der
            return x509.load_der_x509_certificate(der).serial_number

    before = gateway.reloads()["done"]
    issued = AUTHORITY.issue(gateway.folder, "server", LOOPBACK)
    wait_for(lambda: gateway.reloads()["done"] > before, "the settings are taken up")
    wait_for(lambda: shown() == issued, "the new certificate is shown")


def test_a_unix_socket_is_listened_at_and_forwarded_to(tmp_path: Path, behind: Origin) -> None:
    def ask(place: Path) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(str(place))
            client.sendall(b"GET /health HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
            answer = b""
            while chunk := client.recv(65_536):
                answer += chunk
            return answer

    left_behind = socket.socket(socket.AF_UNIX)
    left_behind.bind(str(tmp_path / "gateway.sock"))
    left_behind.close()  # as after a crash
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    inner.mkdir()
    outer.mkdir()
    own = {**section(behind.url), "listen": "unix:../gateway.sock"}
    with running(inner, own):
        with running(outer, section("unix:../gateway.sock")) as gateway:
            assert gateway.call("GET", "/health").body == b"body of 0\n"
        assert ask(tmp_path / "gateway.sock").startswith(b"HTTP/1.1 200 ")
