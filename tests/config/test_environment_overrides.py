"""Variables stand above the settings file, as values of the settings' own types, or they stop the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from iam_guard.config import load_settings
from iam_guard.config.issuers import read_issuers
from iam_guard.config.routes import read_routes
from iam_guard.config.settings import Settings
from iam_guard.errors import ConfigurationError
from iam_guard.http.naming import ResourceNames

FILE = """\
policies: iam
routes: routes.yaml
issuers:
  - {issuer: https://idp.example, audience: orders, algorithms: [HS256], secret: {env: A_SECRET}}
realm: file
edge: {trusted_proxies: [10.0.0.0/8], max_target_bytes: 4096}
"""


def load(folder: Path, **variables: str) -> Settings:
    path = folder / "iam-guard.yaml"
    path.write_text(FILE)
    return load_settings(path, {f"IAM_GUARD__{name}": value for name, value in variables.items()})


def test_each_kind_of_setting_is_read_as_what_it_is(tmp_path: Path) -> None:
    values = load(tmp_path, REALM="true", EDGE__MAX_TARGET_BYTES="2048", STRICT="false", EDGE__PATH_MODE="normalize",
                  EDGE__TRUSTED_PROXIES="[10.1.0.0/16, 10.2.0.0/16]", STREAMS__RECHECK_SECONDS="2.5").values
    assert (values.realm, values.strict) == ("true", False)
    assert (values.edge.max_target_bytes, values.edge.path_mode) == (2048, "normalize")
    assert values.edge.trusted_proxies == ("10.1.0.0/16", "10.2.0.0/16")
    assert values.streams.recheck_seconds == 2.5


def test_what_no_variable_names_stays_as_the_file_has_it(tmp_path: Path) -> None:
    values = load(tmp_path, EDGE__PATH_MODE="normalize").values
    assert values.realm == "file"
    assert values.edge.trusted_proxies == ("10.0.0.0/8",)


def test_one_word_or_a_section(tmp_path: Path) -> None:
    assert load(tmp_path, POLICIES="/etc/policies").values.policies == "/etc/policies"
    section = load(tmp_path, POLICIES="{folder: other, poll_seconds: 1}").values.policies
    assert not isinstance(section, str)
    assert (section.folder, section.poll_seconds) == ("other", 1.0)


def test_an_issuer_by_its_place_in_the_list(tmp_path: Path) -> None:
    issuer = load(tmp_path, ISSUERS__0__ISSUER="https://other.example", ISSUERS__0__LEEWAY="5").values.issuers[0]
    assert (issuer["issuer"], issuer["audience"]) == ("https://other.example", "orders")
    assert str(issuer["leeway"]) == "5"


def test_paths_still_start_from_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, ROUTES="other.yaml")
    with pytest.raises(ConfigurationError, match=r"^IAM_GUARD__ROUTES: /routes: there is no file '.*/other\.yaml'"):
        read_routes(settings.values.routes, settings.origin, ResourceNames())


@pytest.mark.parametrize(("name", "value", "told"), [
    ("EGDE__PATH_MODE", "strict", "IAM_GUARD__EGDE__PATH_MODE: 'egde' is not a setting here; did you mean 'edge'?"),
    ("EDGE__PATHMODE", "strict", "IAM_GUARD__EDGE__PATHMODE: /edge: 'pathmode' is not a setting here; "
                                 "did you mean 'path_mode'?"),
    ("", "strict", "IAM_GUARD__: '' is not a setting here; write one of "),
    ("REALM__NAME", "x", "IAM_GUARD__REALM__NAME: /realm: 'name' is not a setting here; "),
    ("POLICIES__FOLDER", "x", "IAM_GUARD__POLICIES__FOLDER: /policies: the file says it in one word, which has no "
                              "parts; write it as a section in the file"),
    ("ISSUERS__1__ISSUER", "x", "IAM_GUARD__ISSUERS__1__ISSUER: /issuers: there is no entry '1' in the file; "),
    ("EDGE__PATH_MODE", "lax", "IAM_GUARD__EDGE__PATH_MODE: /edge/path_mode: 'lax' is not one of strict, normalize; "),
    ("EDGE__MAX_TARGET_BYTES", "many", "IAM_GUARD__EDGE__MAX_TARGET_BYTES: /edge/max_target_bytes: expected a whole "
                                       "number, not 'many'"),
    ("EDGE", "{path_mode: [", "IAM_GUARD__EDGE: not valid YAML: "),
    ("STRICT", "no", "IAM_GUARD__STRICT: /strict: expected true or false, not 'no'"),
])
def test_a_variable_that_cannot_be_taken_stops_the_start(tmp_path: Path, name: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, **{name: value})
    assert str(refused.value).startswith(told)


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, EDGE__PATHMODE="strict", REALMS="x")
    assert [fault.file for fault in refused.value.faults] == ["IAM_GUARD__EDGE__PATHMODE", "IAM_GUARD__REALMS"]


def test_two_variables_for_one_setting(tmp_path: Path) -> None:
    path = tmp_path / "iam-guard.yaml"
    path.write_text(FILE)
    with pytest.raises(ConfigurationError, match="'IAM_GUARD__REALM' says it too"):
        load_settings(path, {"IAM_GUARD__REALM": "a", "IAM_GUARD__realm": "b"})


def test_other_variables_are_nobodys_business(tmp_path: Path) -> None:
    path = tmp_path / "iam-guard.yaml"
    path.write_text(FILE)
    assert load_settings(path, {"IAM_GUARD_REALM": "a", "REALM": "b", "iam_guard__realm": "c"}).values.realm == "file"


def test_the_environment_of_the_process_is_read_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IAM_GUARD__REALM", "process")
    path = tmp_path / "iam-guard.yaml"
    path.write_text(FILE)
    assert load_settings(path).values.realm == "process"


def test_a_secret_is_not_taken_from_a_variable_of_settings_but_by_reference(tmp_path: Path) -> None:
    plain = load(tmp_path, ISSUERS__0__SECRET="0123456789abcdef0123456789abcdef")
    with pytest.raises(ConfigurationError) as refused:
        read_issuers(plain.values.issuers, plain.origin)
    assert "0123456789abcdef" not in str(refused.value)
    assert str(refused.value).startswith("IAM_GUARD__ISSUERS__0__SECRET: /issuers/0/secret: a secret stands in")
