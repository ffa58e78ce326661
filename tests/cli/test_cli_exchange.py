"""Directories in and out from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ANN = {"UserName": "ann", "UserId": "AIDAANN", "Arn": "arn:aws:iam::123456789012:user/ann", "Path": "/",
       "AttachedManagedPolicies": [{"PolicyName": "Gone", "PolicyArn": "arn:aws:iam::aws:policy/Gone"}]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "account.json"
    path.write_text(json.dumps({"UserDetailList": [ANN]}))
    return path


def test_import_export_and_copy(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    url, other = f"sqlite:///{tmp_path}/iam.db", f"sqlite:///{tmp_path}/other.db"
    shown = run("directory", "import", file, "--store", url, "--dry-run", "--output", "json")
    assert shown.exit_code == 0, shown.stderr
    changes = json.loads(shown.stdout)["Changes"]
    assert [one["Kind"] for one in changes if one["Change"] == "add"] == ["settings", "account", "user"]
    assert "unresolved_policy: arn:aws:iam::aws:policy/Gone:" in shown.stderr
    assert json.loads(run("directory", "export", "--store", url).stdout)["UserDetailList"] == []
    assert run("directory", "import", file, "--store", url).exit_code == 0
    assert run("directory", "copy", url, other).exit_code == 0
    assert json.loads(run("directory", "export", "--store", other).stdout)["UserDetailList"][0]["UserId"] == "AIDAANN"
    assert "nothing differs" in run("directory", "copy", url, other, "--dry-run").stdout


def test_a_folder_and_back(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    url, other = f"sqlite:///{tmp_path}/iam.db", f"sqlite:///{tmp_path}/other.db"
    run("directory", "import", file, "--store", url)
    assert run("directory", "export", "--format", "folder", "--to", tmp_path / "f", "--store", url).exit_code == 0
    assert run("directory", "import", tmp_path / "f", "--format", "folder", "--store", other).exit_code == 0
    assert "nothing differs" in run("directory", "copy", url, other, "--dry-run").stdout


def test_an_account_with_its_files(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    url, other, folder = f"sqlite:///{tmp_path}/iam.db", f"sqlite:///{tmp_path}/other.db", tmp_path / "aws"
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
    (tmp_path / "scps.json").write_text(json.dumps({"NoS3": deny}))
    shown = run("directory", "import", file, "--store", url)
    assert shown.exit_code == 0, shown.stderr
    assert "scps.json" in shown.stderr
    assert run("directory", "export", "--store", url, "--output", folder).exit_code == 0
    assert sorted(one.name for one in folder.iterdir()) == ["account.json", "scps.json"]
    assert json.loads((folder / "scps.json").read_text()) == [{"NoS3": deny}]
    assert run("directory", "import", folder / "account.json", "--store", other).exit_code == 0
    assert "nothing differs" in run("directory", "copy", url, other, "--exact", "--dry-run").stdout
    told = run("directory", "export", "--store", url).stderr
    assert "control-policy (1)" in told
    alone = run("directory", "import", file, "--alone", "--store", f"sqlite:///{tmp_path}/third.db")
    assert "scps.json" not in alone.stderr
    assert "control-policy" not in alone.stdout


def test_files_of_another_account_do_not_stay_behind(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    url, folder = f"sqlite:///{tmp_path}/iam.db", tmp_path / "aws"
    folder.mkdir()
    (folder / "rcps.json").write_text("{}")
    run("directory", "import", file, "--store", url)
    assert run("directory", "export", "--store", url, "--output", folder).exit_code == 0
    assert [one.name for one in folder.iterdir()] == ["account.json"]


def test_pages_accounts_and_policies(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    url, page, policies = f"sqlite:///{tmp_path}/iam.db", tmp_path / "page2.json", tmp_path / "policies.json"
    ben = {"UserName": "ben", "UserId": "AIDABEN", "Arn": "arn:aws:iam::999999999999:user/ben", "Comet": 1}
    page.write_text(json.dumps({"UserDetailList": [ben]}))
    text = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    policies.write_text(json.dumps({"arn:aws:iam::aws:policy/Gone": text}))
    refused = run("directory", "import", file, page, "--store", url)
    assert refused.exit_code == 1
    assert "'123456789012', '999999999999'" in refused.stderr
    shown = run("directory", "import", file, page, "--account", "123456789012", "--account", "999999999999",
                "--policies", policies, "--store", url, "--output", "json")
    assert shown.exit_code == 0, shown.stderr
    assert "unresolved_policy" not in shown.stderr
    assert [one["Code"] for one in json.loads(shown.stdout)["Remarks"]] == ["unknown_member"]
    written = json.loads(run("directory", "export", "--store", url, "--documents", "encoded").stdout)
    assert [one["UserName"] for one in written["UserDetailList"]] == ["ann", "ben"]
    assert written["Policies"][0]["PolicyVersionList"][0]["Document"].startswith("%7B%22Version%22%3A")


def test_where_there_is_nothing_nothing_is_copied(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/iam.db"
    run("directory", "import", file, "--store", url)
    refused = run("directory", "copy", f"sqlite:///{tmp_path}/mistyped.db", url, "--exact")
    assert refused.exit_code == 1
    assert "there is nothing in it" in refused.stderr
    assert json.loads(run("directory", "export", "--store", url).stdout)["UserDetailList"]


@pytest.mark.parametrize("arguments", [
    ("export", "--format", "folder"), ("import", "FILE", "--format", "folder"),
    ("import", "FILE", "FILE", "--format", "folder"), ("import", "DIR"), ("import", "DIR/missing.json"),
    ("import", "DIR", "--format", "folder", "--account", "1")])
def test_command_lines_that_mean_nothing(run: Callable[..., Any], file: Path, tmp_path: Path,
                                         arguments: tuple[str, ...]) -> None:
    given = [one.replace("FILE", str(file)).replace("DIR", str(tmp_path)) for one in arguments]
    assert run("directory", *given, "--store", f"sqlite:///{tmp_path}/iam.db").exit_code == 2


@pytest.mark.parametrize("command", ["import", "export", "copy"])
def test_help_has_examples(run: Callable[..., Any], command: str) -> None:
    shown = run("directory", command, "--help")
    assert shown.exit_code == 0
    assert f"iam-guard directory {command} " in shown.stdout


def test_a_file_that_is_no_export(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    file.write_text("{}")
    assert run("directory", "import", file, "--store", f"sqlite:///{tmp_path}/iam.db").exit_code == 1
