"""Other decision points, and the least that a decision point can be, each with the question put its way.

Everybody decides the same: may ann, who is a reader, get document 1 from an address of a range?
"""

from __future__ import annotations

import json
import shutil
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.doors.load import Work
from benchmarks.doors.processes import Program, free_port, listens, program

ROOT = Path(__file__).resolve().parents[2]
#: What everybody is asked about.
ACTION = "GetDocument"
CHECK = "/envoy.service.auth.v3.Authorization/Check"
#: As many requests on their way as threads of a gRPC server, and enough to keep an asynchronous one busy.
GRPC = {"connections": 4, "streams": 8, "http2": True}
_GRPC_HEADERS = {"content-type": "application/grpc", "te": "trailers"}


@contextmanager
def cerbos(folder: Path) -> Iterator[tuple[Program, int, int] | None]:
    """Cerbos with the policies of the world in its own language; its ports for HTTP and gRPC, or nothing without it.

    It is looked for as ``cerbos`` or ``cerbos-linux-x64`` on the path (npm: ``@cerbos/cerbos-linux-x64``).
    """
    binary = shutil.which("cerbos") or shutil.which("cerbos-linux-x64")
    if binary is None:
        yield None
        return
    place, http, grpc = folder / "cerbos", free_port(), free_port()
    (place / "policies").mkdir(parents=True)
    (place / "policies" / "document.yaml").write_text(json.dumps(_CERBOS_POLICY), "utf-8")
    (place / "conf.yaml").write_text(json.dumps({
        "server": {"httpListenAddr": f"127.0.0.1:{http}", "grpcListenAddr": f"127.0.0.1:{grpc}"},
        "storage": {"driver": "disk", "disk": {"directory": "policies"}}, "telemetry": {"disabled": True}}), "utf-8")
    command = [binary, "server", "--config=conf.yaml", "--log-level=error"]
    with program("Cerbos", command, place, lambda: listens(http)() and listens(grpc)()) as running:
        yield running, http, grpc


def _rule(actions: list[str], effect: str, roles: list[str], condition: str) -> dict[str, object]:
    return {"actions": actions, "effect": f"EFFECT_{effect}", "roles": roles,
            "condition": {"match": {"expr": condition}}}


_CERBOS_POLICY = {"apiVersion": "api.cerbos.dev/v1", "resourcePolicy": {
    "resource": "document", "version": "default", "rules": [
        _rule([ACTION, "ListDocuments"], "ALLOW", ["reader"],
              'P.attr.ip.inIPAddrRange("0.0.0.0/1") || P.attr.ip.inIPAddrRange("128.0.0.0/1")'),
        _rule(["PutDocument"], "ALLOW", ["reader"], "R.attr.owner == P.id"),
        _rule(["*"], "DENY", ["*"], 'R.id.startsWith("secret/")')]}}


def cerbos_http(port: int, document: str = "1") -> Work:
    """The question for Cerbos' own API."""
    asked = {"requestId": "1", "principal": {"id": "ann", "roles": ["reader"], "attr": {"ip": "127.0.0.1"}},
             "resources": [{"actions": [ACTION], "resource": {"kind": "document", "id": document}}]}
    return Work(f"http://127.0.0.1:{port}/api/check/resources", _JSON, json.dumps(asked).encode())


def authzen(port: int, subject: str, path: str = "/access/v1/evaluation", document: str = "1",
            headers: Mapping[str, str] | None = None) -> Work:
    """The question of AuthZEN, for whoever speaks it; Cerbos takes the type of a subject for its role."""
    asked = {"subject": {"type": subject, "id": "ann", "properties": {"ip": "127.0.0.1"}}, "action": {"name": ACTION},
             "resource": {"type": "document", "id": document}, "context": {"ip": "127.0.0.1"}}
    return Work(f"http://127.0.0.1:{port}{path}", {**_JSON, **(headers or {})}, json.dumps(asked).encode())


def cerbos_grpc(port: int, document: str = "1") -> Work:
    """The same over gRPC: ``cerbos.request.v1.CheckResourcesRequest``."""
    address = _text(1, "ip") + _message(2, _text(3, "127.0.0.1"))
    principal = _text(1, "ann") + _text(3, "reader") + _message(4, address)
    entry = _text(1, ACTION) + _message(2, _text(1, "document") + _text(3, document))
    body = _text(1, "1") + _message(3, principal) + _message(4, entry)
    return _grpc(port, "/cerbos.svc.v1.CerbosService/CheckResources", body)


_JSON = {"content-type": "application/json"}


def ext_authz(port: int, token: Mapping[str, str], path: str = "/documents/1") -> Work:
    """What Envoy asks: an ``envoy.service.auth.v3.CheckRequest`` with the headers that browsers send."""
    headers = {":method": "GET", ":path": path, ":authority": "docs.example", ":scheme": "http", "accept": "*/*",
               "user-agent": "h2load", "x-request-id": "0b9e4a0e-3d5c-4b59-8d6a-6d3a2f9a8c11", **token}
    http = (_text(1, "1") + _text(2, "GET") + _text(4, path) + _text(5, "docs.example") + _text(6, "http")
            + _text(10, "HTTP/1.1"))
    http += b"".join(_message(3, _text(1, name) + _text(2, value)) for name, value in headers.items())
    peer = _message(1, _message(1, _text(2, "127.0.0.1") + _varint_field(3, 40_000)))
    return _grpc(port, CHECK, _message(1, _message(1, peer) + _message(4, _message(2, http))))


def _grpc(port: int, method: str, message: bytes) -> Work:
    framed = b"\0" + struct.pack(">I", len(message)) + message
    return Work(f"http://127.0.0.1:{port}{method}", _GRPC_HEADERS, framed, **GRPC)  # type: ignore[arg-type]


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _message(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint_field(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@contextmanager
def uvicorn(app: str, folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[tuple[Program, int]]:
    """An ASGI application of these benchmarks, in one process; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port), "--no-access-log",
               "--ws", "none", "--log-level", "warning", "--no-proxy-headers", "--loop", "uvloop",
               "--http", "httptools"]
    with program(app, command, folder, listens(port), {"PYTHONPATH": str(ROOT), **(environment or {})}) as running:
        yield running, port


@contextmanager
def grpc_aio(folder: Path) -> Iterator[tuple[Program, int]]:
    """``grpc.aio`` that always answers with the same bytes, for the price of the library alone; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.doors.plain_grpc", str(port)]
    with program("grpc.aio", command, folder, listens(port), {"PYTHONPATH": str(ROOT)}) as running:
        yield running, port
