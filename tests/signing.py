"""Signed requests for tests: botocore signs, the keys are known, the clock stands where the signature was made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from iam_guard.asgi.body import HeldBody
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.access_keys import KnownKey
from iam_guard.identity.sigv4.authenticator import SigV4Authenticator
from iam_guard.identity.sigv4.rules import SignatureRules
from iam_guard.model import Principal

#: The keys of AWS's published examples.
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION, SERVICE = "eu-central-1", "orders"
HOST = "orders.example"
ADA = Principal.user("ada", unique_id="AIDAEXAMPLE")
STRICT = EdgeSettings()
RULES = SignatureRules(REGION, SERVICE)


class Keys:
    """Knows the keys it is given, and counts how often it is asked."""

    def __init__(self, *keys: KnownKey) -> None:
        self.known = {one.access_key_id: one for one in keys or (KnownKey(KEY, SECRET, ADA),)}
        self.asked: list[str] = []

    async def find(self, access_key_id: str) -> KnownKey | None:
        self.asked.append(access_key_id)
        return self.known.get(access_key_id)

    async def start(self) -> None:
        self.asked.append("start")

    async def close(self) -> None:
        self.asked.append("close")


class Clock:
    """A clock that is set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Sent(dict[str, Any]):
    """An ASGI scope, and the body that goes with it in :attr:`pieces`."""

    pieces: list[bytes]

    @property
    def made(self) -> float:
        """When it was signed."""
        query = dict(pair.split("=", 1) for pair in self["query_string"].decode().split("&") if "=" in pair)
        stamp = self.header("x-amz-date") or query["X-Amz-Date"]
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()

    def header(self, name: str) -> str:
        return next((value.decode("latin-1") for key, value in self["headers"] if key == name.encode()), "")

    def with_headers(self, **changes: str | None) -> Sent:
        """The same with some headers replaced, added (at the end) or taken away."""
        wanted = {name.replace("_", "-").encode(): value for name, value in changes.items()}
        kept = [(name, value) for name, value in self["headers"] if name not in wanted]
        added = [(name, value.encode("latin-1")) for name, value in wanted.items() if value is not None]
        return sent({**self, "headers": kept + added}, self.pieces)


def sent(scope: Mapping[str, Any], pieces: Iterable[bytes]) -> Sent:
    one = Sent(scope)
    one.pieces = list(pieces)
    return one


def scope_of(method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes = b"", **more: Any) -> Sent:
    """The scope in which a server hands a request over."""
    parts = urlsplit(url)
    fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    if not any(name == b"host" for name, _ in fields):
        fields.insert(0, (b"host", parts.netloc.encode()))
    if body and not any(name == b"content-length" for name, _ in fields):
        fields.append((b"content-length", str(len(body)).encode()))
    return sent({
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "https", "path": unquote(parts.path), "raw_path": parts.path.encode(), "root_path": "",
        "query_string": parts.query.encode(), "headers": fields, "client": ("203.0.113.7", 50000),
        "server": (HOST, 443), "state": {}, **more}, [body])


def signed(method: str = "GET", target: str = "/orders/7", headers: Mapping[str, str] | None = None, body: bytes = b"",
           *, key: str = KEY, secret: str = SECRET, token: str | None = None, service: str = SERVICE,
           region: str = REGION, declared: bool = True) -> Sent:
    """A request that botocore signed in its header; *declared* sends the hash of the body along."""
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    request = AWSRequest(method=method, url=f"https://{HOST}{target}", headers=dict(headers or {}), data=body)
    if declared and service != "s3":
        request.headers["X-Amz-Content-SHA256"] = signer(Credentials(key, secret), service, region).payload(request)
    signer(Credentials(key, secret, token), service, region).add_auth(request)
    return scope_of(method, request.url, request.headers.items(), body)


def presigned(method: str = "GET", target: str = "/orders/7", *, expires: int = 60, service: str = SERVICE,
              body: bytes = b"", token: str | None = None) -> Sent:
    """A request whose URL botocore signed."""
    signer = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
    request = AWSRequest(method=method, url=f"https://{HOST}{target}", data=body)
    signer(Credentials(KEY, SECRET, token), service, REGION, expires=expires).add_auth(request)
    return scope_of(method, request.url, request.headers.items(), body)


def body_of(pieces: Iterable[bytes]) -> HeldBody:
    """A body that arrives in *pieces*; after it the client leaves."""
    waiting = list(pieces)
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": piece, "more_body": index < len(waiting) - 1}
        for index, piece in enumerate(waiting)]
    messages.append({"type": "http.disconnect"})

    async def receive() -> Any:
        return messages.pop(0)

    return HeldBody(receive)


def door(rules: SignatureRules = RULES, *, keys: Keys | None = None, now: float | Clock = 0.0,
         **more: Any) -> SigV4Authenticator:
    clock = now if isinstance(now, Clock) else Clock(now)
    return SigV4Authenticator(keys or Keys(), rules, clock=clock, **more)


def ask(one: Sent, *, rules: SignatureRules = RULES, at: float | None = None,
        authenticator: SigV4Authenticator | None = None, edge: EdgeSettings = STRICT,
        **more: Any) -> Principal | None:
    """Who a request is of, by a clock that stands *at* seconds after it was signed."""
    asked = authenticator or door(rules, now=one.made + (at or 0.0), **more)
    return asyncio.run(asked.authenticate(with_body(one, edge)))


def with_body(one: Sent, edge: EdgeSettings = STRICT) -> HTTPRequest:
    """The request as a door hands it over that holds bodies back."""
    request = HTTPRequest.from_scope(one, edge)
    if request.kind == "http":
        msgspec.structs.force_setattr(request, "body", body_of(one.pieces))
    return request
