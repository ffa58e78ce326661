"""What ``iam-guard check`` proves of doors: each fault with file, line, key and mend, and no door opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from iam_guard.cli.main import app
from iam_guard.config import load_settings
from iam_guard.config.sidecar import make_sidecar
from iam_guard.errors import ConfigurationError
from iam_guard.sts.key_file import SigningKeyFile

BASE = """\
policies: iam
routes: routes.yaml
issuers:
  - {issuer: https://idp.example, audience: orders, algorithms: [HS256], secret: {env: IAM_GUARD_TEST_SECRET}}
"""
TRUSTED = "edge: {trusted_proxies: [10.0.0.1]}\n"
GATEWAY = "gateway: {upstreams: {orders: {servers: ['http://127.0.0.1:9000']}}, listen: '127.0.0.1:8080'}\n"
TOKENS = "tokens: {issuer: https://sts.example, audience: docs, keys: keys.json}\n"
PROVIDER = TOKENS.replace("keys.json}", "keys.json, providers: [{issuer: {audience: a, issuer: https://idp.example, "
                          "algorithms: [HS256], secret: s3cr3t-text}}]}")
NOBODY = ("no proxy may ask here; list the addresses of your proxies in 'edge.trusted_proxies', or listen at "
          "'unix:PATH'")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IAM_GUARD_TEST_SECRET", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "iam/everyone").mkdir(parents=True)
    (tmp_path / "iam/everyone/read.json").write_text(
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}')
    (tmp_path / "routes.yaml").write_text("version: 1\nroutes:\n  GET /health: public\n")
    return tmp_path


def checked(folder: Path, text: str) -> list[str]:
    """The lines that ``iam-guard check`` prints of settings."""
    path = folder / "iam-guard.yaml"
    path.write_text(text)
    result = CliRunner().invoke(app, ["check", str(path)])
    lines = [line.replace(f"{folder}/", "") for line in result.stdout.splitlines()]
    assert result.exit_code == (1 if lines else 0), result.output
    return lines


@pytest.mark.parametrize("more", [
    "",
    TRUSTED + "sidecar: {forward: [{proxy: nginx}, {proxy: caddy}]}\n",
    TRUSTED + GATEWAY + "sidecar: {forward: [{proxy: nginx}], ext_authz_http: {}, ext_authz_grpc: {}, "
    "authzen: {base: 'https://pdp.example'}}\n",
    "sidecar: {listen: 'unix:decide.sock', forward: [{proxy: nginx}]}\n",
    "sidecar: {listen: 'unix:decide.sock', forward: [{proxy: nginx}], ext_authz_http: {listen: 'unix:e.sock'}}\n",
    TRUSTED + "sidecar: {forward: [{proxy: nginx}], authzen: {base: 'https://pdp.example', listen: '[::1]:8184'}}\n",
])
def test_sound_doors(folder: Path, more: str) -> None:
    assert checked(folder, BASE + more) == []


FAULTS = [
    pytest.param("sidecar: {forward: [{proxy: nginx}]}", "iam-guard.yaml:5:20: /sidecar/forward: " + NOBODY,
                 id="nobody is trusted"),
    pytest.param("sidecar: {}", "iam-guard.yaml:5:10: /sidecar: no door is named; add 'forward: [{proxy: nginx}]', or "
                 "another door", id="no door"),
    pytest.param("sidecar: {listen: localhost, forward: [{proxy: nginx}]}", "iam-guard.yaml:5:19: /sidecar/listen: "
                 "'localhost' is not an address to listen at; write it like '127.0.0.1:8181' or "
                 "'unix:/run/iam-guard/decide.sock'", id="no port"),
    pytest.param("sidecar: {listen: '127.0.0.1:65536', forward: [{proxy: nginx}]}", "iam-guard.yaml:5:19: "
                 "/sidecar/listen: '127.0.0.1:65536' is not an address to listen at; ", id="no such port"),
    pytest.param("sidecar: {listen: '', forward: [{proxy: nginx}]}", "iam-guard.yaml:5:19: /sidecar/listen: '?' is not",
                 id="nowhere"),
    pytest.param(TRUSTED + "sidecar: {listen: '127.0.0.1:8182', forward: [{proxy: nginx}]}", "iam-guard.yaml:6:10: "
                 "/sidecar: the door 'control' answers every path at '127.0.0.1:8182', where 'forward' is too; give "
                 "'control' a listener of its own", id="control shared"),
    pytest.param(TRUSTED + "sidecar: {listen: '0.0.0.0:8182', forward: [{proxy: nginx}]}", "iam-guard.yaml:6:10: "
                 "/sidecar: the doors 'forward' and 'control' listen at '0.0.0.0:8182' and '127.0.0.1:8182', which is "
                 "one port; give each a port of its own", id="one port"),
    pytest.param(TRUSTED + "sidecar: {ext_authz_grpc: {listen: '127.0.0.1:9000'}, ext_authz_http: {listen: "
                 "'127.0.0.1:9000'}}", "iam-guard.yaml:6:10: /sidecar: the door 'ext_authz_grpc' answers every path at "
                 "'127.0.0.1:9000', where 'ext_authz_http' is too", id="two doors that answer everything"),
    pytest.param(TRUSTED + "sidecar: {forward: [{proxy: nginx}, {proxy: caddy, path: /forward-auth/nginx}]}",
                 "iam-guard.yaml:6:58: /sidecar/forward/1/path: ", id="one path"),
    pytest.param(TRUSTED + "sidecar: {forward: [{proxy: nginx, path: /permissions}], authzen: {base: "
                 "'https://pdp.example'}}", "iam-guard.yaml:6:10: /sidecar: the doors 'forward' and 'authzen' both "
                 "answer '/permissions'; give one of them another path or a listener of its own", id="one path of two"),
    pytest.param("sidecar: {listen: 'unix:run/decide.sock', forward: [{proxy: nginx}]}", "iam-guard.yaml:5:19: "
                 "/sidecar/listen: there is no folder 'run' for the socket; make it, or name another", id="no folder"),
    pytest.param("edge: {path_mode: normalize, trusted_proxies: [10.0.0.1]}\nsidecar: {ext_authz_http: {}}",
                 "iam-guard.yaml:5:19: /edge/path_mode: ", id="another path than Envoy's"),
    pytest.param("edge: {path_mode: normalize, trusted_proxies: [10.0.0.1]}\nsidecar: {forward: [{proxy: caddy}]}",
                 "iam-guard.yaml:5:19: /edge/path_mode: ", id="another path than the proxy's"),
    pytest.param(TOKENS, "iam-guard.yaml:5:9: /tokens: "
                 "a folder of policies has no users and roles to give sessions to; move it into a directory, and write "
                 "'store: URL'", id="tokens without a directory"),
    pytest.param(TOKENS, "iam-guard.yaml:5:61: "
                 "/tokens/keys: there is no file 'keys.json'; make it with 'iam-guard token keys --keys keys.json "
                 "--new'", id="tokens without keys"),
    pytest.param(PROVIDER, "iam-guard.yaml:5:", id="a secret of a provider in the file"),
    pytest.param(TRUSTED + GATEWAY.replace("8080", "8181") + "sidecar: {forward: [{proxy: nginx}]}",
                 "iam-guard.yaml:6:78: /gateway/listen: '127.0.0.1:8181' is where a door of the sidecar listens too; "
                 "give one of them another port", id="gateway and sidecar"),
    pytest.param("gateway: {upstreams: {orders: {servers: ['https://127.0.0.1:9000'], ca_file: none.pem}}}",
                 "iam-guard.yaml:5:", id="a certificate that is not there"),
    pytest.param("gateway: {upstreams: {a: {servers: ['http://127.0.0.1:1']}}, "
                 "tls: {cert_file: c.pem, key_file: k.pem}}", "iam-guard.yaml:5:",
                 id="a listener's certificate that is not there"),
    pytest.param("gateway: {upstreams: {a: {servers: ['http://127.0.0.1:1']}}, routes: [{path: /x, upstream: a}, "
                 "{path: /x/, upstream: a}]}", "iam-guard.yaml:5:96: /gateway/routes/1: another rule stands for the "
                 "same host and path; remove one", id="rules in each other's way"),
]


@pytest.mark.parametrize(("more", "told"), FAULTS)
def test_unsound_doors(folder: Path, more: str, told: str) -> None:
    assert [line for line in checked(folder, BASE + more + "\n") if line.startswith(told)], checked(folder, BASE + more)


def test_everything_is_told_at_once(folder: Path) -> None:
    wrong = BASE.replace("routes.yaml", "none.yaml")
    lines = checked(folder, wrong + "sidecar: {forward: [{proxy: nginx}]}\n" + TOKENS)
    places = [line.split(": ")[1] for line in lines]
    assert places == ["/routes", "/sidecar/forward", "/tokens", "/tokens/keys"]


def test_keys_that_others_may_read_are_refused(folder: Path) -> None:
    SigningKeyFile(folder / "keys.json").make(0)
    (folder / "keys.json").chmod(0o644)
    lines = checked(folder, BASE.replace("policies: iam", "store: 'sqlite:///iam.db'")
                    + TOKENS)
    assert [line for line in lines if "/tokens/keys: the signing keys" in line]


def test_a_message_repeats_no_secret(folder: Path) -> None:
    lines = checked(folder, BASE + PROVIDER)
    assert [line for line in lines if "/tokens/providers/0/issuer/secret: a secret stands in the settings" in line]
    assert "s3cr3t" not in "".join(lines)


def test_what_the_check_refuses_does_not_start(folder: Path) -> None:
    path = folder / "iam-guard.yaml"
    path.write_text(BASE + "sidecar: {forward: [{proxy: nginx}]}\n")
    with pytest.raises(ConfigurationError, match="no proxy may ask here"):
        make_sidecar(load_settings(path))


def test_a_door_whose_library_is_missing_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from iam_guard.config import doors

    def find_spec(name: str) -> Any:
        return None if name in ("google", "httptools") else True

    monkeypatch.setattr(doors, "find_spec", find_spec)
    lines = checked(folder, BASE + TRUSTED + GATEWAY + "sidecar: {ext_authz_grpc: {}}\n")
    assert [line.partition("; ")[2] for line in lines] == ["pip install 'iam-guard[grpc]'",
                                                           "pip install 'iam-guard[gateway]'"]
