"""A sidecar of several processes: they share sockets, answer for each other, and are replaced when they die."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from sidecar_process import (
    PATIENCE,
    READ,
    ROOT,
    SECRET,
    SETTINGS,
    Control,
    Running,
    bearer,
    nginx_call,
    rewrite,
    running,
    unix_client,
    wait_until,
    world,
)
from steady_load import Load, outcomes_of_a_stop

COUNT = 2
DOORS = """\
  workers: 2
  authzen:
    base: https://pdp.example
    page_size: 1
    known: {docs: {"1": {}, "2": {}, "3": {}}}
    actions: {docs: [Read]}
  ext_authz_grpc: {listen: "unix:grpc.sock"}
  ext_authz_http: {listen: "unix:http.sock"}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def sidecar(folder: Path) -> Iterator[Running]:
    text = SETTINGS.replace("  control:", f"{DOORS}  control:")
    slow = text.replace("policies: iam", "policies: {folder: iam, poll_seconds: 3600}")
    with running(world(folder, slow), 5) as found:
        yield found
        assert found.end() == 0, found.text
        assert "Traceback" not in found.text
    assert not (folder / "grpc.sock").exists()
    assert not (folder / "http.sock").exists()


@pytest.fixture
def control(sidecar: Running) -> Iterator[Control]:
    with httpx.Client(timeout=PATIENCE) as client:
        yield Control(sidecar, client)


def workers(sidecar: Running) -> list[int]:
    """The processes of the workers."""
    process = Path(f"/proc/{sidecar.process.pid}")
    found = []
    for child in (process / "task" / process.name / "children").read_text().split():
        try:
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                found.append(int(child))
        except OSError:  # it has just ended
            continue
    return found


def asked(sidecar: Running) -> int:
    """One call of a client that was not there before, so that any worker may take it."""
    with httpx.Client(timeout=PATIENCE) as client:
        return client.get(f"{sidecar.url('forward')}/forward-auth/nginx",
                          headers=nginx_call(**bearer("ann"))).status_code


def test_it_says_how_many_answer_and_where(sidecar: Running, folder: Path) -> None:
    assert f"{COUNT} workers answer\n" in sidecar.text
    assert sidecar.text.count("listening at") == 5
    assert sidecar.addresses["ext_authz_grpc"] == f"unix:{folder / 'grpc.sock'}"
    assert len(workers(sidecar)) == COUNT


def test_the_control_plane_answers_for_all(sidecar: Running, control: Control) -> None:
    status = control.status()
    assert [one["worker"] for one in status["workers"]] == [0, 1]
    assert (status["ready"], status["silent"]) == (True, 0)
    assert {one["revision"] for one in status["workers"]} == {status["revision"]}
    assert control.readiness() == (200, {})


def test_metrics_are_those_of_all(sidecar: Running, control: Control) -> None:
    before = control.allowed()
    for number in range(1, 9):
        assert asked(sidecar) == 200
        assert control.allowed() == before + number


def test_a_reload_reaches_every_worker(sidecar: Running, control: Control, folder: Path) -> None:
    before = control.status()["revision"]
    (folder / "iam/users/bob.json").write_text(READ)
    status = control.reload()
    assert status["revision"] not in ("", before)
    assert {one["revision"] for one in status["workers"]} == {status["revision"]}


def test_unix_sockets_are_shared(sidecar: Running, folder: Path) -> None:
    for _ in range(4):
        with unix_client(folder / "http.sock") as client:
            assert client.get("/documents/1", headers=bearer("ann")).status_code == 200
        with grpc.insecure_channel(sidecar.addresses["ext_authz_grpc"],
                                   options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            check = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
            # An empty CheckRequest says nothing of a request: status.code is PERMISSION_DENIED, 7.
            assert check(b"", timeout=PATIENCE)[2:4] == b"\x08\x07"


def test_a_search_goes_on_in_any_worker(sidecar: Running) -> None:
    question: dict[str, Any] = {"subject": {"type": "user", "id": "ann"}, "action": {"name": "Read"},
                                "resource": {"type": "docs"}}
    headers, url = bearer("operator"), f"{sidecar.url('authzen')}/access/v1/search/resource"
    for _ in range(4):
        found, token = [], ""
        while True:
            page = {"page": {"token": token}} if token else {}
            with httpx.Client(timeout=PATIENCE) as client:
                answer = client.post(url, json={**question, **page}, headers=headers)
            assert answer.status_code == 200, answer.text
            found += [one["id"] for one in answer.json()["results"]]
            token = answer.json().get("page", {}).get("next_token", "")
            if not token:
                break
        assert sorted(found) == ["1", "2", "3"]


def test_a_worker_that_dies_is_replaced_and_the_others_serve_on(sidecar: Running, control: Control) -> None:
    before = workers(sidecar)
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: before[0] not in workers(sidecar) and len(workers(sidecar)) == COUNT, "it is replaced")
    wait_until(lambda: len(control.status()["workers"]) == COUNT, "both tell how they stand")
    with Load(f"{sidecar.url('forward')}/forward-auth/nginx", nginx_call(**bearer("ann"))) as load:
        wait_until(lambda: load.good > 50, "calls are answered")
    assert load.bad == []


def test_who_replaces_another_begins_with_the_good_settings(sidecar: Running, control: Control, folder: Path) -> None:
    """A file that was refused is not what a new worker reads."""
    settings = folder / "iam-guard.yaml"
    text, failed = settings.read_text(), control.failed()
    rewrite(settings, text.replace("proxy: traefik", "proxy: trafik"))
    wait_until(lambda: control.failed() > failed, "the settings are refused")
    before = workers(sidecar)
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: before[0] not in workers(sidecar) and len(workers(sidecar)) == COUNT, "it is replaced")
    wait_until(lambda: len(control.status()["workers"]) == COUNT, "both serve")
    rewrite(settings, text)
    wait_until(lambda: not control.status()["settings"]["error"], "good settings are taken up")


def test_a_worker_that_does_not_answer_makes_it_unready(sidecar: Running, control: Control) -> None:
    stopped = workers(sidecar)[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        wait_until(lambda: asked_for_readiness(sidecar) == (503, {"missing": ["workers"]}), "it is not ready")
    finally:
        os.kill(stopped, signal.SIGCONT)
    wait_until(lambda: control.readiness() == (200, {}), "it is ready again")


def asked_for_readiness(sidecar: Running) -> tuple[int, Any]:
    """Asked in a new connection, which the worker that stands still may not take."""
    try:
        with httpx.Client(timeout=5) as client:
            answer = client.get(f"{sidecar.url('control')}/readyz")
            return answer.status_code, answer.json()
    except httpx.TimeoutException:
        return 0, {}


def test_a_stop_under_load_drops_no_call_and_leaves_nobody_behind(tmp_path: Path) -> None:
    with running(world(tmp_path), 2, "--workers", "2") as found:
        children, codes = workers(found), []
        outcomes = outcomes_of_a_stop(lambda: codes.append(found.end()), f"{found.url('forward')}/forward-auth/nginx",
                                      nginx_call(**bearer("ann")), count=3, least=30)
        assert codes == [0], found.text
    # A connection that waited to be accepted when the listener closed is reset by the kernel: nothing was asked on it.
    assert set(outcomes) <= {200, "ReadError"}
    assert outcomes.count(200) >= 30
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    with running(world(tmp_path), 2, "--workers", "2") as found:
        children = workers(found)
        found.process.kill()
        found.process.wait(PATIENCE)
        wait_until(lambda: not [child for child in children if Path(f"/proc/{child}").exists()], "they have ended")


def test_a_worker_that_does_not_start_ends_it(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-m", "iam_guard", "sidecar", "--config", str(world(tmp_path)),
                                "--workers", "2"], cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               env={**os.environ, "IAM_GUARD_TEST_SECRET": SECRET})
    found = Running(process)
    try:
        wait_until(lambda: workers(found), "the first worker begins")
        os.kill(workers(found)[0], signal.SIGKILL)
        assert process.wait(PATIENCE) == 1
    finally:
        found.close()
    assert "a worker ended before all had started" in found.text
    assert "Traceback" not in found.text


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = world(tmp_path, SETTINGS.replace("listen: 127.0.0.1:0", f"listen: {address}"))
        with pytest.raises(AssertionError, match=f"/sidecar/listen: cannot listen at '{address}'"), \
                running(settings, 2, "--workers", "2"):
            pass
