"""``iam-guard api-key``: a key is shown once, works in a guard that follows the file, and is taken away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tokens import NOW, FakeClock

from iam_guard.config.api_keys import read_api_keys
from iam_guard.config.credential_settings import ApiKeySettings
from iam_guard.config.place import Origin
from iam_guard.errors import AuthenticationError
from iam_guard.http.request import HTTPRequest
from iam_guard.model import Principal

JOB = "arn:app:iam::000000000000:user/night-job"
LATER, BEFORE = "2031-01-01", "2026-01-01"  # NOW is in 2027


class Keys:
    """A file of keys, and the command."""

    def __init__(self, file: Path, run: Callable[..., Any]) -> None:
        self.file, self._run = file, run

    def __call__(self, *arguments: str, code: int = 0) -> Any:
        result = self._run("api-key", *arguments, "--file", self.file)
        assert result.exit_code == code, result.stderr
        return result

    def new(self, *arguments: str) -> str:
        return str(self("new", "--principal", JOB, *arguments).stdout.strip())

    def who(self, text: str) -> Principal | None:
        """Whom a guard takes the holder of a key for."""
        door = read_api_keys(ApiKeySettings(file=str(self.file)), Origin("x", self.file.parent, lambda _: None), "/at",
                             realm="api")
        door._clock = FakeClock(NOW)
        try:
            return asyncio.run(door.authenticate(HTTPRequest(headers=((b"x-api-key", text.encode()),))))
        except AuthenticationError:
            return None


@pytest.fixture
def keys(tmp_path: Path, run: Callable[..., Any]) -> Keys:
    return Keys(tmp_path / "keys.json", run)


def test_a_new_key_names_its_caller(keys: Keys) -> None:
    text = keys.new("--tag", "team=logistics", "--expires", LATER)
    who = keys.who(text)
    assert who is not None
    assert (who.arn, who.tags) == (JOB, {"team": "logistics"})
    assert keys.who(text[:-1]) is None


def test_the_file_and_the_list_hold_nothing_that_opens(keys: Keys) -> None:
    text = keys.new()
    written = keys.file.read_text()
    assert text not in written
    assert text.rpartition("_")[2] not in written
    assert sha256(text.encode()).hexdigest() in written
    for told in (keys("list").stdout, keys("list", "--format", "json").stdout):
        assert "_".join(text.split("_")[:2]) in told
        assert JOB in told
        assert sha256(text.encode()).hexdigest() not in told


def test_keys_are_added_and_taken_away_one_by_one(keys: Keys) -> None:
    first, second = keys.new(), keys.new("--prefix", "ops")
    assert second.startswith("ops_")
    assert keys.who(first)
    assert keys.who(second)
    keys("revoke", "_".join(first.split("_")[:2]))
    assert keys.who(first) is None
    assert keys.who(second)
    assert len(json.loads(keys("list", "--format", "json").stdout)) == 1


def test_a_key_that_is_over(keys: Keys) -> None:
    assert keys.who(keys.new("--expires", BEFORE)) is None


@pytest.mark.parametrize(("arguments", "code", "told"), [
    (("new", "--principal", "ann"), 1, "cannot have a key"),
    (("new", "--principal", "arn:app:iam::000000000000:group/g"), 1, "cannot have a key"),
    (("new", "--principal", JOB, "--prefix", "X"), 1, "prefix"),
    (("new", "--principal", JOB, "--tag", "a"), 2, "KEY=VALUE"),
    (("new", "--principal", JOB, "--expires", "soon"), 2, "expires"),
    (("revoke", "igk_nobody00"), 1, "there is no key"),
])
def test_what_is_not_done_leaves_the_file_as_it_was(keys: Keys, arguments: tuple[str, ...], code: int,
                                                    told: str) -> None:
    keys.new()
    before = keys.file.read_bytes()
    assert told in keys(*arguments, code=code).stderr
    assert keys.file.read_bytes() == before


def test_a_file_with_comments_is_left_to_its_owner(keys: Keys, tmp_path: Path) -> None:
    keys.file = tmp_path / "keys.yaml"
    keys.file.write_text("keys: []  # of the night shift\n")
    assert "comments" in keys("new", "--principal", JOB, code=1).stderr
    assert keys.file.read_text() == "keys: []  # of the night shift\n"
    assert keys("list").exit_code == 0


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"keys": [{"id": "igk_aaaaaaaa"}]}', '{"keys": [], "more": 1}'])
def test_a_file_of_something_else_is_not_written_over(keys: Keys, text: str) -> None:
    keys.file.write_text(text)
    keys("new", "--principal", JOB, code=1)
    assert keys.file.read_text() == text


def test_a_list_of_nothing(keys: Keys) -> None:
    assert "cannot be read" in keys("list", code=1).stderr
