"""Rows that need a gateway which is set up in another way: names, proxies before it, preflights; and bad starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_process import Process, gateway
from threat_origin import Everything, everything
from threat_rows import HEADERS, METHODS, Row
from threat_view import check_view
from threat_world import ENVIRONMENT, bytes_of, exchange, statuses, write_world
from typer.testing import CliRunner, Result

from iam_guard.cli.main import app

NAMES = {"principal": "X-IAM-Principal", "account": "X-IAM-Account", "decision": "X-IAM-Decision-Id"}
FRONT = {"trusted_proxies": ["127.9.0.0/16"]}
CORS = {"origins": ["https://front.example"]}


@pytest.fixture(scope="module")
def behind() -> Iterator[Everything]:
    with everything() as app:
        yield app


@pytest.fixture(scope="module")
def door(behind: Everything, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with gateway(tmp_path_factory.mktemp("settings"), behind.url, caller_headers=NAMES, edge=FRONT, cors=CORS) as found:
        yield found


@pytest.mark.parametrize("row", [row for row in (*HEADERS, *METHODS) if "-off" not in row.id], ids=lambda row: row.id)
def test_a_row_holds_by_other_names(door: Process, behind: Everything, row: Row) -> None:
    behind.got.clear()
    told = statuses(exchange(door.port, bytes_of(row, b"iam")))
    assert told == [row.status]
    check_view(behind, row, "iam", passed=told == [200])


#: Who asks for what, from where, with which lines, and whether that is allowed. Policies: ``insider`` gets items from
#: 10.0.0.0/8 alone and lists them over TLS alone; ``addressed`` gets an item from 203.0.113.7, the list from 127.1.2.3
#: and files from 198.51.100.4.
FORWARDED: dict[str, tuple[str, bytes, str, tuple[bytes, ...], bool]] = {
    "H05.1": ("insider", b"/items/1", "127.0.0.1", (b"X-Forwarded-For: 10.0.0.1",), False),
    "H05.2": ("addressed", b"/items/1", "127.9.0.1", (b"X-Forwarded-For: 10.0.0.1, 203.0.113.7",), True),
    "H05.2-lie": ("insider", b"/items/1", "127.9.0.1", (b"X-Forwarded-For: 10.0.0.1, 203.0.113.7",), False),
    "H05.3": ("addressed", b"/items", "127.1.2.3", (b"X-Real-IP: 10.0.0.1",), True),
    "H05.3-lie": ("insider", b"/items/1", "127.1.2.3", (b"X-Real-IP: 10.0.0.1",), False),
    "H05.4": ("addressed", b"/files/x", "127.9.0.1",
              (b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-For: 198.51.100.4"), True),
    "H05.4-lie": ("insider", b"/items/1", "127.9.0.1",
                  (b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-For: 198.51.100.4"), False),
    "H05.5": ("insider", b"/items/1", "127.9.0.1", (b"Forwarded: for=10.0.0.1;proto=https",), False),
    "H05.5-ip6": ("insider", b"/items", "127.9.0.1", (b'Forwarded: for="[2001:db8::1]:4711";proto=https',), False),
    "H06.1": ("insider", b"/items", "127.0.0.1", (b"X-Forwarded-Proto: https",), False),
    "H06.1-proxy": ("insider", b"/items", "127.9.0.1",
                    (b"X-Forwarded-Proto: https", b"X-Forwarded-For: 192.0.2.1"), True),
    "P23.3-proxy": ("anon", b"/admin", "127.9.0.1", (b"X-Forwarded-Uri: /health",), False),
    "H06.2-proxy": ("anon", b"/admin", "127.9.0.1", (b"X-Forwarded-Prefix: /public",), False),
}


@pytest.mark.parametrize("name", FORWARDED)
def test_forwarded_data_counts_by_who_sends_it(door: Process, behind: Everything, name: str) -> None:
    who, target, source, lines, allowed = FORWARDED[name]
    behind.got.clear()
    row = Row(name, who, b"GET " + target, 200, lines=lines)
    told = statuses(exchange(door.port, bytes_of(row, b"iam"), source=source))
    assert told == ([200] if allowed else [401 if who == "anon" else 403])
    assert len(behind.got) == (1 if allowed else 0)
    for got in behind.got:
        assert got.names.count("forwarded") == 0
        assert got.names.count("x-forwarded-for") == 1
        assert got.values("X-Real-IP") == []


ORIGIN = b"Origin: https://front.example"
PREFLIGHTS: dict[str, tuple[bytes, tuple[bytes, ...], tuple[int, ...]]] = {
    "M02.1": (b"OPTIONS /items/1", (ORIGIN, b"Access-Control-Request-Method: DELETE"), (200, 204)),
    "M02.1-post": (b"OPTIONS /docs/1", (ORIGIN, b"Access-Control-Request-Method: POST"), (200, 204)),
    "M02.4": (b"OPTIONS /items/1", (ORIGIN, b"Access-Control-Request-Method: PURGE"), (401, 403, 405)),
    "M02.4-unmapped": (b"OPTIONS /forgot", (ORIGIN, b"Access-Control-Request-Method: GET"), (401, 403, 405)),
    "M02-origin": (b"OPTIONS /items/1", (b"Origin: https://evil.example", b"Access-Control-Request-Method: DELETE"),
                   (401, 403)),
    "M02.2": (b"OPTIONS /docs/1", (ORIGIN,), (401,)),
    "M02.2-none": (b"OPTIONS /docs/1", (b"Access-Control-Request-Method: GET",), (401,)),
}


@pytest.mark.parametrize("name", PREFLIGHTS)
@pytest.mark.parametrize("body", [b"", b'{"a": 1}'], ids=["", "M02.3"])
def test_a_preflight_runs_nothing(door: Process, behind: Everything, name: str, body: bytes) -> None:
    """Forged or not, with a body or without: the application does not hear of it."""
    behind.got.clear()
    line, lines, wanted = PREFLIGHTS[name]
    received = exchange(door.port, bytes_of(Row(name, "anon", line, 204, lines=lines, body=body)))
    told = statuses(received)
    assert len(told) == 1
    assert told[0] in wanted
    allowed = b"\r\naccess-control-allow-methods: " in received.lower()
    assert allowed == (told[0] < 300)
    assert behind.got == []


# --- Settings with which nothing starts ---

def checked(folder: Path, command: str, routes: str = "", **sections: Any) -> Result:
    told = {"gateway": {"gateway": {"upstreams": {"app": {"servers": ["http://127.0.0.1:9"]}}}},
            "sidecar": {"sidecar": {"forward": [{"proxy": "nginx"}]}, "edge": {"trusted_proxies": ["127.0.0.1"]}}}
    path = write_world(folder, **{**told[command], **sections})
    if routes:
        (folder / "routes.yaml").write_text(f"version: 1\nroutes:\n  {routes}\n")
    return command_of(command, "--config", str(path), "--check")


def command_of(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={**ENVIRONMENT, "NO_COLOR": "1", "COLUMNS": "400"})


LOOSE = {"P24.1": '"GET /items/.*": public', "P24.1-regex": '"GET ^/items/": public',
         "P24.2": '"GET */admin/*": public', "P24.4a": '"GET /files/**/logo.png": public',
         "P24.4b": '"GET /{any}": public', "P24.4c": '"GET /{any:path}": public'}


@pytest.mark.parametrize("command", ["gateway", "sidecar"])
@pytest.mark.parametrize("row", LOOSE)
def test_a_rule_that_means_more_than_it_says_does_not_start(tmp_path: Path, row: str, command: str) -> None:
    done = checked(tmp_path, command, LOOSE[row])
    assert done.exit_code == 1, done.stdout
    assert "routes.yaml" in done.stderr


@pytest.mark.parametrize("command", ["gateway", "sidecar"])
def test_good_settings_do_start(tmp_path: Path, command: str) -> None:
    """Without which the others would prove nothing."""
    done = checked(tmp_path, command, '"GET /open/{p:path}": public')
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("command", ["gateway", "sidecar"])
@pytest.mark.parametrize("missing", ["policies", "issuers", "routes"])
def test_g18_1_nothing_works_until_it_is_set_up(tmp_path: Path, command: str, missing: str) -> None:
    path = tmp_path / "iam-guard.yaml"
    assert command_of(command, "--config", str(path), "--check").exit_code == 1
    path.write_text("{}")
    assert command_of(command, "--config", str(path), "--check").exit_code == 1
    checked(tmp_path, command)
    settings = json.loads(path.read_text())
    del settings[missing]
    path.write_text(json.dumps(settings))
    done = command_of(command, "--config", str(path), "--check")
    assert (done.exit_code, "iam-guard.yaml" in done.stderr) == (1, True)


def test_g18_2_a_sample_that_opens_everything_is_refused(tmp_path: Path, behind: Everything) -> None:
    """It is not loaded, so that nothing is served; outside development there is no way around."""
    everyone = tmp_path / "iam/everyone/all.json"
    everyone.parent.mkdir(parents=True)
    everyone.write_text('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}')
    with gateway(tmp_path, behind.url) as door:
        behind.got.clear()
        for who in ("anon", "alice", "root"):
            for line in (b"GET /items/1", b"GET /admin", b"POST /items"):
                told = statuses(exchange(door.port, bytes_of(Row("", who, line, 503))))
                assert told == [401 if who == "anon" else 503]
        assert behind.got == []
        assert "everybody may do everything" in door.text


@pytest.mark.parametrize("command", ["gateway", "sidecar"])
@pytest.mark.parametrize("issuer", [
    {"discovery": True, "issuer": "http://idp.example"}, {"jwks_url": "http://idp.example/keys"},
    {"jwks_url": "http://169.254.169.254/latest/"}, {"jwks_url": "file:///etc/passwd"},
], ids=["G01.2-issuer", "G01.2-keys", "G01.2-metadata", "G01.2-file"])
def test_g01_2_keys_are_not_fetched_over_plain_http(tmp_path: Path, command: str, issuer: dict[str, Any]) -> None:
    whole = {"issuer": "https://idp.example", "audience": "a", "algorithms": ["RS256"], **issuer}
    done = checked(tmp_path, command, issuers=[whole])
    assert (done.exit_code, "iam-guard.yaml" in done.stderr) == (1, True), done.stdout
