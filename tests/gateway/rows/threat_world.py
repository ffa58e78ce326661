"""The company of the threat catalogue: routes, policies, people, tokens and the settings of every door."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import jwt
from threat_rows import Row

SECONDS = 20.0
SECRETS = {"https://idp.example": "s" * 64, "https://partner.example": "p" * 64}
ITEMS, FILES = "arn:iamg:items:eu:t1:", "arn:iamg:files:eu:t1:"


def _allow(action: str | list[str], *resources: str, effect: str = "Allow", **condition: Any) -> dict[str, Any]:
    more = {"Condition": condition} if condition else {}
    return {"Effect": effect, "Action": action, "Resource": list(resources), **more}


PEOPLE: dict[str, list[dict[str, Any]]] = {
    "alice": [
        _allow(["app:GetItem", "app:ListItems", "app:Subscribe"], f"{ITEMS}item/*", f"{ITEMS}items",
               "arn:iamg:feed:eu:t1:feed/main"),
        _allow("app:GetFile", f"{FILES}file/pub/*"),
        _allow("app:*", f"{ITEMS}item/secret*", effect="Deny"),
        _allow("app:*", "*", effect="Deny", StringEquals={"http:host": "admin.example"}),
        _allow("app:Scoped", "*", **{"ForAnyValue:StringEquals": {"jwt:scope": "docs:read"}}),
        _allow("app:Strong", "*", StringEquals={"jwt:acr": "gold"}),
        _allow("app:Use", "*"),
    ],
    "fleeting": [_allow("app:*", "*")],
    "root": [_allow("app:*", "*"), _allow("iam-guard:*", "*")],
    # May create anything, and read item 1 only.
    "operator": [_allow("app:CreateItem", "*"), _allow("app:GetItem", f"{ITEMS}item/1")],
    # Allowed from one network, or over TLS, only; files are not for who says to be an administrator.
    "insider": [
        _allow("app:GetItem", "*", IpAddress={"aws:SourceIp": "10.0.0.0/8"}),
        _allow("app:ListItems", "*", Bool={"aws:SecureTransport": "true"}),
        _allow("app:GetFile", "*"),
        _allow("app:GetFile", "*", effect="Deny",
               **{"ForAnyValue:StringEquals": {"http:header/x-role": "admin"}}),
    ],
    "addressed": [_allow("app:GetItem", "*", IpAddress={"aws:SourceIp": "203.0.113.7/32"}),
                  _allow("app:ListItems", "*", IpAddress={"aws:SourceIp": "127.1.2.3/32"}),
                  _allow("app:GetFile", "*", IpAddress={"aws:SourceIp": "198.51.100.4/32"})],
    # May ask for decisions, and no more.
    "pep": [_allow("iam-guard:Evaluate", "*")],
}
ROUTES = """\
version: 1
routes:
  GET /health: public
  GET /public/{p:path}: public
  GET /api/{p:path}: public
  GET /items: {action: app:ListItems, resource: "arn:iamg:items:eu:t1:items"}
  POST /items: {action: app:CreateItem, resource: "arn:iamg:items:eu:t1:items"}
  GET /items/{id}: {action: app:GetItem, resource: "arn:iamg:items:eu:t1:item/{id}"}
  PUT /items/{id}: {action: app:PutItem, resource: "arn:iamg:items:eu:t1:item/{id}"}
  DELETE /items/{id}: {action: app:DeleteItem, resource: "arn:iamg:items:eu:t1:item/{id}"}
  POST /items/{id}/copy:
    action: app:CreateItem
    resource: "arn:iamg:items:eu:t1:item/{id}"
    also: [{action: app:GetItem, resource: "arn:iamg:items:eu:t1:item/{query.from}"}]
  GET /files/{p:path}: {action: app:GetFile, resource: "arn:iamg:files:eu:t1:file/{p:path}"}
  GET /tenants/{t}/docs/{d}: {action: app:GetDoc, resource: "arn:iamg:docs:eu:{t}:doc/{d}"}
  GET,POST /admin: {action: app:Admin, resource: "arn:iamg:admin:eu:t1:console/"}
  GET,POST /admin/{p:path}: {action: app:Admin, resource: "arn:iamg:admin:eu:t1:console/{p:path}"}
  WS /ws/feed: {action: app:Subscribe, resource: "arn:iamg:feed:eu:t1:feed/main"}
  GET /sub/x: {action: app:SubX, resource: "arn:iamg:sub:eu:t1:sub/x"}
  GET /sub/admin: {action: app:SubAdmin, resource: "arn:iamg:sub:eu:t1:sub/admin"}
  GET /num/{n:int}: {action: app:GetNum, resource: "arn:iamg:num:eu:t1:num/{n}"}
  GET /events: {action: app:Subscribe, resource: "arn:iamg:feed:eu:t1:feed/main"}
  GET,POST,OPTIONS,WS /docs/{id}: {action: app:Use, resource: "arn:iamg:items:eu:t1:item/{id}"}
  GET,POST,OPTIONS,WS /scoped/{id}: {action: app:Scoped, resource: "*"}
  GET,POST,OPTIONS,WS /strong/{id}: {action: app:Strong, resource: "*"}
  POST /process: {action: app:CreateItem, resource: "arn:iamg:items:eu:t1:items"}
