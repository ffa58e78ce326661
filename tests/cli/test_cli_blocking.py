"""``iam-guard token block``: what is put on the list is what a guard refuses, and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iam_guard.identity.revocation import RevocationFile
from iam_guard.identity.token_identity import TokenIdentity

IDP = "https://idp.example"


@pytest.fixture
def block(tmp_path: Path, run: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: str, code: int = 0) -> Any:
        result = run("token", "block", "--list", tmp_path / "revoked.json", "--issuer", IDP, *arguments)
        assert result.exit_code == code, result.stderr
        return result

    return call


def is_over(folder: Path, subject: str = "ann", id: str = "", issuer: str = IDP, age: float = 60) -> bool:
    return RevocationFile(folder / "revoked.json")(TokenIdentity(issuer, id, subject, time.time() - age))


def test_one_token(block: Callable[..., Any], tmp_path: Path) -> None:
    block("--id", "a")
    assert is_over(tmp_path, id="a")
    assert not is_over(tmp_path, id="b")
    assert not is_over(tmp_path, id="a", issuer="https://partner.example")


def test_everything_of_a_subject_until_now(block: Callable[..., Any], tmp_path: Path) -> None:
    block("--subject", "ann")
    assert is_over(tmp_path)
    assert not is_over(tmp_path, subject="bob")
    assert not is_over(tmp_path, age=-60)


def test_everything_of_an_issuer_until_now(block: Callable[..., Any], tmp_path: Path) -> None:
    block("--everybody")
    assert is_over(tmp_path, subject="bob")
    assert not is_over(tmp_path, subject="bob", issuer="https://partner.example")


def test_entries_add_up(block: Callable[..., Any], tmp_path: Path) -> None:
    block("--id", "a", "--until", "2100-01-01")
    assert "2 entries" in block("--id", "b").stderr
    assert is_over(tmp_path, id="a")
    assert is_over(tmp_path, id="b")


@pytest.mark.parametrize("arguments", [
    (), ("--id", "a", "--subject", "ann"), ("--subject", "ann", "--everybody"), ("--id", "a", "--until", "2020-01-01"),
    ("--id", "a", "--until", "soon"),
])
def test_what_is_not_clear_is_not_written(block: Callable[..., Any], tmp_path: Path,
                                          arguments: tuple[str, ...]) -> None:
    block(*arguments, code=2)
    assert not (tmp_path / "revoked.json").exists()


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"tokens": [], "more": 1})])
def test_what_is_no_list_is_left_as_it_is(block: Callable[..., Any], tmp_path: Path, text: str) -> None:
    (tmp_path / "revoked.json").write_text(text)
    assert "no list of revocations" in block("--id", "a", code=1).stderr
    assert (tmp_path / "revoked.json").read_text() == text


def test_a_list_where_there_is_no_place(run: Callable[..., Any], tmp_path: Path) -> None:
    result = run("token", "block", "--list", tmp_path / "nowhere" / "revoked.json", "--issuer", IDP, "--id", "a")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
