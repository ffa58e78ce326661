"""Start, reload and stop of the running gateway: nothing is dropped, and wrong settings are not taken up."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from gateway_origin import SECONDS, Origin, origin, wait_for
from gateway_world import SECRET, Gateway, bearer, running, section, write_settings, write_world
from steady_load import Load
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from iam_guard.config.gateway import load_gateway
from iam_guard.errors import ConfigurationError


def loaded(gateway: Gateway) -> Load:
    return Load(f"http://127.0.0.1:{gateway.port}/items/1", bearer("alice"), b"body of 0\n")


def reloads_under_load(gateway: Gateway, behind: Origin, turns: int, pause: float) -> None:
    before = gateway.reloads()["done"]
    with loaded(gateway) as load:
        for turn in range(turns):
            if turn % 2:
                gateway.tell(signal.SIGHUP)
            else:
                gateway.rewrite(gateway=section(behind.url, upstream={"head_seconds": 30.0 + turn}))
            wait_for(lambda: gateway.reloads()["done"] > before + turn, "the settings are taken up")  # noqa: B023
            served = load.good
            wait_for(lambda: load.good > served + 20, "requests are served")  # noqa: B023
            time.sleep(pause)
    assert load.bad == []


def test_reloads_under_load_lose_no_request(gateway: Gateway, behind: Origin) -> None:
    reloads_under_load(gateway, behind, 6, 0.0)


@pytest.mark.nightly
def test_a_reload_every_second_for_a_minute_loses_no_request(gateway: Gateway, behind: Origin) -> None:
    reloads_under_load(gateway, behind, 60, 1.0)


def test_what_has_begun_outlives_a_reload(gateway: Gateway, behind: Origin) -> None:
    with connect(f"ws://127.0.0.1:{gateway.port}/ws/feed", additional_headers=bearer("alice"), proxy=None,
                 open_timeout=SECONDS) as client:
        client.send("before")
        assert client.recv(SECONDS) == "echo before"
        before = gateway.reloads()["done"]
        gateway.tell(signal.SIGHUP)
        wait_for(lambda: gateway.reloads()["done"] > before, "the settings are taken up")
        client.send("after")
        assert client.recv(SECONDS) == "echo after"


def test_new_settings_count_at_once(gateway: Gateway, behind: Origin) -> None:
    with origin() as other:
        before = gateway.reloads()["done"]
        gateway.rewrite(gateway=section(other.url))
        wait_for(lambda: gateway.reloads()["done"] > before, "the settings are taken up")
        assert gateway.call("GET", "/items/1", bearer("alice")).status == 200
        assert len(other.seen) == 1
        gateway.rewrite(gateway=section(behind.url))
        wait_for(lambda: gateway.reloads()["done"] > before + 1, "the settings are taken up")
    assert gateway.call("GET", "/items/1", bearer("alice")).status == 200


@pytest.mark.parametrize("wrong", [
    {"upstreams": {}}, {"listen": "127.0.0.1:1"}, {"tls": {"cert_file": "none.pem", "key_file": "none.pem"}},
    {"nothing": "like this"}])
def test_wrong_settings_are_not_taken_up(gateway: Gateway, behind: Origin, wrong: dict[str, Any]) -> None:
    before = gateway.reloads()
    gateway.rewrite(gateway={**section(behind.url), **wrong})
    wait_for(lambda: gateway.reloads()["failed"] > before["failed"], "the settings are refused")
    assert gateway.reloads()["settings"] == "refused"
    assert gateway.status("/readyz").status == 200
    assert gateway.call("GET", "/items/1", bearer("alice")).status == 200
    gateway.rewrite(gateway=section(behind.url))
    wait_for(lambda: gateway.reloads()["settings"] == "current", "good settings are taken up")
    assert gateway.reloads()["done"] > before["done"]


def test_a_policy_is_taken_away_and_counts_without_a_reload(gateway: Gateway) -> None:
    policy = gateway.folder / "iam/users/alice.json"
    kept = policy.read_text()
    policy.write_text('{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}')
    wait_for(lambda: gateway.call("GET", "/items/1", bearer("alice")).status == 403, "alice may not any more")
    policy.write_text(kept)
    wait_for(lambda: gateway.call("GET", "/items/1", bearer("alice")).status == 200, "alice may again")


def test_a_stop_lets_requests_end_and_takes_no_new_ones(behind: Origin, tmp_path: Path) -> None:
    with running(tmp_path, section(behind.url)) as gateway, \
            socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as uploading, \
            socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as beginning, \
            socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as idle:
        upload, question = (f"{line} HTTP/1.1\r\nHost: shop.example\r\nAuthorization: {bearer('root')['Authorization']}"
                            "\r\n".encode() for line in ("PUT /files/pub/slow", "GET /items/1"))
        behind.seen.clear()
        uploading.sendall(upload + b"Content-Length: 10\r\n\r\nfirst")
        wait_for(lambda: behind.seen, "the upload has begun")
        idle.sendall(question + b"\r\n")
        assert idle.recv(65_536).startswith(b"HTTP/1.1 200 ")
        beginning.sendall(question)
        gateway.tell(signal.SIGTERM)
        wait_for(lambda: idle.recv(65_536) == b"", "the idle connection is closed")
        uploading.sendall(b" last")
        beginning.sendall(b"\r\n")
        for connection, end in ((uploading, b"body of 10\n"), (beginning, b"body of 0\n")):
            answer = b""
            while chunk := connection.recv(65_536):
                answer += chunk
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" in answer
            assert answer.endswith(end)
        assert gateway.process.wait(SECONDS) == 0


def test_a_stop_tells_websockets_that_the_service_restarts(behind: Origin, tmp_path: Path) -> None:
    with running(tmp_path, section(behind.url)) as gateway, \
            connect(f"ws://127.0.0.1:{gateway.port}/ws/feed", additional_headers=bearer("alice"), proxy=None,
                    open_timeout=SECONDS) as client:
        client.send("hello")
        assert client.recv(SECONDS) == "echo hello"
        gateway.tell(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            client.recv(SECONDS)
        assert client.close_code == 1012  # the registry of RFC 6455 section 11.7: service restart
        assert gateway.process.wait(SECONDS) == 0
    wait_for(lambda: behind.streams == 0, "the upstream is free")


def test_a_gateway_that_settles_says_that_it_is_not_ready_and_serves_on(behind: Origin, tmp_path: Path) -> None:
    with running(tmp_path, section(behind.url, limits={"settle_seconds": 2.0})) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=SECONDS)
        connection.request("GET", "/items/1", headers=bearer("alice"))
        assert connection.getresponse().read() == b"body of 0\n"
        gateway.tell(signal.SIGTERM)
        wait_for(lambda: gateway.status("/readyz").status == 503, "it says that it is not ready")
        connection.request("GET", "/items/1", headers=bearer("alice"))
        response = connection.getresponse()
        assert (response.status, response.getheader("connection")) == (200, "close")
        response.read()
        connection.close()


def command_of(process: str) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:  # it has just ended
        return ""


def test_several_workers_serve_reload_and_are_replaced(behind: Origin, tmp_path: Path) -> None:
    def workers() -> set[int]:
        process = Path(f"/proc/{gateway.process.pid}")
        children = (process / "task" / process.name / "children").read_text().split()
        return {int(child) for child in children if "spawn_main" in command_of(child)}

    with running(tmp_path, section(behind.url), "--workers", "2") as gateway:
        wait_for(lambda: len(workers()) == 2, "two workers run")
        with loaded(gateway) as load:
            gateway.tell(signal.SIGHUP)
            wait_for(lambda: load.good > 50, "requests are served")
        assert load.bad == []
        first = min(workers())
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: first not in workers() and len(workers()) == 2, "the worker is replaced")
        wait_for(lambda: gateway.call("GET", "/items/1", bearer("alice")).status == 200, "requests are served")


def test_good_settings_pass_the_check(tmp_path: Path) -> None:
    path = write_world(tmp_path, section("http://127.0.0.1:9"))
    ran = subprocess.run([sys.executable, "-m", "iam_guard", "gateway", "--config", str(path), "--check"], check=False,
                         capture_output=True, text=True, timeout=60, env={**os.environ, "GATEWAY_TEST_SECRET": SECRET})
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "nothing is wrong\n")


def test_proofs_that_count_once_are_remembered_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TEST_SECRET", SECRET)
    path = write_world(tmp_path, section("http://127.0.0.1:9"), credentials={"dpop": {}})
    with pytest.raises(ConfigurationError, match="replay_file"):
        load_gateway(path)
    write_settings(tmp_path, gateway=section("http://127.0.0.1:9"), credentials={"dpop": {}, "replay_file": "used.db"})
    assert load_gateway(path).settings.workers == 1


def test_settings_without_a_gateway_do_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TEST_SECRET", SECRET)
    path = write_world(tmp_path, section("http://127.0.0.1:9"))
    write_settings(tmp_path)
    with pytest.raises(ConfigurationError, match="'gateway' is missing"):
        load_gateway(path)


@pytest.mark.parametrize(("wrong", "pointer", "told"), [
    ({"upstreams": {"app": {"servers": ["ftp://x"]}}}, "/gateway/upstreams/app", "not the address of a server"),
    ({"upstreams": {"app": {"servers": ["http://x/path"]}}}, "/gateway/upstreams/app", "no path"),
    ({"upstreams": {"app": {"servers": []}}}, "/gateway/upstreams/app/servers", "has no server"),
    ({"routes": [{"upstream": "other"}]}, "/gateway/routes/0/upstream", "no upstream 'other'"),
    ({"routes": [{"upstream": "app", "path": "/a"}, {"upstream": "app", "path": "/a/"}]}, "/gateway/routes/1",
     "another rule"),
    ({"routes": [{"upstream": "app", "host": "Shop.example"}]}, "/gateway/routes/0/host", "not a host name"),
    ({"listen": "8080"}, "/gateway/listen", "not an address to listen at"),
    ({"tls": {"cert_file": "c.pem", "key_file": "k.pem"}}, "/gateway/tls/cert_file", "there is no file"),
    ({"assertion": {"keys": "keys.json", "issuer": "x"}}, "/gateway/assertion/keys", "make the file"),
    ({"workers": 0}, "/gateway/workers", "0"),
    ({"limit": {}}, "/gateway/limit", "did you mean"),
])
def test_wrong_settings_do_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any],
                                     pointer: str, told: str) -> None:
    monkeypatch.setenv("GATEWAY_TEST_SECRET", SECRET)
    path = write_world(tmp_path, {**section("http://127.0.0.1:9"), **wrong})
    with pytest.raises(ConfigurationError) as caught:
        load_gateway(path)
    (fault,) = caught.value.faults
    assert (fault.file, fault.pointer) == (str(path), pointer)
    assert told in f"{fault.message}; {fault.mend}"
    lines = path.read_text().splitlines()
    keys = [part for part in pointer.split("/") if part and not part.isdigit()]
    told_at = "".join(lines[fault.line - 1:fault.line + 2])
    assert any(f'"{key}"' in told_at for key in (keys[-1], "upstream", "upstreams"))


def test_without_policies_nothing_is_served_but_what_is_public(behind: Origin, tmp_path: Path) -> None:
    path = write_world(tmp_path, section(behind.url))
    assert path.exists()
    broken = tmp_path / "iam/users/alice.json"
    with running(tmp_path, section(behind.url)) as gateway:
        broken.write_text("{")
        gateway.tell(signal.SIGHUP)
        wait_for(lambda: gateway.reloads()["done"] > 0, "the settings are taken up")
        assert gateway.status("/readyz").status == 503
        behind.seen.clear()
        assert gateway.call("GET", "/items/1", bearer("root")).status == 503
        assert behind.seen == []
        assert gateway.call("GET", "/health").status == 200
        assert json.loads(gateway.status("/readyz").body)["ready"] is False
