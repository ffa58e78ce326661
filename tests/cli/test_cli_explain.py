"""``iam-guard explain``: one question, from a folder, from files, or from a file of cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_cases import a_case

READ = '{"Version": "2012-10-17", "Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "orders:GetOrder", ' \
       '"Resource": "arn:app:orders::000000000000:order/*", "Condition": {"StringEquals": {"orders:Status": "open"}}}]}'
DENY = """\
Version: "2012-10-17"
Statement:
  - Sid: NotThisOne
    Effect: Deny
    Action: orders:*
    Resource: "arn:app:orders::000000000000:order/13"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """ann may read open orders in the office hours of 2030; the role Deployer may do anything; 13 is denied to all."""
    folder = tmp_path / "iam"
    for name, text in {
        "users/staff/ann.yaml": f"inline: {{Read: {READ}}}",
        "roles/Deployer.yaml": 'inline: {All: {Version: "2012-10-17", Statement: '
                               '[{Sid: All, Effect: Allow, Action: "orders:*", Resource: "*"}]}}',
        "everyone/NotThisOne.yaml": DENY,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def ask(run: Any, folder: Path, principal: str, resource: str = "order/42", *more: str) -> dict[str, Any]:
    result = run("explain", "--policies", folder, "--principal", principal, "--action", "orders:GetOrder",
                 "--resource", resource, "--format", "json", *more)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_a_user_is_found_by_name_whatever_its_path(run: Any, folder: Path) -> None:
    answer = ask(run, folder, "ann", "order/42", "--context", "orders:Status=open")
    assert answer["principal"] == "arn:app:iam::000000000000:user/staff/ann"
    assert (answer["verdict"], answer["sid"]) == ("allowed", "Read")
    assert answer["file"] == str(folder / "users/staff/ann.yaml")


@pytest.mark.parametrize("principal", ["role/Deployer", "role/Deployer/ci", "arn:app:iam::000000000000:role/Deployer",
                                       "arn:app:sts::000000000000:assumed-role/Deployer/ci"])
def test_a_role_has_several_spellings(run: Any, folder: Path, principal: str) -> None:
    assert ask(run, folder, principal)["sid"] == "All"


@pytest.mark.parametrize("principal", ["anonymous", "ben", "service/billing.internal", "user/ben"])
def test_somebody_unknown_is_denied(run: Any, folder: Path, principal: str) -> None:
    assert ask(run, folder, principal)["verdict"] == "implicitDeny"


def test_a_near_miss_says_what_was_wanted(run: Any, folder: Path) -> None:
    answer = ask(run, folder, "ann", "order/42", "--context", "orders:Status=shipped")
    assert answer["verdict"] == "implicitDeny"
    (mismatch,) = answer["near_misses"][0]["mismatches"]
    assert "orders:Status" in mismatch["element"]
    assert ("open" in mismatch["wanted"], "shipped" in mismatch["actual"]) == (True, True)


def test_the_story_names_the_statement_and_its_line(run: Any, folder: Path) -> None:
    result = run("explain", "--policies", folder, "--principal", "ann", "--action", "orders:GetOrder", "--resource",
                 "order/13")
    assert result.stdout.startswith("explicitDeny: orders:GetOrder on arn:app:orders::000000000000:order/13\n")
    assert f"{folder}/everyone/NotThisOne.yaml:3" in result.stdout
    assert result.exit_code == 0


def test_files_hold_for_everybody(run: Any, tmp_path: Path) -> None:
    (tmp_path / "read.json").write_text(READ)
    (tmp_path / "deny.yaml").write_text(DENY)
    result = run("explain", "--policy", tmp_path / "read.json", "--policy", tmp_path / "deny.yaml", "--principal",
                 "whoever", "--action", "orders:GetOrder", "--resource", "order/1", "--context", "orders:Status=open")
    assert result.stdout.startswith("allowed: ")


def test_a_key_given_twice_holds_a_set(run: Any, tmp_path: Path) -> None:
    policy = READ.replace("StringEquals", "ForAllValues:StringEquals")
    (tmp_path / "all.json").write_text(policy)

    def verdict(*context: str) -> str:
        return str(run("explain", "--policy", tmp_path / "all.json", "--principal", "x", "--action", "orders:GetOrder",
                       "--resource", "order/1", *context).stdout.partition(":")[0])

    assert verdict("--context", "orders:Status[]=open") == "allowed"
    assert verdict("--context", "orders:Status=open", "--context", "orders:Status=shipped") == "implicitDeny"


def test_the_time_can_be_given(run: Any, tmp_path: Path) -> None:
    policy = READ.replace('"StringEquals": {"orders:Status": "open"}',
                          '"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}')
    (tmp_path / "early.json").write_text(policy)
    question = ("explain", "--policy", tmp_path / "early.json", "--principal", "x", "--action", "orders:GetOrder",
                "--resource", "order/1")
    assert run(*question).stdout.startswith("implicitDeny")
    assert run(*question, "--context", "aws:CurrentTime=2019-06-01T00:00:00Z").stdout.startswith("allowed")
    assert run(*question, "--context", "aws:CurrentTime=yesterday").exit_code == 2


def test_a_case_can_be_asked_by_its_id(run: Any, cases: Any) -> None:
    file = cases("not JSON", a_case("first"), a_case("second", "s3:PutObject"))
    answer = json.loads(run("explain", "--cases", file, "--id", "second", "--format", "json").stdout)
    assert (answer["verdict"], answer["near_misses"][0]["sid"]) == ("implicitDeny", "Read")
    missing = run("explain", "--cases", file, "--id", "third")
    assert (missing.exit_code, "no case 'third'" in missing.stderr) == (1, True)


WRONG_USAGE = {
    "nothing": (),
    "no policies": ("--principal", "ann", "--action", "a:B"),
    "no caller": ("--policies", "."),
    "a case without its id": ("--cases", "x.jsonl"),
    "no such folder": ("--policies", "nowhere", "--principal", "ann", "--action", "a:B"),
}


@pytest.mark.parametrize("name", WRONG_USAGE)
def test_wrong_usage_is_told(run: Any, name: str) -> None:
    result = run("explain", *WRONG_USAGE[name])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error" in result.stderr


@pytest.mark.parametrize("arguments", [
    ("--principal", "arn:app:s3:::bucket", "--action", "orders:GetOrder"),
    ("--principal", "ann", "--action", "GetOrder"),
    ("--principal", "ann", "--action", "orders:GetOrder", "--context", "novalue"),
    ("--principal", "ann", "--action", "orders:GetOrder", "--tag", "a=1", "--tag", "a=2"),
])
def test_words_that_make_no_question_are_wrong_usage(run: Any, folder: Path, arguments: tuple[str, ...]) -> None:
    assert run("explain", "--policies", folder, *arguments).exit_code == 2


def test_a_broken_policy_is_told_with_its_place(run: Any, folder: Path) -> None:
    (folder / "users/staff/ann.yaml").write_text("policys: []\n")
    result = run("explain", "--policies", folder, "--principal", "ann", "--action", "orders:GetOrder")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{folder}/users/staff/ann.yaml:1:1: ")
    assert "Traceback" not in result.output
