"""The sidecar takes up new settings: nothing is dropped, and what is wrong is not taken up."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from sidecar_process import (
    PATIENCE,
    READ,
    SETTINGS,
    Control,
    Running,
    bearer,
    free_port,
    nginx_call,
    rewrite,
    running,
    unix_client,
    wait_until,
    world,
)
from steady_load import Load

#: An empty CheckRequest says nothing of a request: status.code (field 1, then 1) is PERMISSION_DENIED, 7.
DENIED = b"\x08\x07"
CHECK = "/envoy.service.auth.v3.Authorization/Check"


@pytest.fixture(scope="module", params=["1", "2"])
def workers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def settings(workers: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    doors = "  authzen: {base: 'https://pdp.example'}\n  ext_authz_grpc: {listen: '127.0.0.1:GRPC'}\n"
    text = SETTINGS.replace("  control:", f"{doors}  control:").replace("GRPC", str(free_port()))
    return world(tmp_path_factory.mktemp(f"reload{workers}"), text)


@pytest.fixture(scope="module")
def sidecar(settings: Path, workers: str) -> Iterator[Running]:
    with running(settings, 4, "--workers", workers) as found:
        yield found
        assert found.end() == 0, found.text
        assert "Traceback" not in found.text


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=PATIENCE) as found:
        yield found


@pytest.fixture
def control(sidecar: Running, client: httpx.Client) -> Control:
    return Control(sidecar, client)


@pytest.fixture
def text(settings: Path, control: Control) -> Iterator[str]:
    """The settings, which are as before after the test."""
    before = settings.read_text()
    yield before
    if settings.read_text() != before:
        rewrite(settings, before)
    wait_until(lambda: not control.status()["settings"]["error"], "the settings are good")


def nginx(sidecar: Running) -> str:
    return f"{sidecar.url('forward')}/forward-auth/nginx"


def taken(control: Control, settings: Path, text: str) -> None:
    before = control.done()
    rewrite(settings, text)
    wait_until(lambda: control.done() > before, "new settings are taken up")


def test_new_settings_count_for_calls_that_begin_later(sidecar: Running, settings: Path, text: str, control: Control,
                                                       client: httpx.Client) -> None:
    taken(control, settings, text.replace("{proxy: traefik}", "{proxy: caddy}"))
    for _ in range(4):
        assert client.get(f"{sidecar.url('forward')}/forward-auth/traefik", headers=bearer("ann")).status_code == 404
        assert client.get(f"{sidecar.url('forward')}/forward-auth/caddy", headers=bearer("ann")).status_code == 403
        assert client.get(nginx(sidecar), headers=nginx_call(**bearer("ann"))).status_code == 200


def test_reloads_under_load_lose_no_call(sidecar: Running, settings: Path, text: str, control: Control) -> None:
    with Load(nginx(sidecar), nginx_call(**bearer("ann"))) as load:
        for turn in range(4):
            if turn % 2:
                before = control.done()
                sidecar.process.send_signal(signal.SIGHUP)
                wait_until(lambda: control.done() > before, "new settings are taken up")  # noqa: B023
            else:
                taken(control, settings, text + f"# {turn}\n")
            served = load.good
            wait_until(lambda: load.good > served + 20, "calls are answered")  # noqa: B023
    assert load.bad == []


def test_sighup_after_sighup_starves_nobody(sidecar: Running, control: Control) -> None:
    """New settings are taken up while more signals come."""
    before, sent = control.done(), 0
    while control.done() < before + 3:
        sidecar.process.send_signal(signal.SIGHUP)
        sent += 1
        assert sent < 2000


@pytest.mark.nightly
def test_a_reload_every_second_for_a_minute_loses_no_call(sidecar: Running, settings: Path, text: str,
                                                          control: Control) -> None:
    with Load(nginx(sidecar), nginx_call(**bearer("ann"))) as load:
        for turn in range(60):
            taken(control, settings, text + f"# {turn}\n")
            served = load.good
            wait_until(lambda: load.good > served + 20, "calls are answered")  # noqa: B023
    assert load.bad == []


def test_wrong_settings_are_told_with_their_place_and_not_taken_up(sidecar: Running, settings: Path, text: str,
                                                                   control: Control, client: httpx.Client) -> None:
    before = control.failed()
    rewrite(settings, text.replace("{proxy: traefik}", "{proxy: trafik}"))
    wait_until(lambda: control.failed() > before, "the settings are refused")
    line = 1 + text.splitlines().index("  forward: [{proxy: nginx}, {proxy: traefik}]")
    told = control.status()["settings"]["error"]
    assert told.startswith(f"{settings}:{line}:")
    assert "/sidecar/forward/1/proxy" in told
    assert "did you mean 'traefik'" in told
    assert told in sidecar.text
    assert control.readiness() == (200, {})
    assert client.get(nginx(sidecar), headers=nginx_call(**bearer("ann"))).status_code == 200


@pytest.mark.parametrize(("was", "now", "told"), [
    ("sidecar:\n", "sidecar:\n  workers: 7\n", "'workers' cannot change while the sidecar runs; start it anew"),
    ("routes: routes.yaml", "routes: none.yaml", "none.yaml"),
    ("policies: iam", "policies: nowhere", "nowhere"),
    ("listen: 127.0.0.1:0", "listen: 192.0.2.1:80", "cannot listen at '192.0.2.1:80'"),
    ("listen: 127.0.0.1:0", "listen: 127.0.0.1:0\n  tls: {cert_file: none.pem, key_file: none.key}", "none.pem"),
])
def test_what_cannot_be_taken_up_leaves_everything_as_it_was(sidecar: Running, settings: Path, text: str,
                                                             control: Control, client: httpx.Client, was: str,
                                                             now: str, told: str) -> None:
    before = control.failed()
    assert was in text
    rewrite(settings, text.replace(was, now, 1))
    wait_until(lambda: control.failed() > before, "the settings are refused")
    why = control.status()["settings"]["error"]
    assert told in why
    assert str(settings.parent) in why
    assert client.get(nginx(sidecar), headers=nginx_call(**bearer("ann"))).status_code == 200


def test_policies_that_are_broken_do_not_replace_good_ones(sidecar: Running, settings: Path, control: Control,
                                                           client: httpx.Client) -> None:
    ann, kept = settings.parent / "iam/users/ann.json", READ
    ann.write_text('{"Version": ')
    before = control.failed()
    sidecar.process.send_signal(signal.SIGHUP)
    wait_until(lambda: control.failed() > before, "the settings are refused")
    status = control.status()
    assert "no policies can be loaded" in status["settings"]["error"]
    assert (status["ready"], control.readiness()) == (True, (200, {}))
    assert client.get(nginx(sidecar), headers=nginx_call(**bearer("ann"))).status_code == 200
    ann.write_text(kept)
    before = control.done()
    sidecar.process.send_signal(signal.SIGHUP)
    wait_until(lambda: control.done() > before, "new settings are taken up")
    wait_until(lambda: not control.status()["degraded"], "the policies are good")


def test_a_sighup_reads_policies_even_where_the_settings_are_wrong(sidecar: Running, settings: Path, text: str,
                                                                   control: Control, client: httpx.Client) -> None:
    rewrite(settings, text + "nothing: like this\n")
    wait_until(lambda: control.status()["settings"]["error"], "the settings are refused")
    (settings.parent / "iam/users/eve.json").write_text(READ)
    sidecar.process.send_signal(signal.SIGHUP)
    wait_until(lambda: all(client.get(nginx(sidecar), headers=nginx_call(**bearer("eve"))).status_code == 200
                           for _ in range(4)), "the policies are read")


def test_addresses_come_and_go_and_those_that_stay_keep_their_sockets(sidecar: Running, settings: Path, text: str,
                                                                      control: Control) -> None:
    path, port = settings.parent / "more.sock", free_port()
    with socket.create_connection(("127.0.0.1", int(sidecar.addresses["forward"].rpartition(":")[2]))) as kept:
        kept.settimeout(PATIENCE)
        request = "".join(f"{name}: {value}\r\n" for name, value in nginx_call(**bearer("ann")).items())
        call = f"GET /forward-auth/nginx HTTP/1.1\r\nHost: sidecar\r\n{request}\r\n".encode()
        kept.sendall(call)
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")
        taken(control, settings, text.replace("  control:", f"  ext_authz_http: {{listen: 'unix:{path}'}}\n  control:"))
        with unix_client(path) as asking:
            assert asking.get("/documents/1", headers=bearer("ann")).status_code == 200
        taken(control, settings, text.replace("  control:", f"  ext_authz_http: {{listen: '127.0.0.1:{port}'}}\n"
                                                            "  control:"))
        assert not path.exists()
        assert httpx.get(f"http://127.0.0.1:{port}/documents/1", headers=bearer("ann")).status_code == 200
        taken(control, settings, text + "# as before\n")
        wait_until(lambda: refused(port), "the address is let go")
        kept.sendall(call)
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")


def refused(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE):
            return False
    except ConnectionRefusedError:
        return True


def test_a_call_under_way_ends_with_the_settings_that_it_began_with(sidecar: Running, settings: Path, text: str,
                                                                    control: Control) -> None:
    """Its body is half there when its door is taken away."""
    body = b'{"subject": {"type": "user", "id": "ann"}, "action": {"name": "Read"}, ' \
           b'"resource": {"type": "docs", "id": "1"}}'
    head = (f"POST /access/v1/evaluation HTTP/1.1\r\nHost: pdp.example\r\nContent-Type: application/json\r\n"
            f"Authorization: {bearer('operator')['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    address = ("127.0.0.1", int(sidecar.addresses["authzen"].rpartition(":")[2]))
    with socket.create_connection(address) as asking:
        asking.settimeout(PATIENCE)
        asking.sendall(head + body[:20])
        wait_until(lambda: control.allowed("authzen") >= 0, "the control plane answers")  # the head has arrived by then
        taken(control, settings, text.replace("  authzen: {base: 'https://pdp.example'}\n", ""))
        asking.sendall(body[20:])
        answer = b""
        while b'"decision"' not in answer:
            piece = asking.recv(65_536)
            assert piece, answer
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 ")
    with socket.create_connection(address) as asking:
        asking.settimeout(PATIENCE)
        asking.sendall(head + body)
        assert asking.recv(65_536).startswith(b"HTTP/1.1 404 ")


def test_the_door_of_grpc_keeps_its_connections(sidecar: Running, settings: Path, text: str, control: Control) -> None:
    with grpc.insecure_channel(sidecar.addresses["ext_authz_grpc"]) as channel:
        check = channel.unary_unary(CHECK)
        assert check(b"", timeout=PATIENCE)[2:4] == DENIED
        states: list[grpc.ChannelConnectivity] = []
        channel.subscribe(states.append)
        wait_until(lambda: states, "the state of the connection is told")
        taken(control, settings, text + "# again\n")
        for _ in range(4):
            assert check(b"", timeout=PATIENCE)[2:4] == DENIED
        assert set(states) == {grpc.ChannelConnectivity.READY}


def test_peers_that_are_named_no_more_are_sent_away(sidecar: Running, settings: Path, text: str,
                                                    control: Control) -> None:
    with grpc.insecure_channel(sidecar.addresses["ext_authz_grpc"]) as channel:
        check = channel.unary_unary(CHECK)
        assert check(b"", timeout=PATIENCE)[2:4] == DENIED
        taken(control, settings, text.replace("ext_authz_grpc: {", "ext_authz_grpc: {peers: ['192.0.2.1'], "))

        def is_refused() -> bool:
            try:
                check(b"", timeout=1)
            except grpc.RpcError:
                return True
            return False

        wait_until(is_refused, "the client is sent away")


def test_figures_do_not_go_back(sidecar: Running, settings: Path, text: str, control: Control,
                                client: httpx.Client) -> None:
    before = control.allowed()
    client.get(nginx(sidecar), headers=nginx_call(**bearer("ann")))
    assert control.allowed() == before + 1
    taken(control, settings, text + "# counted\n")
    client.get(nginx(sidecar), headers=nginx_call(**bearer("ann")))
    assert control.allowed() == before + 2
