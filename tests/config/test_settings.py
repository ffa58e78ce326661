"""The settings file: what it may say, and what is said about what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iam_guard.config import Settings, load_settings
from iam_guard.config.schema import LogSettings, PolicySettings, RouteSettings
from iam_guard.errors import ConfigurationError

MINIMAL = """\
policies: iam
routes: routes.yaml
issuers:
  - issuer: https://idp.example
    audience: orders
    algorithms: [HS256]
    secret: {env: IAM_GUARD_TEST_SECRET}
"""
SECRET = "0123456789abcdef0123456789abcdef"
READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}'
ROUTES = """\
version: 1
routes:
  GET /health: public
  GET /documents/{id}: {action: docs:Read, resource: "document/{id}"}
"""


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IAM_GUARD_TEST_SECRET", SECRET)


def write(folder: Path, settings: str, **files: str) -> Path:
    (folder / "iam/everyone").mkdir(parents=True, exist_ok=True)
    (folder / "iam/everyone/read.json").write_text(READ)
    (folder / "routes.yaml").write_text(ROUTES)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    path = folder / "iam-guard.yaml"
    path.write_text(settings)
    return path


def faults_of(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(path).build()
    return [str(fault).replace(f"{path.parent}/", "") for fault in refused.value.faults]


def test_the_shortest_settings_have_defaults(tmp_path: Path) -> None:
    values = load_settings(write(tmp_path, MINIMAL)).values
    assert (values.policies, values.routes, values.realm) == ("iam", "routes.yaml", "api")
    assert values.edge.trusted_proxies == ()
    assert values.log == LogSettings(logger="iam_guard.decisions")
    assert values.strict
    assert [values.development, values.allow_anonymous, values.docs_public] == [False] * 3


FULL = """\
policies: {folder: iam, poll_seconds: 1, max_unsynced: 60}
routes:
  file: routes.yaml
issuers:
  - preset: keycloak
    audience: orders
    options: {base_url: "https://sso.example", realm: main}
realm: orders
resources: {partition: aws, region: eu-central-1, account: 111122223333}
edge:
  trusted_proxies: [10.0.0.0/8]
  allowed_hosts: [orders.example]
  identity_headers: [X-User]
  max_target_bytes: 4096
