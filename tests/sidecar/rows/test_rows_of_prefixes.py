"""Rows about prefixes that are cut off: at the doors whose calls repeat the client's request line behind a path."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from door_calls import known
from forward_client import free_port
from sidecar_doors import port_of, sidecar
from sidecar_process import Running
from threat_world import exchange, statuses

#: What is asked for, by whom, and what is said; ``%b`` is the prefix.
ROWS: dict[str, tuple[bytes, str, tuple[int, ...]]] = {
    "P16.1": (b"%badmin", "root", (403, 404)),
    "P16.2": (b"%b/admin", "root", (200,)),
    "P16.2-anon": (b"%b/admin", "anon", (401,)),
    "P16.2-deny": (b"%b/items/secret1", "alice", (403,)),
    "P16.2-query": (b"%b/items/1?a=%%2F..", "alice", (200,)),
    "P16.4": (b"%b1/items", "root", (403, 404)),
    "P16.4-none": (b"%b", "root", (403, 404)),
    "P16.4-other": (b"/admin", "root", (403, 404)),
    "P17.1": (b"%b../admin", "root", (403, 404)),
    "P17.1-public": (b"%b/public../admin", "anon", (401, 403)),
    "P17.2": (b"%b%%2e/admin/secret", "root", (400, 403, 404)),
    "P17.2-dots": (b"%b/public/%%2e%%2e/admin", "root", (400, 403)),
    "P17-twice": (b"%b%b/admin", "root", (403, 404)),
    "P17-slash": (b"%b//admin", "root", (400, 403)),
    "P17-up": (b"%b/../admin", "root", (400, 403, 404)),
}
LINES = {"envoy-http": (b"/svc", [b"X-Original-Client: 203.0.113.7", b"X-Original-Scheme: http",
                                  b"X-Original-Upgrade: GET"]),
         "oathkeeper": (b"/decisions", [b"X-Forwarded-Proto: http", b"X-Forwarded-Host: shop.example",
                                        b"X-Forwarded-For: 203.0.113.7"])}


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    section = {"listen": "127.0.0.1:0", "control": {"listen": "localhost:0"},
               "forward": [{"proxy": "oathkeeper", "request_line": True}],
               "ext_authz_http": {"listen": f"127.0.0.1:{free_port()}", "described": True, "path_prefix": "/svc"}}
    with sidecar(tmp_path_factory.mktemp("prefixes"), section, 3) as found:
        yield found


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("door", LINES)
def test_a_prefix_is_cut_off_at_a_slash(guard: Running, door: str, row: str) -> None:
    target, who, wanted = ROWS[row]
    prefix, lines = LINES[door]
    path = target.replace(b"%b", prefix).replace(b"%%", b"%")
    head = [b"GET " + path + b" HTTP/1.1", b"Host: shop.example", b"Connection: close", *lines,
            *([known(who)] if who != "anon" else [])]
    told = statuses(exchange(port_of(guard, door), b"\r\n".join(head) + b"\r\n\r\n"))
    assert len(told) == 1
    assert told[0] in wanted
