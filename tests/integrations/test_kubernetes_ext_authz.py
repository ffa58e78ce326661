"""The guard that Envoys of a cluster ask, with its volume as a kubelet would mount it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

import grpc
import httpx
import pytest
from integration_runs import ANN, BOB, answers, free_port, give_keys, running
from manifests import Mounted, manifests

from iam_guard.sidecar.ext_authz.messages import CheckRequest, CheckResponse

CHECK = "/envoy.service.auth.v3.Authorization/Check"
#: How a kubelet calls a pod: by its address.
POD = {"host": "10.244.1.7:8182"}
OK, DENIED, UNAUTHENTICATED = 0, 7, 16


class Pod(NamedTuple):
    """The pod, running: where it is asked for decisions, and where it is looked after."""

    grpc: str
    control: str


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    objects = {one.kind: one for one in manifests() if one.file.stem == "ext-authz"}
    folder = tmp_path_factory.mktemp("pod")
    give_keys(folder)
    decisions, control = free_port(), free_port()
    config = dict(objects["ConfigMap"].data["data"])
    for written, here in (("0.0.0.0:8183", f"127.0.0.1:{decisions}"), ("0.0.0.0:8182", f"127.0.0.1:{control}"),
                          ("10.244.0.0/16", "127.0.0.0/8"), ("discovery: true", f"jwks_file: {folder / 'jwks.json'}")):
        assert written in config["iam-guard.yaml"]
        config["iam-guard.yaml"] = config["iam-guard.yaml"].replace(written, here)
    (folder / "etc").mkdir()
    (volume,) = [one for one in (objects["Deployment"].pod or {})["volumes"] if "configMap" in one]
    Mounted(folder / "etc", volume, config)
    (guard,) = objects["Deployment"].containers
    words = [word.replace("/etc/iam-guard", str(folder / "etc")) for word in guard["args"]]
    url = f"http://127.0.0.1:{control}"
    with running([sys.executable, "-m", "iam_guard", *words], folder, answers(url + "/healthz")):
        yield Pod(f"127.0.0.1:{decisions}", url)


def code(pod: Pod, path: str, headers: dict[str, str]) -> int:
    """What Envoy is told about a request."""
    asked = CheckRequest()
    http = asked.attributes.request.http
    http.method, http.path, http.host = b"GET", path.encode(), b"orders"
    http.scheme, http.protocol = b"http", b"HTTP/1.1"
    for name, value in headers.items():
        http.headers.add(key=name.encode(), value=value.encode())
    asked.attributes.source.address.socket_address.address = "10.244.7.7"
    with grpc.insecure_channel(pod.grpc) as channel:
        said = channel.unary_unary(CHECK)(asked.SerializeToString(), timeout=30)
    answer = CheckResponse.FromString(said)
    assert answer.HasField("status")
    return int(answer.status.code)


def test_a_kubelet_finds_it_alive_and_ready(pod: Pod) -> None:
    for path in ("/healthz", "/readyz"):
        assert httpx.get(pod.control + path, headers=POD, trust_env=False).status_code == 200


def test_nobody_else_is_told_anything_by_that_address(pod: Pod) -> None:
    for path in ("/metrics", "/status"):
        assert httpx.get(pod.control + path, headers={**POD, **ANN}, trust_env=False).status_code == 403


@pytest.mark.parametrize(("path", "headers", "expected"), [
    ("/orders/42", ANN, OK), ("/orders/42", BOB, DENIED), ("/admin", ANN, DENIED), ("/orders/42", {}, UNAUTHENTICATED)])
def test_envoys_are_told_who_may(pod: Pod, path: str, headers: dict[str, str], expected: int) -> None:
    assert code(pod, path, headers) == expected