"""
ISSUERS = [{"issuer": issuer, "audience": "iam-guard", "algorithms": ["HS256"], "secret": {"env": variable},
            "leeway": 0, "claims": {"account": account, "partition": "iamg"}}
           for issuer, variable, account in (("https://idp.example", "THREAT_SECRET_ONE", "t1"),
                                             ("https://partner.example", "THREAT_SECRET_TWO", "t2"))]
ENVIRONMENT = {"THREAT_SECRET_ONE": SECRETS["https://idp.example"],
               "THREAT_SECRET_TWO": SECRETS["https://partner.example"]}
SETTINGS: dict[str, Any] = {
    "policies": "iam", "routes": "routes.yaml", "resources": {"account": "t1", "partition": "iamg"},
    "issuers": ISSUERS, "context": {"headers": ["x-role"]}, "log": {"logger": "", "jsonl": "decisions.jsonl"},
}


def write_world(folder: Path, **sections: Any) -> Path:
    """Write everything; the settings file."""
    users = folder / "iam/users"
    users.mkdir(parents=True, exist_ok=True)
    (folder / "iam/folder.yaml").write_text("account: t1\npartition: iamg\n")
    for name, statements in PEOPLE.items():
        (users / f"{name}.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    (folder / "routes.yaml").write_text(ROUTES)
    path = folder / "iam-guard.yaml"
    path.write_text(json.dumps({**SETTINGS, **sections}, indent=1))
    return path


def token(name: str, *, lifetime: float = 3600, issuer: str = "https://idp.example", **claims: Any) -> str:
    now = time.time()
    return jwt.encode({"iss": issuer, "aud": "iam-guard", "sub": name, "iat": int(now), "exp": now + lifetime,
                       **claims}, SECRETS[issuer], "HS256")


def bearer(name: str, **more: Any) -> dict[str, str]:
    """The header of a person; none for anon, and bob is of the other issuer."""
    if name == "anon":
        return {}
    issuer = "https://partner.example" if name == "bob" else "https://idp.example"
    return {"Authorization": f"Bearer {token(name, **{'issuer': issuer, **more})}"}


def bytes_of(row: Row, brand: bytes = b"guard") -> bytes:
    """The request of a row; *brand*: what the headers of the guard are called in this world."""
    version = b"" if b" HTTP/" in row.line else b" HTTP/1.1"
    lines = [row.line + version, *(_branded(line, brand) for line in row.lines)]
    if not any(line.lower().startswith(b"connection:") for line in row.lines):
        lines.append(b"Connection: close")
    if row.host is not None:
        lines.insert(1, b"Host: " + row.host)
    if row.who != "anon":
        lines.append(b"Authorization: " + bearer(row.who)["Authorization"].encode())
    if row.body and not any(b"-Encoding" in line or b"-Length" in line for line in row.lines):
        lines.append(b"Content-Length: %d" % len(row.body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + _branded(row.body, brand)


def _branded(line: bytes, brand: bytes) -> bytes:
    for char in (b"-", b"_", b"."):
        line = line.replace(b"X" + char + b"IAM", b"X" + char + brand.title())
    return line.replace(b"x-iam", b"x-" + brand)


def exchange(port: int, data: bytes, *, source: str = "127.0.0.1", done: bool = False) -> bytes:
    """Send bytes, and read until the other side closes, or has answered and means to wait for more.

    Args:
        port: Of the other side.
        data: The bytes.
        source: The address to send from.
        done: Say that no more will come.
    """
    with socket.create_connection(("127.0.0.1", port), SECONDS, (source, 0)) as connection:
        received = bytearray()
        try:
            connection.sendall(data)
            if done:
                connection.shutdown(socket.SHUT_WR)
            while not _waits(received) and (chunk := connection.recv(65_536)):
                received += chunk
        except ConnectionError:  # closed while we still send: what was said before counts
            pass
        return bytes(received)


def _waits(received: bytearray) -> bool:
    """Whether an answer is there and another could follow."""
    head, ended, body = bytes(received).lower().partition(b"\r\n\r\n")
    if not ended or b"\r\nconnection: close" in head:
        return False
    if b"\r\ntransfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length or 0)


def statuses(received: bytes) -> list[int]:
    """Of the answers, in order."""
    pieces = received.split(b"HTTP/1.")[1:]
    return [int(piece[2:5]) for piece in pieces if piece[1:2] == b" " and piece[2:5].isdigit()]
