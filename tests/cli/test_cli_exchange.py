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


def test_a_file_that_is_no_export(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    file.write_text("{}")
    assert run("directory", "import", file, "--store", f"sqlite:///{tmp_path}/iam.db").exit_code == 1
