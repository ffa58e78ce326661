"""Rows about where keys come from, through gateways that fetch them: nothing but what was set up, and never much."""

from __future__ import annotations

import json
import re
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from gateway_process import Process, gateway
from threat_origin import Everything, everything
from threat_world import exchange, statuses

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
MIB = 1 << 20


class Provider(ThreadingHTTPServer):
    """Answers by path, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.say: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def tell(self, path: str, value: object, status: int = 200, **headers: str) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.say[path] = status, body, headers


class Answering(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.path)
        status, body, headers = server.say.get(self.path, (404, b"", {}))
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def behind() -> Iterator[Everything]:
    with everything() as app:
        yield app


def key_set() -> dict[str, Any]:
    known = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    return {"keys": [{**known, "kid": "one", "use": "sig", "alg": "RS256"}]}


def issuer(url: str, **more: Any) -> list[dict[str, Any]]:
    return [{"issuer": url, "audience": "iam-guard", "algorithms": ["RS256"], "allow_http": True, "leeway": 0,
             "claims": {"account": "t1", "partition": "iamg"}, **more}]


def asks(door: Process, url: str, kid: str = "one") -> list[int]:
    now = time.time()
    told = {"iss": url, "aud": "iam-guard", "sub": "alice", "iat": int(now), "exp": now + 600}
    token = jwt.encode(told, KEY, "RS256", headers={"kid": kid})
    data = f"GET /items/1 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    return statuses(exchange(door.port, data.encode()))


def test_keys_that_are_there_open_the_door(behind: Everything, tmp_path: Path) -> None:
    """Without which the others would prove nothing."""
    with provider() as idp:
        idp.tell("/keys", key_set())
        with gateway(tmp_path, behind.url, issuers=issuer(idp.url, jwks_url=f"{idp.url}/keys")) as door:
            assert asks(door, idp.url) == [200]


def unfolding(start: bytes, mebibytes: int, end: bytes) -> bytes:
    """A small message that says a lot."""
    packing = zlib.compressobj(9, wbits=31)
    pieces = [b" " * MIB] * mebibytes
    return b"".join(packing.compress(piece) for piece in (start, *pieces, end)) + packing.flush()


def test_f07_1_a_key_set_that_unfolds_is_not_unfolded(behind: Everything, tmp_path: Path) -> None:
    bomb = unfolding(json.dumps({**key_set(), "pad": ""}).encode()[:-2], 256, b'"}')
    assert len(bomb) < MIB
    with provider() as idp:
        idp.tell("/keys", bomb, Content_Encoding="gzip")
        with gateway(tmp_path, behind.url, issuers=issuer(idp.url, jwks_url=f"{idp.url}/keys")) as door:
            behind.got.clear()
            for _ in range(3):
                assert asks(door, idp.url) in ([401], [503])
            assert behind.got == []
            assert len(idp.asked) <= 3
            status = Path(f"/proc/{door.process.pid}/status").read_text()
            assert int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024 < 200 * MIB


@pytest.mark.parametrize("where", ["another origin", "plain file", "metadata service"])
def test_g01_2_a_document_of_the_issuer_chooses_no_other_place(behind: Everything, tmp_path: Path, where: str) -> None:
    with provider() as idp, provider() as other:
        other.tell("/keys", key_set())
        place = {"another origin": f"{other.url}/keys", "plain file": "file:///etc/passwd",
                 "metadata service": "http://169.254.169.254/latest/meta-data"}[where]
        idp.tell("/.well-known/openid-configuration", {"issuer": idp.url, "jwks_uri": place})
        with gateway(tmp_path, behind.url, issuers=issuer(idp.url, discovery=True)) as door:
            behind.got.clear()
            for _ in range(3):
                assert asks(door, idp.url) in ([401], [503])
            assert (behind.got, other.asked) == ([], [])


def test_g01_2_a_redirect_is_not_followed_elsewhere(behind: Everything, tmp_path: Path) -> None:
    with provider() as idp, provider() as other:
        other.tell("/keys", key_set())
        idp.tell("/keys", b"", 302, Location=f"{other.url}/keys")
        with gateway(tmp_path, behind.url, issuers=issuer(idp.url, jwks_url=f"{idp.url}/keys")) as door:
            assert asks(door, idp.url) in ([401], [503])
            assert idp.asked != []
            assert other.asked == []


def test_unknown_keys_are_asked_for_once(behind: Everything, tmp_path: Path) -> None:
    """Strangers choose the name of a key; each miss asks nobody anew."""
    with provider() as idp:
        idp.tell("/keys", key_set())
        with gateway(tmp_path, behind.url, issuers=issuer(idp.url, jwks_url=f"{idp.url}/keys")) as door:
            for number in range(50):
                assert asks(door, idp.url, f"unknown-{number}") == [401]
            assert asks(door, idp.url) == [200]
            assert len(idp.asked) <= 2
