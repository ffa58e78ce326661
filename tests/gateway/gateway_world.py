"""The gateway as people run it, a program in a process of its own, with the company of the threat catalogue."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from gateway_origin import SECONDS, wait_for

SECRET = "s" * 64
ITEMS = "arn:iamg:items:eu:t1:"
PEOPLE: dict[str, list[dict[str, Any]]] = {
    "alice": [
        {"Effect": "Allow", "Action": ["app:GetItem", "app:ListItems", "app:Subscribe"],
         "Resource": [f"{ITEMS}item/*", f"{ITEMS}items", "arn:iamg:feed:eu:t1:feed/main"]},
        {"Effect": "Allow", "Action": "app:GetFile", "Resource": "arn:iamg:files:eu:t1:file/pub/*"},
        {"Effect": "Deny", "Action": "app:*", "Resource": f"{ITEMS}item/secret*"},
    ],
    "root": [{"Effect": "Allow", "Action": "app:*", "Resource": "*"}],
    "insider": [{"Effect": "Allow", "Action": "app:GetItem", "Resource": "*",
                 "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
                {"Effect": "Allow", "Action": "app:ListItems", "Resource": "*",
                 "Condition": {"Bool": {"aws:SecureTransport": "true"}}}],
}
ROUTES = """\
version: 1
resources: {account: t1, partition: iamg}
routes:
  GET /health: public
  GET /public/{p:path}: public
  GET /items: {action: app:ListItems, resource: "arn:iamg:items:eu:t1:items"}
  POST /items: {action: app:CreateItem, resource: "arn:iamg:items:eu:t1:items"}
  GET /items/{id}: {action: app:GetItem, resource: "arn:iamg:items:eu:t1:item/{id}"}
  PUT /items/{id}: {action: app:PutItem, resource: "arn:iamg:items:eu:t1:item/{id}"}
  DELETE /items/{id}: {action: app:DeleteItem, resource: "arn:iamg:items:eu:t1:item/{id}"}
  GET /files/{p:path}: {action: app:GetFile, resource: "arn:iamg:files:eu:t1:file/{p:path}"}
  PUT /files/{p:path}: {action: app:PutFile, resource: "arn:iamg:files:eu:t1:file/{p:path}"}
  GET,POST /admin: {action: app:Admin, resource: "arn:iamg:admin:eu:t1:console/"}
  GET,POST /admin/{p:path}: {action: app:Admin, resource: "arn:iamg:admin:eu:t1:console/{p:path}"}
  GET /num/{n:int}: {action: app:GetNum, resource: "arn:iamg:num:eu:t1:num/{n}"}
  WS /ws/feed: {action: app:Subscribe, resource: "arn:iamg:feed:eu:t1:feed/main"}
  GET /events: {action: app:Subscribe, resource: "arn:iamg:feed:eu:t1:feed/main"}
"""
SETTINGS: dict[str, Any] = {
    "policies": "iam", "routes": "routes.yaml", "resources": {"account": "t1", "partition": "iamg"},
    "issuers": [{"issuer": "https://idp.example", "audience": "iam-guard", "algorithms": ["HS256"],
                 "secret": {"env": "GATEWAY_TEST_SECRET"}, "leeway": 0,
                 "claims": {"account": "t1", "partition": "iamg"}}],
    "log": {"logger": "", "jsonl": "decisions.jsonl"},
}


def token(name: str, *, lifetime: float = 3600, **claims: Any) -> str:
    now = time.time()
    return jwt.encode({"iss": "https://idp.example", "aud": "iam-guard", "sub": name, "iat": int(now),
                       "exp": now + lifetime, **claims}, SECRET, "HS256")


def bearer(name: str) -> dict[str, str]:
    return {} if name == "anon" else {"Authorization": f"Bearer {token(name)}"}


@dataclass
class Reply:
    """What a client got."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())


@dataclass
class Gateway:
    """A gateway that runs."""

    process: subprocess.Popen[str]
    folder: Path
    port: int
    status_port: int
    said: Path

    def call(self, method: str, target: str, headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
             body: bytes | None = None, *, host: str = "shop.example", port: int = 0) -> Reply:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=SECONDS)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host)
            for name, value in headers.items() if isinstance(headers, Mapping) else headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Reply(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        """Send bytes, and read until the gateway closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            connection.sendall(request)
            received = bytearray()
            while chunk := connection.recv(65_536):
                received += chunk
            return bytes(received)

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def status(self, path: str) -> Reply:
        return self.call("GET", path, port=self.status_port)

    def reloads(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.status("/readyz").body)["reloads"]
        return found

    def rewrite(self, **changes: Any) -> None:
        """Write the settings anew, in one step, with other sections."""
        write_settings(self.folder, **changes)

    def decisions(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "decisions.jsonl").read_text().splitlines()]

    def memory(self) -> int:
        """Most memory that the process ever used, in KiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1])  # type: ignore[index]


def write_settings(folder: Path, **changes: Any) -> Path:
    """JSON is YAML; written aside and moved, as people who care do."""
    path = folder / "iam-guard.yaml"
    aside = folder / "iam-guard.new"
    aside.write_text(json.dumps({**SETTINGS, **changes}, indent=1))
    aside.replace(path)
    return path


def write_world(folder: Path, gateway: dict[str, Any], **more: Any) -> Path:
    """Policies, routes and settings."""
    (folder / "iam/users").mkdir(parents=True, exist_ok=True)
    (folder / "iam/folder.yaml").write_text("account: t1\npartition: iamg\n")
    for name, statements in PEOPLE.items():
        (folder / f"iam/users/{name}.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    (folder / "routes.yaml").write_text(ROUTES)
    return write_settings(folder, gateway=gateway, **more)


def section(url: str | list[str], **more: Any) -> dict[str, Any]:
    """The section ``gateway`` for one upstream."""
    servers = [url] if isinstance(url, str) else url
    upstream = {"servers": servers, **more.pop("upstream", {})}
    return {"listen": "127.0.0.1:0", "status": "127.0.0.1:0", "upstreams": {"app": upstream}, **more}


@contextmanager
def running(folder: Path, gateway: dict[str, Any], *options: str, **more: Any) -> Iterator[Gateway]:
    """Run ``iam-guard gateway`` until the context ends; it has to end well."""
    path = write_world(folder, gateway, **more)
    said = folder / "said.txt"
    environment = {**os.environ, "GATEWAY_TEST_SECRET": SECRET, "NO_COLOR": "1", "COLUMNS": "200"}
    with said.open("w") as stream:
        process = subprocess.Popen([sys.executable, "-m", "iam_guard", "gateway", "--config", str(path), *options],
                                   stderr=stream, stdout=stream, text=True, env=environment)
    try:
        wait_for(lambda: process.poll() is not None or "its status is at" in said.read_text(), "the gateway listens")
        assert process.poll() is None, said.read_text()
        started = Gateway(process, folder, *(_port(said, what) for what in ("listens", "status is")), said)
        wait_for(lambda: started.status("/readyz").status == 200, "the gateway is ready")
        yield started
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, said.read_text()


def _port(said: Path, what: str) -> int:
    """The port that the program tells; 0 for a Unix socket."""
    found = re.search(rf"{what} at https?://\S+:(\d+)", said.read_text())
    return int(found[1]) if found else 0
