"""TLS on both sides of a real Envoy, certificates of clients, and servers that are asked whether they work."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from cryptography import x509
from envoy_engine import Engine, Talkative, running, write_world
from forward_client import HOST, SECONDS, wait_for
from forward_world import Serving
from sidecar_process import bearer
from websockets.sync.client import connect

WORKLOAD = "spiffe://prod.example/billing"
OURS, STRANGE = Authority(), Authority()
LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))
NAMED = x509.DNSName("orders.internal")
READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}'


class Server(Talkative):
    """An application that can be ill."""

    def __init__(self) -> None:
        super().__init__()
        self.health = 200
        self.asked = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/healthz":
            await super().__call__(scope, receive, send)
            return
        self.asked.set()
        host = dict(scope["headers"])[b"host"]
        await send({"type": "http.response.start", "status": self.health if host == b"check.example" else 400,
                    "headers": []})
        await send({"type": "http.response.body", "body": b""})


#: ``:status`` in HTTP/2, with an entry of the static table and the Huffman code (RFC 7541, appendices A and B).
OK, UNAUTHORIZED, MISDIRECTED = b"\x88", bytes.fromhex("4882 6801"), bytes.fromhex("4882 6841")

HEALTH = {"path": "/healthz", "host": "check.example", "every_seconds": 0.2, "timeout_seconds": 2, "good": 1, "bad": 1}


@contextmanager
def servers(folder: Path) -> Iterator[tuple[dict[str, Server], dict[str, Any]]]:
    """Applications behind TLS of every kind, and the upstreams that stand for them."""
    one = {name: Server() for name in ("good", "named", "wrong", "strange", "choosy", "first", "second")}
    cert = {name: {"ssl_certfile": str(folder / f"{name}.pem"), "ssl_keyfile": str(folder / f"{name}.key")}
            for name in ("loopback", "named", "strange")}
    choosy = {"ssl_ca_certs": str(folder / "ca.pem"), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    with ExitStack() as closing:
        ports = {name: closing.enter_context(Serving(one[name], **settings)).port for name, settings in (
            ("good", cert["loopback"]), ("named", cert["named"]), ("wrong", cert["named"]),
            ("strange", cert["strange"]), ("choosy", cert["loopback"] | choosy), ("first", {}), ("second", {}))}
        ours = {"ca_file": "ca.pem"}
        shown = {"cert_file": "envoy.pem", "key_file": "envoy.key"}
        upstreams = {name: {"servers": [f"https://127.0.0.1:{ports[name]}"], **more} for name, more in (
            ("good", ours), ("named", ours | {"server_name": "orders.internal"}), ("wrong", ours), ("strange", ours),
            ("choosy", ours | shown))}
        upstreams["unshown"] = {"servers": [f"https://127.0.0.1:{ports['choosy']}"], **ours}
        upstreams["untrusted"] = {"servers": [f"https://127.0.0.1:{ports['good']}"]}
        upstreams["watched"] = {"servers": [f"http://127.0.0.1:{ports[name]}" for name in ("first", "second")],
                                "health": HEALTH}
        yield one, upstreams


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.pem").write_bytes(OURS.pem)
    for name, names in (("server", LOOPBACK), ("loopback", LOOPBACK), ("named", NAMED), ("envoy", NAMED),
                        ("billing", x509.UniformResourceIdentifier(WORKLOAD))):
        OURS.issue(folder, name, names)
    STRANGE.issue(folder, "strange", LOOPBACK)
    with servers(folder) as (apps, upstreams):
        gateway = {
            "upstreams": upstreams, "routes": [{"host": f"{name}.example", "upstream": name} for name in upstreams],
            "tls": {"cert_file": "server.pem", "key_file": "server.key", "client_ca_file": "ca.pem"}}
        workloads = {"place": "tls", "trust_domains": [{"name": "prod.example"}]}
        settings = write_world(folder, gateway, credentials={"certificates": workloads})
        with running(settings, apps) as started:
            yield started


def secure(engine: Engine, client: str = "") -> ssl.SSLContext:
    folder = engine.settings.parent
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if client:
        context.load_cert_chain(folder / f"{client}.pem", folder / f"{client}.key")
    return context


def get(engine: Engine, upstream: str, headers: Any = (), client: str = "") -> int:
    for app in engine.apps.values():
        app.seen.clear()
    connection = http.client.HTTPSConnection("127.0.0.1", engine.port, timeout=SECONDS,
                                             context=secure(engine, client))
    try:
        connection.request("GET", "/documents/1", headers={"Host": f"{upstream}.example", **dict(headers)})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def test_requests_over_tls_are_told_to_be(engine: Engine) -> None:
    assert get(engine, "good", bearer("ann")) == 200
    assert engine.apps["good"].header("x-forwarded-proto") == ["https"]


@pytest.mark.parametrize(("upstream", "status"), [
    ("good", 200), ("named", 200), ("choosy", 200), ("wrong", 503), ("strange", 503), ("unshown", 503),
    ("untrusted", 503)])
def test_a_server_shows_who_it_is_and_hears_nothing_otherwise(engine: Engine, upstream: str, status: int) -> None:
    """By the name in its certificate, and an authority of ours; and we show who we are where that is wanted."""
    assert get(engine, upstream, bearer("ann")) == status
    assert any(app.seen for app in engine.apps.values()) == (status == 200)


def test_clear_text_is_not_answered(engine: Engine) -> None:
    with socket.create_connection(("127.0.0.1", engine.port), SECONDS) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: good.example\r\n\r\n")
        with suppress(ConnectionResetError):
            assert not plain.recv(100).startswith(b"HTTP/")


def spoken(engine: Engine, version: ssl.TLSVersion) -> str | None:
    context = secure(engine)
    context.set_ciphers("ALL:@SECLEVEL=0")  # this side would speak anything
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", engine.port), SECONDS) as plain, \
            context.wrap_socket(plain, server_hostname="127.0.0.1") as opened:
        return opened.version()


def test_old_versions_are_not_spoken(engine: Engine) -> None:
    assert spoken(engine, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert spoken(engine, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"), \
            pytest.raises((ssl.SSLError, ConnectionError)):
        spoken(engine, ssl.TLSVersion.TLSv1_1)


def test_a_workload_is_known_by_its_certificate(engine: Engine) -> None:
    assert get(engine, "good") == 401
    assert get(engine, "good", client="billing") == 403  # known, and allowed nothing
    policies = engine.settings.parent / "iam/users/spiffe/prod.example"
    policies.mkdir(parents=True)
    (policies / "billing.json").write_text(READ)
    wait_for(lambda: get(engine, "good", client="billing") == 200, "its policies count")
    assert engine.apps["good"].header("x-guard-principal")[0].endswith("user/spiffe/prod.example/billing")


def test_a_certificate_of_others_is_none(engine: Engine) -> None:
    STRANGE.issue(engine.settings.parent, "foreign", x509.UniformResourceIdentifier(WORKLOAD))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        get(engine, "good", client="foreign")


@pytest.mark.parametrize("name", ["X-Forwarded-Client-Cert", "Client-Cert", "X-Client-Cert"])
def test_a_certificate_in_a_header_is_none(engine: Engine, name: str) -> None:
    shown = (engine.settings.parent / "billing.pem").read_text().replace("\n", "")
    assert get(engine, "good", {name: shown}) == 401


def test_a_websocket_passes_over_tls(engine: Engine) -> None:
    with connect("wss://good.example/documents/1", ssl=secure(engine), additional_headers=bearer("ann"), proxy=None,
                 compression=None, server_hostname="127.0.0.1", open_timeout=SECONDS,
                 sock=socket.create_connection(("127.0.0.1", engine.port), SECONDS)) as opened:
        opened.send("hello")
        assert opened.recv(SECONDS) == "echo hello"


def test_http_2_is_decided_like_any_other(engine: Engine) -> None:
    """RFC 9113: the host is that of ``:authority``."""
    assert second_version(engine, "good.example", bearer("ann"))[:1] == OK
    assert engine.apps["good"].header("host") == ["good.example"]
    assert engine.apps["good"].header("x-guard-principal") == ["arn:app:iam::000000000000:user/ann"]
    assert second_version(engine, "good.example", {})[:4] == UNAUTHORIZED
    assert second_version(engine, "nowhere.example", bearer("ann"))[:4] == MISDIRECTED


def second_version(engine: Engine, host: str, headers: dict[str, str]) -> bytes:
    """The header block that answers a GET over HTTP/2."""
    def literal(name: str, value: str) -> bytes:
        return b"\x00" + b"".join(_sized(text.encode()) for text in (name.lower(), value))

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    block = b"\x82\x87" + literal(":path", "/documents/1") + literal(":authority", host)
    block += b"".join(literal(name, value) for name, value in headers.items())
    context = secure(engine)
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", engine.port), SECONDS) as plain, \
            context.wrap_socket(plain, server_hostname="127.0.0.1") as opened:
        assert opened.selected_alpn_protocol() == "h2"
        opened.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 5, 1, block))
        reader = opened.makefile("rb")
        while True:
            length, kind = int.from_bytes(reader.read(3), "big"), reader.read(1)
            reader.read(5)
            payload = reader.read(length)
            if kind == b"\x01":
                return payload


def _sized(text: bytes) -> bytes:
    """A string after its length, which has a prefix of seven bits (RFC 7541 section 5.1)."""
    size = len(text)
    if size < 127:
        return bytes([size]) + text
    made, size = bytearray([127]), size - 127
    while size >= 128:
        made.append(size % 128 + 128)
        size //= 128
    return bytes([*made, size]) + text


def test_a_server_that_is_ill_is_not_used_and_when_all_are_nobody_is(engine: Engine) -> None:
    first, second = (engine.apps[name] for name in ("first", "second"))
    assert isinstance(first, Server)
    assert isinstance(second, Server)
    assert first.asked.wait(SECONDS)

    def answering() -> set[str]:
        found = set()
        for _ in range(6):
            if get(engine, "watched", bearer("ann")) == 200:
                found |= {name for name in ("first", "second") if engine.apps[name].seen}
        return found

    wait_for(lambda: answering() == {"first", "second"}, "both are used")
    first.health = 500
    wait_for(lambda: answering() == {"second"}, "one is not used any more")
    second.health = 503
    wait_for(lambda: answering() == set(), "nobody is asked")
    assert get(engine, "watched", bearer("ann")) == 503
    first.health = second.health = 204
    wait_for(lambda: answering() == {"first", "second"}, "both are used again")


def test_a_new_certificate_is_shown_without_a_restart(engine: Engine) -> None:
    def shown() -> int:
        with socket.create_connection(("127.0.0.1", engine.port), SECONDS) as plain, \
                secure(engine).wrap_socket(plain, server_hostname="127.0.0.1") as opened:
            der = opened.getpeercert(binary_form=True)
            assert der
            return x509.load_der_x509_certificate(der).serial_number

    issued = OURS.issue(engine.settings.parent, "server", LOOPBACK)
    wait_for(lambda: shown() == issued, "the new certificate is shown")
    assert get(engine, "good", bearer("ann")) == 200


def test_nobody_is_served_by_another_name(engine: Engine) -> None:
    assert get(engine, HOST.partition(".")[0], bearer("ann")) == 421
