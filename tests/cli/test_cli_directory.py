"""A directory from the command line: every operation, and the questions about access."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from iam_guard.audit.log import DecisionRecord
from iam_guard.cli.operations import command_name
from iam_guard.cli.values import parameters_of
from iam_guard.directory.hiding import KEY_VARIABLE, new_key
from iam_guard.directory.operations import OPERATIONS

ANN = "arn:app:iam::000000000000:user/ann"
READ = "arn:app:iam::000000000000:policy/Read"
DOC = "arn:app:docs::000000000000:document/1"
POLICY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "docs:Get*", "Resource": "*"},
    {"Effect": "Allow", "Action": "docs:Put*", "Resource": "*",
     "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}

Do = Callable[..., Any]


@pytest.fixture(params=["sqlite", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/iam.db" if request.param == "sqlite" else f"file:{tmp_path}/iam"


@pytest.fixture
def do(run: Do, store: str, monkeypatch: pytest.MonkeyPatch) -> Do:
    """Call a command on the store of the test; its JSON."""
    monkeypatch.setenv("IAM_GUARD_STORE", store)
    monkeypatch.setenv(KEY_VARIABLE, new_key())

    def call(*arguments: str) -> Any:
        result = run("directory", *arguments, "--format", "json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return call


@pytest.fixture
def ann(do: Do, tmp_path: Path) -> None:
    """Ann, who may read, and write from the office."""
    (tmp_path / "policy.json").write_text(json.dumps(POLICY))
    do("create-user", "--user-name", "ann", "--tags", "Key=team,Value=red", "--tags", '{"Key": "x", "Value": "1=2"}')
    do("create-policy", "--policy-name", "Read", "--policy-document", f"file://{tmp_path}/policy.json")
    do("attach-user-policy", "--user-name", "ann", "--policy-arn", READ)


def test_every_operation_is_a_command_with_iams_names(run: Do) -> None:
    shown = run("directory", "--help").stdout
    for name in OPERATIONS:
        assert command_name(name) in shown
    assert command_name("CreateLoginProfile") == "create-login-profile"
    for name, operation in OPERATIONS.items():
        help_text = run("directory", command_name(name), "--help").stdout
        assert all(one.option.partition("/")[0] in help_text for one in parameters_of(operation)), name
        assert "iam-guard directory" in help_text


@pytest.mark.usefixtures("ann")
def test_what_is_made_is_there(do: Do) -> None:
    user = do("get-user", "--user-name", "ann")["User"]
    assert (user["Arn"], user["Tags"]) == (ANN, [{"Key": "team", "Value": "red"}, {"Key": "x", "Value": "1=2"}])
    assert do("list-attached-user-policies", "--user-name", "ann")["AttachedPolicies"] == [
        {"PolicyName": "Read", "PolicyArn": READ}]


def test_all_pages(do: Do) -> None:
    for number in range(5):
        do("create-user", "--user-name", f"user{number}")
    first = do("list-users", "--max-items", "2")
    assert (len(first["Users"]), first["IsTruncated"]) == (2, True)
    whole = do("list-users", "--max-items", "2", "--all")
    assert ([one["UserName"] for one in whole["Users"]], whole["IsTruncated"]) == (
        [f"user{number}" for number in range(5)], False)


@pytest.mark.usefixtures("ann")
def test_what_is_refused_says_so_in_iams_words(run: Do) -> None:
    for arguments, message in (
        (["get-user", "--user-name", "nobody"], "NoSuchEntity: The user with name nobody cannot be found."),
        (["create-user", "--user-name", "ANN"], "EntityAlreadyExists: User with name ANN already exists."),
        (["create-user", "--user-name", "a b"], "InvalidInput: "),
        (["list-users", "--max-items", "0"], "InvalidInput: "),
        (["create-policy", "--policy-name", "p", "--policy-document", "{}"], "MalformedPolicyDocument: "),
        (["delete-user", "--user-name", "ann"], "DeleteConflict: "),
    ):
        result = run("directory", *arguments)
        assert (result.exit_code, message in result.stderr) == (1, True), result.stderr


@pytest.mark.usefixtures("ann")
def test_the_directory_decides_what_somebody_else_may(run: Do) -> None:
    result = run("directory", "create-user", "--user-name", "eve", "--as", ANN)
    assert result.exit_code == 1
    assert f"User: {ANN} is not authorized to perform: iam:CreateUser" in result.stderr
    for name in ("nonsense:x", "ann"):
        result = run("directory", "list-users", "--as", name)
        assert result.exit_code == 2
        assert "arn:app:iam::000000000000:user/" in " ".join(result.output.split())


@pytest.mark.usefixtures("ann")
def test_a_change_of_something_changed_since_is_refused(do: Do, run: Do) -> None:
    do("tag-user", "--user-name", "ann", "--tags", "Key=team,Value=blue")
    result = run("directory", "tag-user", "--user-name", "ann", "--tags", "Key=team,Value=red", "--if-revision", "1")
    assert "ConcurrentModification" in result.stderr
    assert do("list-user-tags", "--user-name", "ann")["Tags"][0]["Value"] == "blue"


@pytest.mark.usefixtures("ann")
def test_who_can(do: Do, run: Do) -> None:
    found = {one["Principal"]: one for one in do("who-can", "docs:PutDocument", DOC)}
    assert (found[ANN]["Access"], found[ANN]["DependsOn"], found[ANN]["Policy"]) == ("depends", ["aws:sourceip"], READ)
    found = {one["Principal"]: one for one in do("who-can", "docs:PutDocument", DOC, "--key", "aws:SourceIp=10.0.0.1")}
    assert found[ANN]["Access"] == "allowed"
    assert ANN not in {one["Principal"] for one in do("who-can", "docs:PutDocument", DOC, "--absent", "aws:SourceIp")}
    assert run("directory", "who-can", "docs:PutDocument", DOC, "--key", "nonsense").exit_code == 2
    assert "user/ann" in run("directory", "who-can", "docs:PutDocument", DOC).stdout


@pytest.mark.usefixtures("ann")
def test_what_can_and_through_what(do: Do, run: Do) -> None:
    assert [(one["Action"], one["Access"]) for one in do("what-can", ANN)] == [
        ("docs:Get*", "allowed"), ("docs:Put*", "depends")]
    assert do("effective-policies", ANN) == [{"Kind": "identity", "Policy": READ, "Path": [ANN]}]
    for command in ("what-can", "effective-policies"):
        assert READ in run("directory", command, ANN).stdout
        assert run("directory", command, "arn:app:iam::000000000000:group/x").exit_code == 2


@pytest.mark.usefixtures("ann")
def test_unused(do: Do, run: Do, tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    log.write_bytes(b"")
    assert do("unused", "--log", str(log)) == [
        {"Principal": ANN, "LastUsed": None, "UnusedPolicies": [READ], "Holds": 1}]
    assert "never" in run("directory", "unused", "--log", log).stdout
    record = DecisionRecord("1", datetime.now(UTC), "allowed", principal=ANN, policy_id=READ)
    log.write_bytes(record.to_json() + b"\n")
    assert do("unused", "--log", str(log)) == []
    log.write_bytes(b"nonsense\n")
    result = run("directory", "unused", "--log", log)
    assert (result.exit_code, f"{log}:1" in result.stderr) == (1, True)


@pytest.mark.usefixtures("ann")
def test_history_tells_who_did_what_and_hides_secrets(do: Do, run: Do) -> None:
    secret = do("create-access-key", "--user-name", "ann")["AccessKey"]["SecretAccessKey"]
    do("create-login-profile", "--user-name", "ann", "--password", "Correct-horse-7")
    result = run("directory", "history", "--format", "json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["Operation"] for one in lines] == [
        "CreateUser", "CreatePolicy", "AttachUserPolicy", "CreateAccessKey", "CreateLoginProfile"]
    assert {one["Who"] for one in lines} == {"arn:app:iam::000000000000:root"}
    assert lines[2]["Entries"][0]["Before"]["name"] == "ann"
    assert lines[2]["Entries"][0]["After"]["policies"] == [READ]
    assert secret not in result.stdout
    assert "argon2" not in result.stdout
    assert "AttachUserPolicy" in run("directory", "history", "--since", "2").stdout
    assert "CreatePolicy" not in run("directory", "history", "--since", "2").stdout


@pytest.mark.usefixtures("ann")
def test_a_database_forgets_its_history(do: Do, run: Do, store: str) -> None:
    do("create-group", "--group-name", "staff")
    newest = json.loads(run("directory", "history", "--format", "json").stdout.splitlines()[-1])["Revision"]
    if store.startswith("file:"):
        result = run("directory", "forget-history", "--before", "1")
        assert (result.exit_code, "only a database" in result.stderr) == (1, True)
        return
    result = run("directory", "forget-history", "--before", str(newest + 1))
    assert (result.exit_code, f"--before {newest}" in result.stderr) == (1, True)
    assert run("directory", "forget-history", "--before", str(newest)).exit_code == 0
    kept = [json.loads(line)["Revision"] for line in
            run("directory", "history", "--since", str(newest - 1), "--format", "json").stdout.splitlines()]
    assert kept == [newest]
    assert run("directory", "get-user", "--user-name", "ann").exit_code == 0


@pytest.mark.usefixtures("ann")
def test_secrets_are_hidden_with_a_new_key(do: Do, run: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    do("create-access-key", "--user-name", "ann")
    monkeypatch.setenv(KEY_VARIABLE, f"{new_key()} {os.environ[KEY_VARIABLE]}")
    assert "1 secret access key was hidden again" in run("directory", "rotate-secret-keys").stderr
    assert "0 secret access keys were hidden again" in run("directory", "rotate-secret-keys").stderr
    monkeypatch.delenv(KEY_VARIABLE)
    result = run("directory", "rotate-secret-keys")
    assert (result.exit_code, KEY_VARIABLE in result.stderr) == (1, True)


def test_a_password_can_be_asked_for(run: Do, do: Do) -> None:
    do("create-user", "--user-name", "ann")
    typed = "Correct-horse-7"
    result = run("directory", "create-login-profile", "--user-name", "ann", "--password", "-", input=f"{typed}\n")
    assert result.exit_code == 0, result.stderr
    assert typed not in result.stdout + result.stderr


def test_a_store_that_is_none(run: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IAM_GUARD_STORE", raising=False)
    assert run("directory", "list-users").exit_code == 2
    result = run("directory", "list-users", "--store", "mysql://x")
    assert (result.exit_code, "sqlite:///iam.db" in result.stderr) == (1, True)


def test_a_directory_begins_with_one_administrator(run: Do, store: str, tmp_path: Path) -> None:
    key = tmp_path / "iam.key"
    result = run("directory", "init", "--store", store, "--key-file", key, "--format", "json")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert (shown["UserName"], key.stat().st_mode & 0o777) == ("administrator", 0o600)
    who = "arn:app:iam::000000000000:user/administrator"
    assert run("directory", "create-user", "--user-name", "ann", "--as", who, "--store", store).exit_code == 0
    again = run("directory", "init", "--store", store, "--key-file", tmp_path / "other.key")
    assert (again.exit_code, again.stdout) == (1, "")
    told = run("directory", "history", "--store", store, "--format", "json").stdout
    assert shown["SecretAccessKey"] not in told
    assert shown["Password"] not in told


def test_a_directory_does_not_begin_without_a_key(run: Do, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    result = run("directory", "init", "--store", store)
    assert (result.exit_code, KEY_VARIABLE in result.stderr, result.stdout) == (1, True, "")
    assert run("directory", "list-users", "--store", store, "--format", "json").stdout.count("UserName") == 0


def test_where_a_library_is_missing(tmp_path: Path) -> None:
    program = "import sys; sys.modules['argon2'] = None; from iam_guard.cli.main import main; main()"
    keys = str(tmp_path / "keys.json")
    for arguments, code, told in ((["directory", "list-users", "--max-items", "3"], 1, "iam-guard[directory]"),
                                  (["--help"], 0, "needs the extra 'directory'"),
                                  (["token", "issue", "--user", "ann"], 1, "iam-guard[directory]"),
                                  (["token", "--help"], 0, "needs the extra 'directory'"),
                                  (["token", "keys", "--new", "--keys", keys], 0, "")):
        ended = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False,
                               env={**os.environ, "COLUMNS": "200"})
        assert (ended.returncode, told in ended.stdout + ended.stderr) == (code, True), ended.stderr
