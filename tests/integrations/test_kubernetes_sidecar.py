"""The gateway of the Kubernetes example, with its volume as a kubelet would mount it, in front of an application."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from integration_runs import ANN, BOB, answers, assert_problem, free_port, give_keys, running
from manifests import Manifest, Mounted, beside, manifests

_APPLICATION = '''
async def app(scope, receive, send):
    if scope["type"] == "http":
        told = dict(scope["headers"]).get(b"x-guard-principal", b"nobody")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": told})
'''
_PATIENCE = 30


class Pod(NamedTuple):
    """The pod, running.

    Attributes:
        url: Of the gateway.
        status: Where it is asked for its health.
        config: What the ConfigMap said.
        mounted: The volume.
    """

    url: str
    status: str
    config: dict[str, str]
    mounted: Mounted


def the(kind: str) -> Manifest:
    (first,) = [one for one in manifests() if one.file.stem == "sidecar" and one.kind == kind]
    return first


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    folder = tmp_path_factory.mktemp("pod")
    give_keys(folder)
    (folder / "upstream.py").write_text(_APPLICATION)
    application, listen, status = free_port(), free_port(), free_port()
    config = dict(the("ConfigMap").data["data"])
    for written, here in (("0.0.0.0:8080", f"127.0.0.1:{listen}"), ("0.0.0.0:8081", f"127.0.0.1:{status}"),
                          ("127.0.0.1:8000", f"127.0.0.1:{application}"), ("settle_seconds: 5", "settle_seconds: 0"),
                          ("discovery: true", f"jwks_file: {folder / 'jwks.json'}")):
        assert written in config["iam-guard.yaml"]
        config["iam-guard.yaml"] = config["iam-guard.yaml"].replace(written, here)
    etc = folder / "etc"
    etc.mkdir()
    (volume,) = [one for one in (the("Deployment").pod or {})["volumes"] if "configMap" in one]
    mounted = Mounted(etc, volume, config)
    (guard,) = [one for one in the("Deployment").containers if one["name"] == "guard"]
    words = [word.replace("/etc/iam-guard", str(etc)) for word in guard["args"]]
    probe = guard["readinessProbe"]["httpGet"]["path"]
    assert list(beside(the("Deployment"), "Service"))
    with (running([sys.executable, "-m", "uvicorn", "--port", str(application), "--lifespan", "off", "upstream:app"],
                  folder, answers(f"http://127.0.0.1:{application}")),
          running([sys.executable, "-m", "iam_guard", *words], folder, is_ready(f"http://127.0.0.1:{status}{probe}"))):
        yield Pod(f"http://127.0.0.1:{listen}", f"http://127.0.0.1:{status}", config, mounted)


def is_ready(url: str) -> Callable[[], bool]:
    def asked() -> bool:
        try:
            return httpx.get(url, trust_env=False, timeout=2).status_code == 200
        except httpx.TransportError:
            return False
    return asked


def get(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False, timeout=10)


def test_who_may_reaches_the_application_under_the_name_that_the_guard_gave(pod: Pod) -> None:
    answer = get(f"{pod.url}/orders/42", {**ANN, "X-Guard-Principal": "arn:app:iam::0:user/root"})
    assert answer.status_code == 200
    assert answer.text.endswith(":user/ann")


def test_who_may_not_and_what_is_not_mapped_stay_out(pod: Pod) -> None:
    assert_problem(get(f"{pod.url}/orders/42"), 401, "authentication-required")
    assert_problem(get(f"{pod.url}/orders/42", BOB), 403, "access-denied", "orders:GetOrder")
    assert_problem(get(f"{pod.url}/admin", ANN), 403, "unmapped-route")


def test_health_is_not_served_to_callers(pod: Pod) -> None:
    assert get(f"{pod.status}/healthz").status_code == 200
    assert get(f"{pod.url}/healthz", ANN).status_code == 403


def test_a_changed_config_map_is_followed(pod: Pod) -> None:
    denying = {**pod.config, "groups.support.yaml": pod.config["groups.support.yaml"].replace("Allow", "Deny")}
    pod.mounted.put(denying)
    wait_for(lambda: get(f"{pod.url}/orders/42", ANN).status_code == 403)
    pod.mounted.put(pod.config)
    wait_for(lambda: get(f"{pod.url}/orders/42", ANN).status_code == 200)


def wait_for(wanted: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_files_of_the_config_map_pass_the_check(pod: Pod, tmp_path: Path) -> None:
    """As the page says: mistakes are found before they are applied."""
    from typer.testing import CliRunner

    from iam_guard.cli.main import app

    (tmp_path / "etc").mkdir()
    (volume,) = [one for one in (the("Deployment").pod or {})["volumes"] if "configMap" in one]
    Mounted(tmp_path / "etc", volume, pod.config)
    done = CliRunner().invoke(app, ["check", str(tmp_path / "etc" / "iam-guard.yaml")])
    assert done.exit_code == 0, done.output
