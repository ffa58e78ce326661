"""What is wrong with listeners of the sidecar, told before one is opened: TLS, processes, what they must remember."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from authority import Authority
from cryptography import x509

from iam_guard.config import load_settings
from iam_guard.config.sidecar import Around, make_sidecar
from iam_guard.errors import ConfigurationError, Fault

AUTHORITY = Authority()
TLS = "{cert_file: server.pem, key_file: server.key}"
BASE = """\
policies: iam
routes: routes.yaml
issuers:
  - {issuer: https://idp.example, audience: orders, algorithms: [HS256], secret: {env: IAM_GUARD_TEST_SECRET}}
edge: {trusted_proxies: [10.0.0.1]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IAM_GUARD_TEST_SECRET", "0123456789abcdef0123456789abcdef")
    (tmp_path / "iam").mkdir()
    (tmp_path / "routes.yaml").write_text("version: 1\nroutes:\n  GET /health: public\n")
    AUTHORITY.issue(tmp_path, "server", x509.IPAddress(ip_address("127.0.0.1")))
    return tmp_path


def refused(folder: Path, text: str, workers: int = 0) -> tuple[Fault, ...]:
    settings = folder / "iam-guard.yaml"
    settings.write_text(BASE + text)
    with pytest.raises(ConfigurationError) as caught:
        make_sidecar(load_settings(settings), Around(workers=workers))
    assert all((fault.file, fault.line > 0) == (str(settings), True) for fault in caught.value.faults)
    return caught.value.faults


def test_each_listener_may_have_tls_of_its_own(folder: Path) -> None:
    settings = folder / "iam-guard.yaml"
    settings.write_text(BASE + f"""\
sidecar:
  tls: {TLS}
  forward: {{doors: [{{proxy: nginx}}], listen: "127.0.0.1:8190", tls: {TLS}}}
  authzen: {{base: "https://pdp.example", listen: "127.0.0.1:8191"}}
  ext_authz_http: {{tls: {TLS}}}
  ext_authz_grpc: {{tls: {TLS}}}
  control: {{tls: {TLS}}}
""")
    made = make_sidecar(load_settings(settings))
    secure = {door.name: made.listeners[door.address].tls is not None for door in made.doors}
    assert secure == {"forward": True, "authzen": False, "ext_authz_http": True, "ext_authz_grpc": True,
                      "control": True}
    assert {folder / "server.pem", folder / "server.key", settings, folder / "routes.yaml"} == set(made.files)


@pytest.mark.parametrize(("text", "pointer", "told"), [
    (f"sidecar: {{forward: {{doors: [{{proxy: nginx}}], tls: {TLS}}}}}\n", "/sidecar/forward/tls",
     "'forward' has no listener of its own"),
    (f"sidecar: {{authzen: {{base: 'https://pdp.example', tls: {TLS}}}}}\n", "/sidecar/authzen/tls",
     "'authzen' has no listener of its own"),
    (f"sidecar: {{forward: [{{proxy: nginx}}], authzen: {{base: 'https://pdp.example', listen: '127.0.0.1:8181', "
     f"tls: {TLS}}}}}\n", "/sidecar", "share '127.0.0.1:8181' and not their 'tls'"),
    ("sidecar: {forward: [{proxy: nginx}], tls: {cert_file: none.pem, key_file: server.key}}\n",
     "/sidecar/tls/cert_file", "none.pem"),
    ("sidecar: {forward: [{proxy: nginx}], control: {tls: {cert_file: server.pem, key_file: none.key}}}\n",
     "/sidecar/control/tls/key_file", "none.key"),
    ("sidecar: {forward: [{proxy: nginx}], tls: {cert_file: server.pem, key_file: server.key, client_required: true}}"
     "\n", "/sidecar/tls/client_required", "no authority vouches"),
    ("sidecar: {forward: [{proxy: nginx}], tls: {cert_file: server.pem, key_file: server.key, minimum: '1.1'}}\n",
     "/sidecar/tls/minimum", "1.1"),
    ("sidecar: {forward: [{proxy: nginx}], workers: 0}\n", "/sidecar/workers", "expected a whole number >= 1"),
    ("sidecar: {forward: [{proxy: nginx}]}\ncredentials: {dpop: {}}\n", "/credentials",
     "a sidecar has to remember in a file"),
])
def test_what_is_wrong_is_told_with_its_place(folder: Path, text: str, pointer: str, told: str) -> None:
    (fault,) = refused(folder, text)
    assert fault.pointer == pointer
    assert told in f"{fault.message}; {fault.mend}"


@pytest.mark.parametrize(("said", "workers"), [("workers: 2, ", 0), ("", 2)])
def test_nonces_of_several_processes_are_made_with_one_secret(folder: Path, said: str, workers: int) -> None:
    text = f"sidecar: {{{said}forward: [{{proxy: nginx}}]}}\n" \
           "credentials: {replay_file: used.db, dpop: {nonce_seconds: 60}}\n"
    (fault,) = refused(folder, text, workers)
    assert (fault.pointer, "nonce_secret" in fault.mend) == ("/credentials/dpop", True)
