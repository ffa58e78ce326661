"""Real clients against a real server: botocore's signer over a socket, and ``curl --aws-sigv4``."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from signing import ADA, KEY, REGION, RULES, SECRET, SERVICE, Keys
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.caller import current_principal
from iam_guard.identity.one_credential import OneCredential
from iam_guard.identity.sigv4.authenticator import SigV4Authenticator
from iam_guard.policy.parse import parse_policy

ALLOW = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "orders:*", "Resource": "*"}}'
CURL = shutil.which("curl")


def version_of_curl() -> tuple[int, ...]:
    if CURL is None:
        return ()
    told = subprocess.run([CURL, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"curl (\d+)\.(\d+)", told)
    return tuple(map(int, found.groups())) if found else ()


#: Signing came with 7.75.
needs_curl = pytest.mark.skipif(version_of_curl() < (7, 75), reason="there is no curl that knows --aws-sigv4")


async def order(request: Request) -> Response:
    body = await request.body()
    return PlainTextResponse(f"{current_principal().name} {request.method} {len(body)}")


def application() -> Any:
    app = Starlette(routes=[Route("/orders/{id}", order, methods=["GET", "POST", "PUT"])])
    policies = PolicySet(Attachments(holders={ADA.arn: Holder(
        ADA.arn, (Policy("own", parse_policy(ALLOW)),), unique_id=ADA.unique_id)}), revision="1")
    rules = replace(RULES, held_bytes=1000, presigned=True)
    return IAMGuardMiddleware(
        app, guard=Guard(policies), authenticator=OneCredential(SigV4Authenticator(Keys(), rules)),
        mapper=RequestMapper({"GET,PUT,POST /orders/{id}": ("orders:Use", "arn:app:orders:::order/{id}")}))


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@pytest.fixture(scope="module", params=["h11", "httptools"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(application(), http=request.param, ws="none", loop="asyncio", log_config=None,
                                    access_log=False, proxy_headers=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    assert server.ready.wait(20)
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


# --- botocore -----------------------------------------------------------------------------------------------


def botocore_sends(address: str, method: str, target: str, body: bytes = b"", *, secret: str = SECRET,
                   presign: bool = False, sent_body: bytes | None = None, **headers: str) -> tuple[int, str]:
    from botocore.auth import SigV4Auth, SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method=method, url=f"http://{address}{target}", data=body, headers={
        name.replace("_", "-"): value for name, value in headers.items()})
    credentials = Credentials(KEY, secret)
    signer = SigV4QueryAuth(credentials, SERVICE, REGION) if presign else SigV4Auth(credentials, SERVICE, REGION)
    signer.add_auth(request)
    prepared = request.prepare()
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        content = body if sent_body is None else sent_body
        connection.request(method, prepared.url.removeprefix(f"http://{address}"), content,
                           {**prepared.headers, "Content-Length": str(len(content))})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("target", ["/orders/7", "/orders/caf%C3%A9?x=1&x=2&a=%2F", "/orders/a+b?q=a+b"])
@pytest.mark.parametrize("presign", [False, True])
def test_botocore_is_a_caller(address: str, target: str, presign: bool) -> None:
    assert botocore_sends(address, "GET", target, presign=presign) == (200, "ada GET 0")
    assert botocore_sends(address, "GET", target, presign=presign, secret="wrong")[0] == 401


def test_botocore_sends_bodies(address: str) -> None:
    json = b'{"amount": 17}'
    assert botocore_sends(address, "POST", "/orders/1", json, Content_Type="application/json") == (200, "ada POST 14")
    assert botocore_sends(address, "POST", "/orders/2", json, sent_body=json[:-1] + b"]")[0] == 401


def test_botocore_sends_a_large_body_with_its_hash(address: str) -> None:
    body = b"a" * 1_000_000
    digest = sha256(body).hexdigest()
    assert botocore_sends(address, "PUT", "/orders/1", body, X_Amz_Content_SHA256=digest) == (200, "ada PUT 1000000")
    wrong = botocore_sends(address, "PUT", "/orders/2", body, X_Amz_Content_SHA256=digest, sent_body=body[:-1] + b"b")
    assert wrong[0] == 401
    assert botocore_sends(address, "PUT", "/orders/3", body)[0] == 413  # without its hash all of it would be held


# --- curl ---------------------------------------------------------------------------------------------------


def curl(address: str, target: str, *options: str, secret: str = SECRET) -> tuple[int, str]:
    assert CURL is not None
    done = subprocess.run(
        [CURL, "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--user", f"{KEY}:{secret}",
         "--aws-sigv4", f"aws:amz:{REGION}:{SERVICE}", "--write-out", "\n%{http_code}", *options,
         f"http://{address}{target}"], capture_output=True, text=True, check=True)
    text, _, status = done.stdout.rpartition("\n")
    return int(status), text


@needs_curl
@pytest.mark.parametrize("target", ["/orders/7", "/orders/7?a=1&b=2", "/orders/a~b_c-d.e?q=x~y"])
def test_curl_is_a_caller(address: str, target: str) -> None:
    assert curl(address, target) == (200, "ada GET 0")
    assert curl(address, target, secret="wrong")[0] == 401


@needs_curl
def test_curl_sends_bodies(address: str) -> None:
    """To other orders than botocore above: within one second its requests and curl's have the same signatures."""
    json = ("--header", "Content-Type: application/json", "--data")
    assert curl(address, "/orders/11", *json, '{"amount": 17}') == (200, "ada POST 14")
    assert curl(address, "/orders/12", *json, '{"amount": 17}', "--request", "PUT") == (200, "ada PUT 14")
    assert curl(address, "/orders/13", *json, '{"amount": 17}', secret="wrong")[0] == 401


@needs_curl
def test_curl_cannot_change_what_it_signed(address: str) -> None:
    """The signature of one request, printed by curl itself, on another."""
    assert CURL is not None
    told = subprocess.run(
        [CURL, "--silent", "--noproxy", "*", "--verbose", "--user", f"{KEY}:{SECRET}", "--aws-sigv4",
         f"aws:amz:{REGION}:{SERVICE}", f"http://{address}/orders/7"], capture_output=True, text=True, check=True)
    sent = dict(re.findall(r"^> (Authorization|X-Amz-Date): (.*?)\r?$", told.stderr, re.MULTILINE | re.IGNORECASE))
    assert len(sent) == 2
    for target, status in (("/orders/7", 200), ("/orders/8", 401), ("/orders/7?x=1", 401)):
        connection = http.client.HTTPConnection(address, timeout=20)
        connection.request("GET", target, headers=sent)
        assert connection.getresponse().status == status
        connection.close()


@needs_curl
def test_curl_sends_a_large_body_and_waits_to_be_asked_for_it(address: str, tmp_path: Path) -> None:
    """Above a megabyte curl first asks whether to go on (``Expect: 100-continue``)."""
    body = b"curl" * 500_000
    (tmp_path / "body").write_bytes(body)
    (tmp_path / "other").write_bytes(body[:-1] + b"k")
    digest = ("--header", f"X-Amz-Content-Sha256: {sha256(body).hexdigest()}",
              "--header", "Content-Type: application/octet-stream", "--request", "PUT", "--data-binary")
    assert curl(address, "/orders/21", *digest, f"@{tmp_path / 'body'}") == (200, f"ada PUT {len(body)}")
    assert curl(address, "/orders/22", *digest, f"@{tmp_path / 'other'}")[0] == 401
