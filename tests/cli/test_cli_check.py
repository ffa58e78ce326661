"""``iam-guard check``: all faults of all files, with places and mends, whatever the files are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_cases import ROOT

GOOD = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "a:*", "Resource": "*"}}'
TYPO = """\
{
  "Version": "2012-10-17",
  "Statement": {
    "Effect": "Allow",
    "Acton": "a:*",
    "Resource": "bucket"
  }
}
"""
TRUST = ('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, '
         '"Action": "sts:AssumeRole"}}')
DEMO = ROOT / "iam_guard" / "cli" / "demo"
SETTINGS = """\
policies: iam/
routes: routes.yaml
issuers:
  - {issuer: "https://idp.example", audience: orders, algorithms: [RS256], discovery: true}
"""


def faults(run: Any, *arguments: Any) -> list[dict[str, Any]]:
    result = run("check", *arguments, "--format", "json")
    found: list[dict[str, Any]] = json.loads(result.stdout)["faults"]
    assert result.exit_code == (1 if found else 0)
    return found


def test_every_fault_is_told_with_its_place_and_a_mend(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "typo.json"
    file.write_text(TYPO)
    found = {(fault["line"], fault["pointer"]): fault for fault in faults(run, file)}
    assert found[5, "/Statement/Acton"]["mend"] == "did you mean 'Action'?"
    assert (6, "/Statement/Resource") in found
    assert {fault["file"] for fault in found.values()} == {str(file)}


def test_a_fault_is_a_line(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "typo.json"
    file.write_text(TYPO)
    result = run("check", file)
    assert all(line.startswith(f"{file}:") for line in result.stdout.splitlines())
    assert "1 file or folder checked: 3 faults" in result.stderr


def test_what_is_right_is_silent(run: Any, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(GOOD)
    result = run("check", tmp_path / "good.json", DEMO / "policies", DEMO / "routes.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "3 files and folders checked: nothing is wrong" in result.stderr


def test_the_kind_decides_what_a_policy_may_say(run: Any, tmp_path: Path) -> None:
    (tmp_path / "trust.json").write_text(TRUST)
    assert faults(run, "--kind", "trust", tmp_path / "trust.json") == []
    assert faults(run, tmp_path / "trust.json") != []
    assert "--kind trust" in run("check", tmp_path / "trust.json").stderr


def test_import_mode_notes_what_strict_mode_refuses(run: Any, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(GOOD.replace("2012-10-17", "2008-10-17"))
    assert faults(run, tmp_path / "old.json") != []
    result = run("check", "--mode", "import", tmp_path / "old.json")
    assert result.exit_code == 0
    assert result.stdout.startswith("note: ")


def test_a_folder_of_documents_is_read_file_by_file(run: Any, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(GOOD)
    (tmp_path / "two.yaml").write_text("Version: '2012-10-17'\nStatement: {Effect: Allow}\n")
    assert {Path(fault["file"]).name for fault in faults(run, tmp_path)} == {"two.yaml"}


def test_a_policy_folder_is_read_as_one(run: Any, tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    (tmp_path / "users/ann.yaml").write_text("groups: [nobody]\n")
    (fault,) = faults(run, tmp_path)
    assert "there is no group 'nobody'" in fault["message"]
    assert fault["line"] == 1


def test_a_map_with_a_typo_is_refused_with_its_line(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text("version: 1\nroutes:\n  GET /a: {acton: a:B, resource: x}\n  GET /b: publc\n")
    assert {fault["line"] for fault in faults(run, file)} == {3, 4}
    assert faults(run, "--kind", "routes", file) == faults(run, file)


def test_settings_are_checked_with_all_they_name(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "iam-guard.yaml"
    file.write_text(SETTINGS)
    (tmp_path / "iam/everyone").mkdir(parents=True)
    (tmp_path / "iam/everyone/good.json").write_text(GOOD)
    (tmp_path / "routes.yaml").write_text("version: 1\nroutes: {GET /a: public}\n")
    assert faults(run, file) == []
    (tmp_path / "iam/everyone/good.json").write_text(TYPO)
    (tmp_path / "routes.yaml").write_text("version: 1\nroutes: {GET /a: publc}\n")
    file.write_text(SETTINGS.replace("RS256", "none"))
    assert {Path(fault["file"]).name for fault in faults(run, file)} == {"good.json", "routes.yaml", "iam-guard.yaml"}


def test_a_typo_in_the_settings_is_told(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "iam-guard.yaml"
    file.write_text(SETTINGS + "relm: orders\n")
    (fault,) = faults(run, file)
    assert (fault["line"], "realm" in fault["mend"]) == (5, True)


HOSTILE = {
    "10 MB": '{"Version": "2012-10-17", "Statement": [' + ", ".join([GOOD] * 100_000) + "]}",
    "nested 10,000 deep": "[" * 10_000 + "]" * 10_000,
    "nested 10,000 objects deep": '{"Statement":' * 10_000 + "1" + "}" * 10_000,
    "nothing": "",
    "no text": "\x00\x01\x02",
    "half a document": GOOD[:40],
    "a number": "1" * 100_000,
}


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
@pytest.mark.parametrize("mode", ["strict", "import"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_faults_and_nothing_worse(run: Any, tmp_path: Path, name: str, mode: str,
                                                    suffix: str) -> None:
    file = tmp_path / f"hostile{suffix}"
    file.write_text(HOSTILE[name])
    found = faults(run, "--mode", mode, file)
    assert found
    assert all(fault["file"] == str(file) and fault["message"] for fault in found)


def test_bytes_that_are_no_text_are_a_fault(run: Any, tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b'{"Version": "\xff"}')
    (fault,) = faults(run, tmp_path / "bytes.json")
    assert "UTF-8" in fault["message"]


def test_an_empty_folder_is_a_fault_and_a_missing_one_wrong_usage(run: Any, tmp_path: Path) -> None:
    assert faults(run, tmp_path) != []
    assert run("check", tmp_path / "nowhere").exit_code == 2


_ALL = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
_DOORS = """\
gateway: {upstreams: {orders: {servers: ["http://127.0.0.1:9"]}}}
edge: {trusted_proxies: [127.0.0.1]}
sidecar: {forward: [{proxy: nginx}]}
"""


@pytest.mark.parametrize("command", [["check"], ["gateway", "--check", "--config"],
                                     ["gateway", "--engine", "envoy", "--check", "--config"],
                                     ["sidecar", "--check", "--config"]], ids=" ".join)
def test_policies_that_no_start_would_serve_are_a_fault(run: Any, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "iam" / "everyone").mkdir(parents=True)
    (tmp_path / "iam" / "everyone" / "all.json").write_text(_ALL)
    (tmp_path / "routes.yaml").write_text("version: 1\nroutes: {GET /health: public}\n")
    settings = tmp_path / "iam-guard.yaml"
    settings.write_text(SETTINGS + _DOORS)
    refused = run(*command, settings)
    assert refused.exit_code == 1
    assert "everyone/all.json:1: /Statement/0: everybody may do everything" in refused.stdout + refused.stderr
    settings.write_text(SETTINGS + _DOORS + "development: true\n")
    assert run(*command, settings).exit_code == 0
