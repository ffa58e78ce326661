"""``iam-guard gateway --engine envoy``: the settings file of the gateway, with a real Envoy in front of upstreams."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from envoy_doors import envoy_program
from envoy_engine import READ, Engine, command, get, section, shop_and_orders, write_world
from forward_client import SECONDS, http_call, socket_call, wait_for
from forward_world import App
from sidecar_process import SECRET, bearer, token

from iam_guard.config.envoy import check_envoy
from iam_guard.errors import ConfigurationError


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with shop_and_orders() as found:
        yield found


def targets(app: App) -> list[str]:
    return [one["target"] for one in app.seen]


def test_who_may_passes_and_who_may_not_does_not(engine: Engine) -> None:
    assert get(engine, "/documents/1") == 200
    assert engine.shop.header("x-guard-principal") == ["arn:app:iam::000000000000:user/ann"]
    assert get(engine, "/documents/1", [("Accept", "*/*")]) == 401
    assert get(engine, "/documents/1", list(bearer("bob").items())) == 403
    assert get(engine, "/nowhere") == 403
    assert (engine.shop.seen, engine.orders.seen) == ([], [])
    assert get(engine, "/health", [("Accept", "*/*")]) == 200


@pytest.mark.parametrize(("target", "shop", "orders"), [
    ("/orders/1", 0, 1), ("/orders", 0, 1), ("/orders/1?a=b/../c", 0, 1), ("/ordersome/1", 1, 0),
    ("/documents/1", 1, 0),
])
def test_rules_go_by_whole_segments(engine: Engine, target: str, shop: int, orders: int) -> None:
    assert get(engine, target) == 200
    assert (targets(engine.shop), targets(engine.orders)) == ([target] * shop, [target] * orders)


@pytest.mark.parametrize("target", ["/%6frders/1", "/orders%2f1", "/documents/../orders/1",
                                    "/documents/%2e%2e/orders/1", "//orders/1", "/order%73/1",
                                    "/documents/;/1", "/orders/1%00"])
def test_a_path_that_would_go_elsewhere_than_it_says_goes_nowhere(engine: Engine, target: str) -> None:
    assert get(engine, target) in (400, 403)
    assert (engine.shop.seen, engine.orders.seen) == ([], [])


@pytest.mark.parametrize("host", ["internal.example", "169.254.169.254", "shop.example.evil.example", ""])
def test_no_host_but_those_that_are_written_down_is_connected_to(engine: Engine, host: str) -> None:
    """Threat G01.3; an address in the request line is another host (G01.1)."""
    assert get(engine, "/documents/1", host=host) in (400, 403, 404, 421)
    assert get(engine, "http://169.254.169.254/latest/") in (400, 403, 404)
    assert (engine.shop.seen, engine.orders.seen) == ([], [])


def test_only_an_upstream_that_is_to_have_credentials_gets_them(engine: Engine) -> None:
    assert get(engine, "/documents/1") == 200
    assert engine.shop.header("authorization") == []
    assert engine.shop.header("host") == ["shop.example"]
    sent = bearer("ann")
    assert get(engine, "/orders/1", list(sent.items())) == 200
    assert engine.orders.header("authorization") == [sent["Authorization"]]
    assert engine.orders.header("host") == ["inner.example"]


def test_what_an_upstream_says_in_our_names_stays_inside(engine: Engine) -> None:
    """Threat G10.1."""
    reply = http_call(engine.port, "GET", "/documents/1", list(bearer("ann").items()))
    assert reply.status == 200
    assert [name for name, _ in reply.headers if name.lower().startswith(("x-iam-", "x-guard-"))] == []


def test_a_websocket_passes(engine: Engine) -> None:
    assert socket_call(engine.port, "/documents/1", bearer("ann")).status == 101
    assert socket_call(engine.port, "/orders/1", bearer("ann")).status == 403


def test_a_policy_that_is_taken_away_counts_without_a_restart(engine: Engine) -> None:
    file = engine.settings.parent / "iam/users/ann.json"
    assert get(engine, "/documents/1") == 200
    file.write_text(READ.replace("Allow", "Deny"))
    try:
        wait_for(lambda: get(engine, "/documents/1") == 403, "the policies of now count")
    finally:
        file.write_text(READ)
    wait_for(lambda: get(engine, "/documents/1") == 200, "the policies of now count")


def test_what_runs_may_end_and_nothing_is_left_behind() -> None:
    with shop_and_orders() as engine:
        found: list[int] = []
        headers = list(bearer("ann").items())
        slow = threading.Thread(target=lambda: found.append(
            http_call(engine.port, "GET", "/documents/slow", headers).status))
        slow.start()
        wait_for(lambda: engine.shop.seen, "the request is under way")
        engine.process.send_signal(signal.SIGTERM)
        wait_for(lambda: _is_closing(engine), "it ends connections")
        assert engine.process.poll() is None
        engine.shop.go_on.set()
        slow.join(SECONDS)
        assert found == [200]
        assert engine.process.wait(SECONDS) == 0
        assert list((engine.settings.parent / "tmp").iterdir()) == []


def _is_closing(engine: Engine) -> bool:
    """An Envoy that drains ends each connection with its next answer, or takes no new ones."""
    try:
        return http_call(engine.port, "GET", "/health").header("Connection").lower() == "close"
    except OSError:
        return True


def test_an_envoy_that_ends_by_itself_ends_the_command() -> None:
    with shop_and_orders() as engine:
        os.kill(engine.envoy(), signal.SIGKILL)
        assert engine.ended() == 1
        assert "Envoy has ended by itself" in engine.text


def test_the_configuration_that_is_printed_is_one_to_envoy(tmp_path: Path) -> None:
    printed = command(write_world(tmp_path, section(8001, 8002)), "--print-config")
    assert printed.returncode == 0, printed.stderr
    file = tmp_path / "envoy.yaml"
    file.write_text(printed.stdout)
    checked = subprocess.run([envoy_program(), "--mode", "validate", "-c", str(file), "--use-dynamic-base-id"],
                             text=True, capture_output=True, timeout=SECONDS * 3, check=False)
    assert checked.returncode == 0, checked.stderr
    assert re.search("failure_mode_allow: false", printed.stdout)
    assert token("ann")[:20] not in printed.stdout
    assert SECRET not in printed.stdout


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"upstreams": {"a": {"servers": ["http://127.0.0.1:1", "https://127.0.0.1:1"]}}, "routes": []}, {}, "servers"),
    ({"upstreams": {"a": {"servers": ["http://127.0.0.1:1"], "max_message_bytes": 5}}, "routes": []}, {},
     "max_message_bytes"),
    ({"upstreams": {"a": {"servers": ["http://127.0.0.1:1"], "stall_seconds": 5}}, "routes": []}, {}, "head_seconds"),
    ({"listen": "gateway.example:8443"}, {}, "Envoy listens at addresses"),
    ({"tls": {"cert_file": "none.pem", "key_file": "none.pem"}}, {}, "cert_file"),
    ({"assertion": {"keys": "none.json", "issuer": "https://gateway.example"}}, {}, "none.json"),
    ({}, {"edge": {"path_mode": "normalize"}}, "path_mode"),
    ({}, {"docs_public": True}, "docs_public"),
    ({"gate": 1}, {}, "gate"),
]


@pytest.mark.parametrize(("gateway", "more", "told"), REFUSED)
def test_what_envoy_does_not_do_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                gateway: dict[str, Any], more: dict[str, Any], told: str) -> None:
    monkeypatch.setenv("IAM_GUARD_TEST_SECRET", SECRET)
    with pytest.raises(ConfigurationError) as refused:
        check_envoy(write_world(tmp_path, section(8001, 8002) | gateway, **more))
    assert told in str(refused.value)
    assert "iam-guard.yaml" in str(refused.value)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    refused = command(write_world(tmp_path, section(8001, 8002) | {"gate": 1}), "--check")
    assert refused.returncode == 1
    assert "iam-guard.yaml" in refused.stderr
    assert "'gate'" in refused.stderr


def test_statements_are_not_signed_for_an_envoy_that_asks_a_sidecar(tmp_path: Path) -> None:
    made = section(8001, 8002, assertion={"keys": "keys.json", "issuer": "https://gateway.example"})
    refused = command(write_world(tmp_path, made), "--print-config")
    assert refused.returncode == 1
    assert "asks a sidecar sends no signed statements" in refused.stderr


def test_good_settings_are_checked_without_a_start(tmp_path: Path) -> None:
    checked = command(write_world(tmp_path, section(8001, 8002)), "--check")
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr
