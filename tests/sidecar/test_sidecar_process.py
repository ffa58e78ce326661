"""``iam-guard sidecar`` as people run it: its doors, its health, its control plane, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from sidecar_process import (
    PATIENCE,
    READ,
    SETTINGS,
    Running,
    bearer,
    free_port,
    nginx_call,
    running,
    token,
    unix_client,
    wait_until,
    world,
)
from steady_load import outcomes_of_a_stop


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(world(tmp_path_factory.mktemp("sidecar"))) as found:
        yield found


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=PATIENCE) as found:
        yield found


def test_a_proxy_is_told_allow(sidecar: Running, client: httpx.Client) -> None:
    answer = client.get(f"{sidecar.url('forward')}/forward-auth/nginx", headers=nginx_call(**bearer("ann")))
    assert answer.status_code == 200
    assert answer.headers["x-guard-principal"] == "arn:app:iam::000000000000:user/ann"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("headers", "status"), [
    (nginx_call(), 401),
    (nginx_call(**bearer("bob")), 403),
    (nginx_call(target="/nowhere", **bearer("ann")), 403),
    (nginx_call(target="/documents/%2e%2e/1", **bearer("ann")), 403),
    (bearer("ann"), 403),
])
def test_a_proxy_is_told_no(sidecar: Running, client: httpx.Client, headers: dict[str, str], status: int) -> None:
    assert client.get(f"{sidecar.url('forward')}/forward-auth/nginx", headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/status", "/metrics", "/forward-auth",
                                  "/forward-auth/caddy", "/forward-auth/nginx/", "/health"])
def test_no_other_path_of_the_decision_listener_is_open(sidecar: Running, client: httpx.Client, path: str) -> None:
    answer = client.get(sidecar.url("forward") + path, headers=nginx_call(target="/health", **bearer("operator")))
    assert answer.status_code == 404
    assert answer.content == b""


def test_a_handshake_at_no_door_is_refused(sidecar: Running, client: httpx.Client) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert client.get(f"{sidecar.url('forward')}/nowhere", headers=upgrade).status_code == 404
    assert client.get(f"{sidecar.url('control')}/status", headers=upgrade).status_code == 401


def test_health_is_for_everybody_and_says_nothing(sidecar: Running, client: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        answer = client.get(sidecar.url("control") + path, headers={"Host": "10.1.2.3:8182"})
        assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize(("method", "path"), [("GET", "/status"), ("GET", "/metrics"), ("POST", "/reload")])
class TestTheControlPlane:
    def test_nobody_without_credentials(self, sidecar: Running, client: httpx.Client, method: str, path: str) -> None:
        answer = client.request(method, sidecar.url("control") + path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")

    def test_nobody_whom_the_policies_do_not_let(self, sidecar: Running, client: httpx.Client, method: str,
                                                  path: str) -> None:
        assert client.request(method, sidecar.url("control") + path, headers=bearer("ann")).status_code == 403

    def test_who_may_look_may_not_reload(self, sidecar: Running, client: httpx.Client, method: str, path: str) -> None:
        answer = client.request(method, sidecar.url("control") + path, headers=bearer("looker"))
        assert answer.status_code == (403 if path == "/reload" else 200)

    def test_who_may_do_all_may(self, sidecar: Running, client: httpx.Client, method: str, path: str) -> None:
        assert client.request(method, sidecar.url("control") + path, headers=bearer("operator")).status_code == 200

    @pytest.mark.parametrize("headers", [
        {"Host": "evil.example"}, {"Host": "evil.example:8182"}, {"Host": "localhost.evil.example"},
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ])
    def test_no_page_of_another_site(self, sidecar: Running, client: httpx.Client, method: str, path: str,
                                     headers: dict[str, str]) -> None:
        answer = client.request(method, sidecar.url("control") + path, headers={**bearer("operator"), **headers})
        assert answer.status_code == 403

    def test_a_cookie_proves_nothing(self, sidecar: Running, client: httpx.Client, method: str, path: str) -> None:
        cookie = {"Cookie": f"token={token('operator')}; Authorization=Bearer {token('operator')}"}
        assert client.request(method, sidecar.url("control") + path, headers=cookie).status_code == 401


def test_a_reload_by_get_is_none(sidecar: Running, client: httpx.Client) -> None:
    assert client.get(f"{sidecar.url('control')}/reload", headers=bearer("operator")).status_code in (403, 404, 405)


def test_status_tells_how_things_stand(sidecar: Running, client: httpx.Client) -> None:
    status = client.get(f"{sidecar.url('control')}/status", headers=bearer("looker")).json()
    assert status["doors"] == ["forward"]
    assert (status["ready"], status["degraded"], status["error"]) == (True, False, "")
    assert status["revision"]


def test_metrics_count_by_door(sidecar: Running, client: httpx.Client) -> None:
    def allowed() -> float:
        text = client.get(f"{sidecar.url('control')}/metrics", headers=bearer("looker")).text
        line = next(line for line in text.splitlines() if line.startswith("iam_guard_decisions_total")
                    and 'decision="allow"' in line and 'front_door="forward"' in line)
        return float(line.rpartition(" ")[2])

    before = allowed()
    client.get(f"{sidecar.url('forward')}/forward-auth/nginx", headers=nginx_call(**bearer("ann")))
    assert allowed() == before + 1


def test_a_reload_serves_what_is_written_now_and_keeps_the_good_when_it_is_not(tmp_path: Path) -> None:
    slow = SETTINGS.replace("policies: iam", "policies: {folder: iam, poll_seconds: 3600}")
    with running(world(tmp_path, slow)) as found, httpx.Client(timeout=PATIENCE) as client:
        door, control = f"{found.url('forward')}/forward-auth/nginx", found.url("control")
        assert client.get(door, headers=nginx_call(**bearer("bob"))).status_code == 403
        (tmp_path / "iam/users/bob.json").write_text(READ)
        status = client.post(f"{control}/reload", headers=bearer("operator")).json()
        assert status["degraded"] is False
        assert client.get(door, headers=nginx_call(**bearer("bob"))).status_code == 200
        (tmp_path / "iam/users/bob.json").write_text('{"Version": ')
        status = client.post(f"{control}/reload", headers=bearer("operator")).json()
        assert status["degraded"] is True
        assert status["error"]
        assert client.get(door, headers=nginx_call(**bearer("bob"))).status_code == 200
        assert client.get(f"{control}/readyz").status_code == 200


def test_without_policies_every_door_is_closed_and_it_is_not_ready(tmp_path: Path) -> None:
    settings = world(tmp_path)
    (tmp_path / "iam/users/ann.json").write_text('{"Version": ')
    with running(settings) as found, httpx.Client(timeout=PATIENCE) as client:
        for target in ("/documents/1", "/nowhere"):
            answer = client.get(f"{found.url('forward')}/forward-auth/nginx",
                                headers=nginx_call(target=target, **bearer("ann")))
            assert answer.status_code in (403, 503)
        answer = client.get(f"{found.url('control')}/readyz")
        assert (answer.status_code, answer.json()) == (503, {"missing": ["policies"]})
        assert client.get(f"{found.url('control')}/healthz").status_code == 200
        assert client.get(f"{found.url('control')}/status", headers=bearer("operator")).status_code == 503


def test_an_issuer_that_was_never_reached_leaves_it_unready(tmp_path: Path) -> None:
    issuer = f"""\
  - {{issuer: "https://gone.example", audience: orders, algorithms: [RS256], allow_http: true,
      jwks_url: "http://127.0.0.1:{free_port()}/keys", claims: {{account: "111111111111"}}}}
"""
    with running(world(tmp_path, SETTINGS.replace("edge:", f"{issuer}edge:"))) as found, httpx.Client() as client:
        answer = client.get(f"{found.url('control')}/readyz")
        assert (answer.status_code, answer.json()) == (503, {"missing": ["keys"]})


def test_a_revocation_list_that_is_stale_leaves_it_unready_as_it_leaves_everybody_out(tmp_path: Path) -> None:
    listed = "revocations: {file: revoked.json, poll_seconds: 0.05, max_unsynced: 0.5}\nedge:"
    settings = world(tmp_path, SETTINGS.replace("edge:", listed))
    revoked = tmp_path / "revoked.json"
    revoked.write_text("{}")
    with running(settings) as found, httpx.Client(timeout=PATIENCE) as client:
        def readiness() -> tuple[int, object]:
            answer = client.get(f"{found.url('control')}/readyz")
            return answer.status_code, answer.json()

        def asked() -> int:
            return client.get(f"{found.url('forward')}/forward-auth/nginx",
                              headers=nginx_call(**bearer("ann"))).status_code

        assert (readiness(), asked()) == ((200, {}), 200)
        revoked.unlink()
        wait_until(lambda: readiness() == (503, {"missing": ["revocations"]}), "it is not ready")
        assert asked() == 503
        revoked.write_text("{}")
        wait_until(lambda: readiness() == (200, {}), "it is ready again")
        assert asked() == 200


def test_a_revocation_list_that_was_never_read_keeps_it_from_starting(tmp_path: Path) -> None:
    settings = world(tmp_path, SETTINGS.replace("edge:", "revocations: revoked.json\nedge:"))
    with pytest.raises(AssertionError, match="the revocations cannot be read"), running(settings):
        pass


def test_unix_sockets_need_no_addresses_of_proxies(tmp_path: Path) -> None:
    door, control = tmp_path / "decide.sock", tmp_path / "control.sock"
    settings = SETTINGS.replace("edge: {trusted_proxies: [127.0.0.1]}\n", "").replace(
        "listen: 127.0.0.1:0", f"listen: unix:{door}").replace('"localhost:0"', f'"unix:{control}"')
    with running(world(tmp_path, settings)) as found:
        assert found.addresses == {"forward": f"unix:{door}", "control": f"unix:{control}"}
        with unix_client(door) as client:
            answer = client.get("/forward-auth/nginx", headers=nginx_call(**bearer("ann")))
            assert answer.status_code == 200
        with unix_client(control) as client:
            assert client.get("/status", headers=bearer("operator")).status_code == 200
            assert client.get("/status").status_code == 401
        assert door.stat().st_mode & 0o007 == 0
        assert found.end() == 0
    assert not door.exists()
    assert not control.exists()


def test_a_socket_file_that_a_dead_process_left_is_replaced_and_a_served_one_is_not(tmp_path: Path) -> None:
    door = tmp_path / "decide.sock"
    settings = world(tmp_path, SETTINGS.replace("listen: 127.0.0.1:0", f"listen: unix:{door}"))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(door))
    with running(settings), pytest.raises(AssertionError, match="another process listens there"), running(settings):
        pass


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = world(tmp_path, SETTINGS.replace("listen: 127.0.0.1:0", f"listen: {address}"))
        with pytest.raises(AssertionError, match=f"'{address}'"), running(settings):
            pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well(tmp_path: Path, number: int) -> None:
    with running(world(tmp_path)) as found:
        assert found.end(number) == 0
        assert "Traceback" not in found.text


def test_sighup_reads_the_policies_again(tmp_path: Path) -> None:
    slow = SETTINGS.replace("policies: iam", "policies: {folder: iam, poll_seconds: 3600}")
    with running(world(tmp_path, slow)) as found, httpx.Client(timeout=PATIENCE) as client:
        def loaded() -> int:
            status = client.get(f"{found.url('control')}/status", headers=bearer("operator")).json()
            return int(status["loaded"])

        before = loaded()
        (tmp_path / "iam/users/bob.json").write_text(READ)
        found.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while loaded() == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert found.process.poll() is None


def test_a_stop_under_load_drops_no_call(tmp_path: Path) -> None:
    """Every call that was sent gets its answer whole; connections that come later are refused."""
    codes: list[int] = []
    with running(world(tmp_path)) as found:
        outcomes = outcomes_of_a_stop(lambda: codes.append(found.end()), f"{found.url('forward')}/forward-auth/nginx",
                                      nginx_call(**bearer("ann")), count=4, least=40)
    assert codes == [0]
    # A connection that waited to be accepted when the listener closed is reset by the kernel: nothing was asked on it.
    assert set(outcomes) <= {200, "ReadError"}
    assert outcomes.count(200) >= 40


def test_settings_in_the_environment_reach_the_process(tmp_path: Path) -> None:
    with running(world(tmp_path), IAM_GUARD__SIDECAR__FORWARD='[{proxy: caddy, path: "/ask"}]') as found, \
            httpx.Client(timeout=PATIENCE) as client:
        told = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/documents/1", "X-Forwarded-Proto": "http",
                "X-Forwarded-Host": "orders.example", "X-Forwarded-For": "192.0.2.1", **bearer("ann")}
        assert client.get(f"{found.url('forward')}/ask", headers=told).status_code == 200
        assert client.get(f"{found.url('forward')}/forward-auth/nginx", headers=nginx_call()).status_code == 404


def test_nothing_of_a_token_is_said(tmp_path: Path) -> None:
    with running(world(tmp_path)) as found, httpx.Client(timeout=PATIENCE) as client:
        secret = token("ann")
        client.get(f"{found.url('forward')}/forward-auth/nginx?access_token={secret}",
                   headers={"Authorization": f"Bearer {secret}"})
        found.end()
        assert secret[:20] not in found.text
        assert json.dumps(found.said)


ENVOY = SETTINGS.replace("  control:", "  ext_authz_http: {listen: 'unix:http.sock'}\n"
                                       "  ext_authz_grpc: {listen: 'GRPC'}\n  control:")


@pytest.mark.parametrize("grpc_at", ["unix:grpc.sock", "127.0.0.1:{port}"])
def test_both_doors_for_envoy_have_listeners_of_their_own(tmp_path: Path, grpc_at: str) -> None:
    settings = world(tmp_path, ENVOY.replace("GRPC", grpc_at.format(port=free_port())))
    with running(settings, doors=4) as found:
        with unix_client(tmp_path / "http.sock") as client:
            answer = client.get("/documents/1", headers=bearer("ann"))
            assert (answer.status_code, answer.headers["x-guard-account"]) == (200, "000000000000")
            assert client.get("/documents/1").status_code == 401
            assert client.get("/readyz", headers=bearer("operator")).status_code == 403
        target = found.addresses["ext_authz_grpc"]
        assert target.startswith("unix:") == grpc_at.startswith("unix:")
        with grpc.insecure_channel(target) as channel:
            check = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
            # An empty CheckRequest says nothing of a request: status.code (field 1, then 1) is PERMISSION_DENIED, 7.
            assert check(b"", timeout=PATIENCE)[2:4] == b"\x08\x07"
        assert found.end() == 0
    assert not (tmp_path / "http.sock").exists()


AUTHZEN = SETTINGS.replace("  control:", "  authzen: {base: 'https://pdp.example'}\n  control:")
EVALUATION = {"subject": {"type": "user", "id": "ann"}, "action": {"name": "Read"},
              "resource": {"type": "docs", "id": "1"}}


def test_programs_ask_beside_proxies_on_the_listener_that_doors_share(tmp_path: Path) -> None:
    settings = world(tmp_path, AUTHZEN)
    with running(settings, doors=3) as found, httpx.Client(timeout=PATIENCE) as client:
        assert found.addresses["authzen"] == found.addresses["forward"] != found.addresses["control"]
        url = f"{found.url('authzen')}/access/v1/evaluation"
        assert client.post(url, json=EVALUATION).status_code == 401
        assert client.post(url, json=EVALUATION, headers=bearer("ann")).status_code == 403
        answer = client.post(url, json=EVALUATION, headers=bearer("operator"))
        assert answer.status_code == 200
        assert answer.json()["decision"] is True
        assert client.get(f"{found.url('authzen')}/.well-known/authzen-configuration").status_code == 200
        assert client.get(f"{found.url('forward')}/forward-auth/nginx",
                          headers=nginx_call(**bearer("ann"))).status_code == 200
