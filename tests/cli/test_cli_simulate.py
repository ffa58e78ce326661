"""``iam-guard simulate``: every shared case through the door that scripts use, and cases that cannot be read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_cases import ROOT, a_case

TABLES = ROOT / "tests" / "conformance"


def lines(text: str | bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(("table", "verdict"), [("cases.jsonl", "verdict"), ("user-cases.jsonl", "expect")])
def test_every_shared_case_has_its_verdict_in_its_place(start: Any, table: str, verdict: str) -> None:
    process = start("simulate", "--cases", TABLES / table)
    out, err = process.communicate()
    wanted = [(case["id"], case[verdict]) for case in lines((TABLES / table).read_bytes())]
    assert [(answer["id"], answer["verdict"]) for answer in lines(out)] == wanted
    assert all(answer["reason"] and answer.keys() == {"id", "verdict", "reason"} for answer in lines(out))
    assert (process.returncode, err) == (0, b"")


def test_standard_input_is_read_for_a_dash(run: Any) -> None:
    result = run("simulate", "--cases", "-", input=json.dumps(a_case("fed")) + "\n\n")
    assert [answer["id"] for answer in lines(result.stdout)] == ["fed"]
    assert result.exit_code == 0


UNREADABLE = {
    "not JSON": ('{"id": "a",', None, "line 2, column 12"),
    "no object": ("[1, 2]", None, "not a JSON object"),
    "not UTF-8": (b'{"id": "\xff"}', None, "not UTF-8"),
    "a constant of JavaScript": ('{"id": "a", "principal": NaN}', None, "not a JSON value"),
    "nested too deeply": ("[" * 10_000 + "]" * 10_000, None, "nested"),
    "no request": ({"id": "b", "principal": "anonymous"}, "b", "'request' is missing"),
    "no such caller": (a_case("c", principal="arn:aws:s3:::bucket"), "c", "cannot be a caller"),
    "an action that is no text": (a_case("d", request={"action": 1, "resource": "*"}), "d", "'action'"),
    "a policy with a typo": (a_case("e", identityPolicies=[{"Version": "2012-10-17", "Statement": [
        {"Effect": "Alow", "Action": "*", "Resource": "*"}]}]), "e", "Effect is"),
    "policies that are no list": (a_case("f", identityPolicies={}), "f", "'identityPolicies' has to be a list"),
    "a context of objects": (a_case("g", request={**a_case()["request"], "contextVariables": {"a:b": {}}}), "g", "a:b"),
    "a member given twice": ('{"id": "h", "principal": "anonymous", "principal": "anonymous", "request": {}}', "h",
                             "'principal' is given twice"),
    "a context key given twice but for its case": (
        a_case("i", request={**a_case()["request"], "contextVariables": {"a:b": "1", "A:B": "2"}}), "i", "given twice"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_case_has_an_error_and_the_others_are_answered(run: Any, cases: Any, name: str) -> None:
    line, name_of_case, error = UNREADABLE[name]
    result = run("simulate", "--cases", cases(a_case("before"), line, a_case("after", "s3:PutObject")))
    before, answer, after = lines(result.stdout)
    assert (before["id"], before["verdict"]) == ("before", "allowed")
    assert (after["id"], after["verdict"]) == ("after", "implicitDeny")
    assert answer.keys() == {"id", "error"}
    assert answer["id"] == name_of_case
    assert error in answer["error"]
    assert result.exit_code == 1
    assert result.stderr == ""


def test_a_line_of_many_megabytes_is_skipped_to_its_end(run: Any, cases: Any) -> None:
    result = run("simulate", "--cases", cases(b'{"id": "' + b"x" * 12_000_000 + b'"}', a_case("after")))
    answer, after = lines(result.stdout)
    assert "longer than" in answer["error"]
    assert after["verdict"] == "allowed"
    assert result.exit_code == 1


def test_a_policy_of_ten_megabytes_is_refused(run: Any, cases: Any) -> None:
    statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}] * 60_000
    big = a_case("big", identityPolicies=[{"Version": "2012-10-17", "Statement": statements}])
    (answer,) = lines(run("simulate", "--cases", cases(big)).stdout)
    assert "longer than" in answer["error"]


# Language specification, section 1.1, row on duplicate keys: nothing that is given twice is lost.
TWICE = {
    '"Effect": "Allow", "Effect": "Deny", "Action": "s3:*"': "explicitDeny",
    '"Effect": "Deny", "Effect": "Allow", "Action": "s3:*"': "allowed",
    '"Effect": "Allow", "Action": "s3:GetObject", "Action": "s3:PutObject"': "allowed",
    '"Effect": "Allow", "Action": "*", "Condition": {"Null": {"a:b": "false"}}, "Condition": {"Null": {"a:c": "true"}}':
        "implicitDeny",
}


@pytest.mark.parametrize("members", TWICE)
def test_what_a_policy_gives_twice_is_not_lost(run: Any, cases: Any, members: str) -> None:
    text = json.dumps(a_case(identityPolicies="POLICIES"))
    policy = f'[{{"Version": "2012-10-17", "Statement": [{{"Resource": "*", {members}}}]}}]'
    (answer,) = lines(run("simulate", "--cases", cases(text.replace('"POLICIES"', policy))).stdout)
    assert answer["verdict"] == TWICE[members]


def test_check_prints_what_is_answered_otherwise(run: Any, cases: Any) -> None:
    file = cases(a_case("right", verdict="allowed"), a_case("wrong", expect="explicitDeny"), a_case("silent"))
    result = run("simulate", "--cases", file, "--check")
    wrong, silent = lines(result.stdout)
    assert (wrong["id"], wrong["verdict"], wrong["expected"]) == ("wrong", "allowed", "explicitDeny")
    assert (silent["id"], "error" in silent) == ("silent", True)
    assert "3 cases: 1 answered otherwise, 1 not readable" in result.stderr
    assert result.exit_code == 1


def test_one_case_is_one_case(run: Any, cases: Any) -> None:
    result = run("simulate", "--cases", cases(a_case(verdict="allowed")), "--check")
    assert result.stderr == "1 case: 0 answered otherwise, 0 not readable\n"


def test_check_is_silent_when_all_is_right(run: Any, cases: Any) -> None:
    result = run("simulate", "--cases", cases(a_case(verdict="allowed")), "--check")
    assert (result.exit_code, result.stdout) == (0, "")


def test_the_table_names_cases_verdicts_and_reasons(run: Any, cases: Any) -> None:
    result = run("simulate", "--cases", cases(a_case("yes"), a_case("no", "s3:PutObject"), "{}"), "--format", "table")
    rows = [line.split() for line in result.stdout.splitlines() if line.strip()]
    assert ["yes", "allowed"] in [row[:2] for row in rows]
    assert ["no", "implicitDeny"] in [row[:2] for row in rows]
    assert result.exit_code == 1


def test_ids_come_back_as_they_were(run: Any, cases: Any) -> None:
    result = run("simulate", "--cases", cases(a_case("é\u202e"), {**a_case(), "id": 7}, '{"id": "\\ud800"}'))
    assert [answer["id"] for answer in lines(result.stdout)] == ["é\u202e", 7, "\ud800"]


def test_a_reader_that_goes_away_ends_it_quietly(start: Any) -> None:
    process = start("simulate", "--cases", TABLES / "cases.jsonl")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait() == 141
    assert process.stderr.read() == b""
    process.stderr.close()
    process.stdin.close()


def test_it_starts_without_servers_clients_and_cryptography(cases: Any) -> None:
    code = ("import sys\nfrom iam_guard.cli.main import app\n"
            "app(sys.argv[1:], standalone_mode=False)\n"
            "heavy = {'httpx', 'uvicorn', 'starlette', 'cryptography', 'jwt', 'rich', 'watchfiles'}\n"
            "print(sorted(heavy & set(sys.modules)), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code, "simulate", "--cases", cases(a_case())], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_file_that_does_not_exist_is_wrong_usage(run: Any, tmp_path: Path) -> None:
    assert run("simulate", "--cases", tmp_path / "none.jsonl").exit_code == 2
    assert run("simulate").exit_code == 2
