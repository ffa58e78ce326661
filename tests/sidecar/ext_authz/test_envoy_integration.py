"""The example as its page sets it up: settings, policies, tokens, the sidecar as a program, and the real Envoy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from envoy_doors import INTEGRATION, envoy_file, envoy_running
from forward_client import free_port, http_call, send
from forward_world import App, Serving
from sidecar_process import running

ANN = "arn:app:iam::000000000000:user/ann"


class Example:
    """Envoy's port, the tokens, and the application."""

    def __init__(self, port: int, tokens: dict[str, str], app: App) -> None:
        self.port, self.tokens, self.app = port, tokens, app

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}


@pytest.fixture(scope="module", params=["grpc", "http"])
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    folder = tmp_path_factory.mktemp("example") / "envoy"
    shutil.copytree(INTEGRATION, folder)
    shutil.copy(INTEGRATION.parent / "make_token.py", folder.parent)
    made = subprocess.run([sys.executable, "../make_token.py"], cwd=folder, check=True, timeout=60, capture_output=True,
                          text=True)
    tokens = dict(line.split("=", 1) for line in made.stdout.split())
    settings, grpc_port, http_port, port = folder / "iam-guard.yaml", free_port(), free_port(), free_port()
    text = settings.read_text()
    assert "127.0.0.1:8183" in text
    assert "127.0.0.1:8184" in text
    settings.write_text(text.replace(":8183", f":{grpc_port}").replace(":8184", f":{http_port}"))
    app = App()
    with running(settings, 3, IAM_GUARD__SIDECAR__CONTROL__LISTEN="127.0.0.1:0"), Serving(app) as behind:
        guard = grpc_port if request.param == "grpc" else http_port
        with envoy_running(folder, envoy_file(request.param, port, behind.port, guard), port):
            yield Example(port, tokens, app)


def test_who_may_passes_and_is_named(example: Example) -> None:
    assert http_call(example.port, "GET", "/orders/42", example.bearer("ann").items()).status == 200
    assert example.app.header("x-guard-principal") == [ANN]


def test_who_may_not_does_not_pass(example: Example) -> None:
    example.app.seen.clear()
    assert http_call(example.port, "GET", "/orders/43", example.bearer("ann").items()).status == 403
    assert http_call(example.port, "GET", "/orders/42", example.bearer("bob").items()).status == 403
    assert http_call(example.port, "GET", "/orders/42").status == 401
    assert example.app.seen == []


def test_a_websocket_is_another_action(example: Example) -> None:
    example.app.seen.clear()
    assert send(example.port, "WS", "/orders/42/events", example.bearer("ann")).status == 101
    assert [one["type"] for one in example.app.seen] == ["websocket"]
    assert send(example.port, "WS", "/orders/42", example.bearer("ann")).status == 403
    assert send(example.port, "GET", "/orders/42/events", example.bearer("ann")).status == 403


def test_the_example_is_that_of_the_other_proxies() -> None:
    """One set of policies and routes for all, so that what is said of one is true of the other."""
    other = INTEGRATION.parent / "sidecar"
    for name in ("routes.yaml", "iam/users/ann.yaml"):
        assert Path(INTEGRATION / name).read_text() == Path(other / name).read_text()


def test_the_settings_of_the_manifest_are_good(tmp_path: Path) -> None:
    objects = list(yaml.safe_load_all((INTEGRATION.parent / "kubernetes" / "ext-authz.yaml").read_text()))
    data = next(one["data"] for one in objects if one["kind"] == "ConfigMap")
    pod = next(one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment")
    volume = next(one["configMap"] for one in pod["volumes"] if "configMap" in one)
    assert {item["key"] for item in volume["items"]} == set(data)
    for item in volume["items"]:
        file = tmp_path / item["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(data[item["key"]])
    words = [word.replace("/etc/iam-guard", str(tmp_path)) for word in pod["containers"][0]["args"]]
    checked = subprocess.run([sys.executable, "-m", "iam_guard", *words, "--check"], cwd=INTEGRATION.parents[1],
                             capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr
