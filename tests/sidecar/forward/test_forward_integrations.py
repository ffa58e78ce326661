"""The examples as their pages set them up: settings, policies, a token, an application, and each of the proxies."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from forward_client import Reply, free_port, http_call
from forward_proxies import INTEGRATIONS, running, started
from forward_world import Serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

ANN = "arn:app:iam::000000000000:user/ann"


def _tokens(folder: Path) -> dict[str, str]:
    """The first line of the README."""
    made = subprocess.run([sys.executable, str(INTEGRATIONS / "make_token.py")], cwd=folder, check=True, timeout=60,
                          capture_output=True, text=True)
    return dict(line.split("=", 1) for line in made.stdout.split())


def _application(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("integration_sidecar", folder / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


def _is_ready(port: int) -> bool:
    try:
        return http_call(port, "GET", "/readyz", host="localhost").status == 200
    except OSError:
        return False


@contextmanager
def _sidecar(folder: Path) -> Iterator[int]:
    """The guard as a program; gives the port where it decides."""
    port, control = free_port(), free_port()
    settings = folder / "iam-guard.yaml"
    settings.write_text(settings.read_text("utf-8").replace(":9191", f":{port}"), "utf-8")
    environment = {"PYTHONPATH": str(INTEGRATIONS.parent),
                   "IAM_GUARD__SIDECAR__CONTROL__LISTEN": f"127.0.0.1:{control}"}
    command = [sys.executable, "-m", "iam_guard", "sidecar", "--config", settings.name]
    with started(command, folder, environment, lambda: _is_ready(control)):
        yield port


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Ports of the application and of the guard, and the tokens."""
    folder = shutil.copytree(INTEGRATIONS / "sidecar", tmp_path_factory.mktemp("sidecar") / "it")
    tokens = _tokens(folder)
    with _sidecar(folder) as guard, Serving(_application(folder)) as app:
        yield app.port, guard, tokens


@pytest.fixture(scope="module", params=["nginx", "traefik", "caddy", "haproxy"])
def port(request: Any, behind: tuple[int, int, dict[str, str]],
         tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running(request.param, tmp_path_factory.mktemp(request.param), behind[:2]) as opened:
        yield opened


def get(port: int, target: str, token: str = "") -> Reply:
    headers = [("Authorization", f"Bearer {token}")] if token else []
    return http_call(port, "GET", target, headers, host="localhost:8000")


def test_what_the_page_promises(port: int, behind: tuple[int, int, dict[str, str]]) -> None:
    tokens = behind[2]
    allowed = get(port, "/orders/42", tokens["ann"])
    assert (allowed.status, json.loads(allowed.body)) == (200, {"order": "42", "for": ANN})
    assert get(port, "/orders/43", tokens["ann"]).status == 403
    assert get(port, "/orders/42", tokens["bob"]).status == 403
    nobody = get(port, "/orders/42")
    assert (nobody.status, nobody.header("WWW-Authenticate")) == (401, 'Bearer realm="api"')


def test_a_denial_shows_the_problem_and_its_number(port: int, behind: tuple[int, int, dict[str, str]]) -> None:
    told = json.loads(get(port, "/orders/43", behind[2]["ann"]).body)
    assert (told["type"], told["action"]) == ("urn:iam-guard:problems:access-denied", "orders:GetOrder")
    assert told["instance"].endswith(told["decision_id"])


def test_a_websocket_is_a_route_of_its_own(port: int, behind: tuple[int, int, dict[str, str]]) -> None:
    def watch(order: int, name: str) -> Any:
        return connect(f"ws://127.0.0.1:{port}/orders/{order}/events", proxy=None,
                       additional_headers={"Authorization": f"Bearer {behind[2][name]}"})

    with watch(42, "ann") as opened:
        assert json.loads(opened.recv(20)) == {"order": "42", "for": ANN}
    for order, name in ((43, "ann"), (42, "bob")):
        with pytest.raises(InvalidStatus) as caught, watch(order, name):
            pass
        assert caught.value.response.status_code == 403