context: {headers: [X-Team], query: [status]}
log: {logger: "", jsonl: decisions.jsonl, only_denied: true}
denials: {unmapped_status: 404}
cors: {origins: ["https://ui.example"]}
streams: {recheck_seconds: 2.5}
strict: false
"""


def test_every_section_is_read_and_wired(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, FULL))
    values = settings.values
    assert values.policies == PolicySettings("iam", 1.0, 60.0)
    assert values.routes == RouteSettings("routes.yaml")
    assert values.edge.max_target_bytes == 4096
    assert values.context.headers == ("X-Team",)
    assert (values.denials.unmapped_status, values.streams.recheck_seconds) == (404, 2.5)
    assert values.cors is not None
    assert values.cors.origins == ("https://ui.example",)
    wiring = settings.build()
    assert wiring.refresher.snapshot is not None
    assert (wiring.refresher.snapshot.partition, wiring.refresher.snapshot.account) == ("aws", "111122223333")
    assert wiring.routes.names.expand("docs:document/1", "docs:Read") == \
        "arn:aws:docs:eu-central-1:111122223333:document/1"


TYPOS = [
    pytest.param("", "polices: iam", "8:1: /polices: 'polices' is not a setting here; did you mean 'policies'?",
                 id="key"),
    pytest.param("", "trusted_proxies: []", "8:1: /trusted_proxies: 'trusted_proxies' is not a setting here; "
                 "it belongs under 'edge'", id="misplaced"),
    pytest.param("", "edge: {trusted-proxies: []}", "8:8: /edge/trusted-proxies: 'trusted-proxies' is not a setting "
                 "here; did you mean 'trusted_proxies'?", id="hyphen"),
    pytest.param("", "edge: {max_target_bytes: '4096'}", "8:26: /edge/max_target_bytes: expected a whole number, "
                 "not '4096'", id="quoted number"),
    pytest.param("", "edge: {path_mode: lax}", "8:19: /edge/path_mode: 'lax' is not one of strict, normalize; "
                 "write one of normalize, strict", id="word"),
    pytest.param("", "edge: {trusted_proxies: [10.0.0.1, proxy]}", "8:7: /edge: 'proxy' is not an address or a "
                 "network; write it like '10.9.0.0/16'", id="edge's own check"),
    pytest.param("", "strict: yes", "8:9: /strict: expected true or false, not 'yes'", id="yes"),
    pytest.param("", "strict: true\nstrict: false", "9:1: /strict: 'strict' is given twice; keep one of the two",
                 id="twice"),
    pytest.param("", "streams: {recheck_seconds: 0}", "8:28: /streams/recheck_seconds: '0' does not fit: expected "
                 "a number > 0.0", id="range"),
    pytest.param("policies: iam\n", "policies: [iam]", "7:11: /policies: expected text or an object of keys and "
                 "values, not a list", id="shape"),
    pytest.param("policies: iam\n", "", "1:1: 'policies' is missing; add 'policies: FOLDER' or 'store: URL'",
                 id="missing"),
    pytest.param("    audience: orders\n", "", "4:5: /issuers/0: 'audience' is missing; add 'audience: ...'",
                 id="issuer without audience"),
    pytest.param("HS256", "", "6:17: /issuers/0/algorithms: no algorithm is allowed; name those the issuer signs "
                 "with: ", id="no algorithm"),
    pytest.param("    audience: orders\n", "    audiences: orders", "7:5: /issuers/0/audiences: 'audiences' is not a "
                 "setting here; did you mean 'audience'?", id="key of an issuer"),
]


@pytest.mark.parametrize(("without", "with_", "fault"), TYPOS)
def test_a_mistake_has_its_place_and_a_mend(tmp_path: Path, without: str, with_: str, fault: str) -> None:
    found = faults_of(write(tmp_path, MINIMAL.replace(without, "") + with_))
    assert any(one.startswith(f"iam-guard.yaml:{fault}") for one in found), found


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = faults_of(write(tmp_path, MINIMAL.replace("routes:", "route:") + "edge: 5\nlog: {json: x}\n"))
    assert [fault.split(": ")[0] for fault in found] == [
        "iam-guard.yaml:2:1", "iam-guard.yaml:1:1", "iam-guard.yaml:8:7", "iam-guard.yaml:9:7"]


def test_parts_are_checked_together_too(tmp_path: Path) -> None:
    text = MINIMAL.replace("routes.yaml", "gone.yaml").replace("IAM_GUARD_TEST_SECRET", "IAM_GUARD_NO_SECRET")
    assert faults_of(write(tmp_path, text + "log: {jsonl: gone/decisions.jsonl}")) == [
        "iam-guard.yaml:2:9: /routes: there is no file 'gone.yaml'; correct the path",
        "iam-guard.yaml:7:19: /issuers/0/secret/env: the environment variable 'IAM_GUARD_NO_SECRET' is empty or not "
        "there; set it before the start",
        "iam-guard.yaml:8:14: /log/jsonl: 'gone/decisions.jsonl' cannot be written; "
        "create its folder, and let this process write there"]


def test_a_fault_of_the_route_map_stands_in_the_route_map(tmp_path: Path) -> None:
    (fault,) = faults_of(write(tmp_path, MINIMAL, routes__yaml=ROUTES.replace("docs:Read,", "Read,")))
    assert fault.startswith("routes.yaml:4:")


# Secrets are named, not held, and never repeated.

def test_a_secret_in_the_settings_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (fault,) = faults_of(write(tmp_path, MINIMAL.replace("{env: IAM_GUARD_TEST_SECRET}", SECRET)))
    assert fault == ("iam-guard.yaml:7:13: /issuers/0/secret: a secret stands in the settings; "
                     "write '{env: NAME}' or '{file: PATH}', and change the secret")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_be_in_a_file(tmp_path: Path, ending: str) -> None:
    (tmp_path / "secret").write_bytes((SECRET + ending).encode())
    load_settings(write(tmp_path, MINIMAL.replace("env: IAM_GUARD_TEST_SECRET", "file: secret"))).build()


SECRETS = [("{}", "7:13: /issuers/0/secret: a secret is in one place; write either 'env' or 'file'"),
           ("{env: A, file: b}", "7:13: /issuers/0/secret: a secret is in one place; write either 'env' or 'file'"),
           ("{evn: A}", "7:14: /issuers/0/secret/evn: 'evn' is not a setting here; did you mean 'env'?"),
           ("{file: gone}", "7:20: /issuers/0/secret/file: the file 'gone' is empty or not there; "
            "set it before the start")]


@pytest.mark.parametrize(("reference", "fault"), SECRETS)
def test_a_reference_to_a_secret_is_checked(tmp_path: Path, reference: str, fault: str) -> None:
    text = MINIMAL.replace("{env: IAM_GUARD_TEST_SECRET}", reference)
    assert faults_of(write(tmp_path, text)) == [f"iam-guard.yaml:{fault}"]


def test_environment_variables_are_not_filled_in_anywhere_else(tmp_path: Path) -> None:
    text = MINIMAL.replace("policies: iam", "policies: ${HOME}")
    assert load_settings(write(tmp_path, text)).values.policies == "${HOME}"


# Issuers.

ISSUERS = [
    ("preset: keycloack\n    audience: orders", "4:13: /issuers/0/preset: there is no preset 'keycloack'; "
     "did you mean 'keycloak'?"),
    ("preset: keycloak\n    audience: orders", "4:5: /issuers/0/options: 'keycloak' needs 'base_url'; "
     "add it to 'options'"),
    ("issuer: https://idp.example\n    audience: orders\n    algorithms: [RS256]\n    jwks_url: http://idp.example/keys",
     "7:15: /issuers/0/jwks_url: keys are not fetched from 'http://idp.example/keys'; use an https URL"),
]


@pytest.mark.parametrize(("issuer", "fault"), ISSUERS)
def test_an_unsound_issuer_stops_the_start(tmp_path: Path, issuer: str, fault: str) -> None:
    text = MINIMAL.partition("issuers:")[0] + f"issuers:\n  - {issuer}\n"
    assert faults_of(write(tmp_path, text)) == [f"iam-guard.yaml:{fault}"]


def test_two_issuers_must_not_meet(tmp_path: Path) -> None:
    text = MINIMAL + MINIMAL.partition("issuers:\n")[2]
    assert faults_of(write(tmp_path, text)) == [
        "iam-guard.yaml:4:3: /issuers: issuer 'https://idp.example' is configured twice; join both into one"]


# Where settings come from.

def test_g18_1_no_settings_no_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the settings cannot be read: No such file"):
        load_settings(tmp_path / "iam-guard.yaml")
    (tmp_path / "iam-guard.yaml").write_text("{}")
    assert faults_of(tmp_path / "iam-guard.yaml") == [
        f"iam-guard.yaml:1:1: '{name}' is missing; add '{name}: ...'" for name in ("routes", "issuers")]


@pytest.mark.parametrize(("text", "fault"), [
    ("policies: [", "not valid YAML"), ("policies: iam\n\xff", "the text is not UTF-8"),
    (" " * 262_145, "longer than 262144 bytes")])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "s.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=fault):
        load_settings(tmp_path / "s.yaml")


def test_settings_may_be_made_in_code(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    values: dict[str, Any] = {
        "policies": "iam", "routes": "routes.yaml", "strict": False, "issuers": [
            {"issuer": "https://idp.example", "audience": "orders", "algorithms": ["HS256"],
             "secret": {"env": "IAM_GUARD_TEST_SECRET"}}]}
    assert Settings.from_mapping(values, folder=tmp_path).build().refresher.is_ready
    with pytest.raises(ConfigurationError, match=r"^/rotes: 'rotes' is not a setting here; did you mean 'routes'\?"):
        Settings.from_mapping({**values, "rotes": "x"})


# Policies, from the settings' point of view.

def test_c07_3_a_mistake_in_the_policies_does_not_stop_the_start_and_serves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    (tmp_path / "iam/everyone/read.json").write_text(READ[:-1])
    refresher = load_settings(path).build().refresher
    assert not refresher.is_ready
    assert "everyone/read.json:1:99" in refresher.status().error


def test_g18_2_a_policy_that_lets_everybody_do_everything_is_for_development(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    (tmp_path / "iam/everyone/all.json").write_text(READ.replace("docs:Read", "*"))
    refresher = load_settings(path).build().refresher
    assert not refresher.is_ready
    assert refresher.status().error.endswith(
        "everyone/all.json:1: /Statement/0: everybody may do everything; "
        "name actions, or set 'development: true' in the settings")
    path.write_text(MINIMAL + "development: true")
    assert load_settings(path).build().refresher.is_ready


def test_names_follow_the_folder_when_the_settings_are_silent(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    (tmp_path / "iam/folder.yaml").write_text("partition: aws\naccount: '111122223333'")
    names = load_settings(path).build().routes.names
    assert (names.partition, names.account) == ("aws", "111122223333")


def test_a_route_map_that_disagrees_about_names_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL, routes__yaml=ROUTES + "resources: {partition: aws}\n")
    assert faults_of(path) == ["routes.yaml: /resources: 'resources' of the route map are not those of the guard; "
                               "write them in the settings of the guard alone"]


def test_settings_may_be_json(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    path = tmp_path / "iam-guard.json"
    path.write_text('{"policies": "iam",\n "routes": "routes.yaml",\n "issuers": [],\n "strikt": true}')
    assert faults_of(path) == ["iam-guard.json:4:2: /strikt: 'strikt' is not a setting here; did you mean 'strict'?"]
    path.write_text('{"policies": "iam",\n "routes": "routes.yaml",\n "issuers": []}')
    assert faults_of(path) == ["iam-guard.json:3:13: /issuers: there is no issuer; configure at least one"]
