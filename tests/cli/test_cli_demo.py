"""``iam-guard demo``: real servers, real tokens, real requests, in this process and as a process of its own."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from small_cases import ROOT

from iam_guard.cli.demo import scenario
from iam_guard.store.file import FilePolicyStore

#: What the issue asks the demonstration to show: status and verdict by what is shown.
SHOWN = {
    "managers may read": (200, "allowed"),
    "nothing allows it: denied by default": (403, "implicitDeny"),
    "a Deny beats every Allow": (403, "explicitDeny"),
    "a condition on tags that fails": (403, "implicitDeny"),
    "a manager inside a permissions boundary": (403, "implicitDeny"),
    "a session of the role Fulfilment": (200, "allowed"),
    "an expired token": (401, "unauthenticated"),
    "a token signed with another key": (401, "unauthenticated"),
    "no token": (401, "unauthenticated"),
    "a route that nobody mapped": (403, "unmapped"),
    "a method that the path does not have": (405, "unmapped"),
}


@pytest.fixture(scope="module")
def outcomes() -> list[dict[str, Any]]:
    from typer.testing import CliRunner

    from iam_guard.cli.main import app

    result = CliRunner().invoke(app, ["demo", "--once", "--format", "json"])
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["outcomes"]
    return found


@pytest.mark.parametrize("about", SHOWN)
def test_every_kind_of_answer_is_shown(outcomes: list[dict[str, Any]], about: str) -> None:
    (one,) = (one for one in outcomes if one["about"] == about)
    assert (one["status"], one["verdict"]) == SHOWN[about]
    assert one["as_expected"]


def test_a_dozen_requests_of_several_callers_are_sent(outcomes: list[dict[str, Any]]) -> None:
    assert len(outcomes) >= 12
    assert len({one["caller"] for one in outcomes}) >= 5


def test_the_reason_names_the_statement_or_the_value(outcomes: list[dict[str, Any]]) -> None:
    why = {one["about"]: one["why"] for one in outcomes}
    assert why["managers may read"] == "Allow ReadOrders (policies/ReadOrders.yaml:4)"
    assert why["a Deny beats every Allow"].startswith("Deny KeepOrdersUnderLegalHold (everyone/LegalHold.yaml:")
    assert "aws:ResourceTag/region" in why["a condition on tags that fails"]
    assert "'us'" in why["a condition on tags that fails"]
    assert "boundary" in why["a manager inside a permissions boundary"]


def test_once_is_a_table_and_exit_code_0(start: Any) -> None:
    process = start("demo", "--once")
    out, err = process.communicate()
    text = out.decode()
    assert (process.returncode, err) == (0, b"")
    assert f"{len(scenario.CALLS)} of {len(scenario.CALLS)} as expected" in text
    assert "explicitDeny" in text
    assert "\x1b" not in text
    assert "Bearer" not in text


def test_a_narrow_terminal_breaks_no_line(start: Any) -> None:
    import os

    process = start("demo", "--once", env={**os.environ, "COLUMNS": "80"})
    out, _ = process.communicate()
    assert max(map(len, out.decode().splitlines())) <= 80


def test_it_goes_on_serving_until_it_is_stopped(start: Any) -> None:
    process = start("demo", "--format", "json")
    told = _read_json(process.stdout)
    with httpx.Client(base_url=told["url"], trust_env=False) as client:
        allowed = client.get("/orders/42", headers={"Authorization": f"Bearer {told['tokens']['ann']}"})
        assert (allowed.status_code, allowed.json()["id"]) == (200, "42")
        huge = client.get("/orders/42", headers={"Authorization": "Bearer " + "x" * 20_000})
        assert 400 <= huge.status_code < 500
        twice = client.get("/orders/42", headers=[("Authorization", "Bearer a"), ("Authorization", "Bearer b")])
        assert 400 <= twice.status_code < 500
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (0, b"")


def _read_json(stream: Any) -> dict[str, Any]:
    text = b""
    while not text.endswith(b"\n}\n"):
        text += stream.readline()
    found: dict[str, Any] = json.loads(text)
    return found


def test_lines_to_paste_hold_tokens_and_addresses(start: Any) -> None:
    process = start("demo")
    lines = []
    while not (lines and lines[-1].startswith("iam-guard explain")):
        lines.append(process.stdout.readline().decode())
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0
    assert any(line.startswith("export ANN=ey") for line in lines)
    assert any(line.startswith('curl -i -H "Authorization: Bearer $ANN" http://127.0.0.1:') for line in lines)


def test_an_unmet_expectation_is_exit_code_1(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (scenario.Call("ann", "GET", "/orders/42", 403, "explicitDeny", "not so"),)
    monkeypatch.setattr("iam_guard.cli.demo.run.CALLS", wrong)
    result = run("demo", "--once")
    assert result.exit_code == 1
    assert "0 of 1 as expected" in result.stdout
    assert "has to be 403 explicitDeny (not so)" in result.stdout


def test_a_port_that_is_taken_is_told(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("demo", "--once", "--port", port)
    assert result.exit_code == 1
    assert f"'127.0.0.1:{port}': address already in use" in result.stderr


def test_samples_say_that_they_are_samples() -> None:
    folder = ROOT / "iam_guard" / "cli" / "demo"
    files = [*(folder / "policies").rglob("*.yaml"), folder / "routes.yaml"]
    assert len(files) > 8
    assert [file for file in files if "DEMO ONLY" not in file.read_text().splitlines()[0]] == []


def test_the_sample_folder_is_read_without_a_note() -> None:
    assert FilePolicyStore(Path(ROOT / "iam_guard/cli/demo/policies")).load().notes == ()
