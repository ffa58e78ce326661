"""F05: what a batch of AuthZEN said once was worked through for each of its questions: one call stopped the sidecar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sidecar_process import SETTINGS, Running, bearer, running, world

AUTHZEN = "  authzen: {base: 'https://pdp.example.com', listen: '127.0.0.1:0'}\n"
ASKED: dict[str, Any] = {"subject": {"type": "user", "id": "ann"}, "action": {"name": "Read"},
                         "resource": {"type": "document", "id": "1"}}
#: As many values as there may be in one question, and as many as questions of one call may have in common.
MOST, MOST_OF_EACH = 4_990, 40


def values(many: int) -> dict[str, str]:
    return {f"key{number}": "value" for number in range(many)}


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(world(tmp_path_factory.mktemp("pdp"), SETTINGS + AUTHZEN), 3) as started:
        yield started
        assert started.end() == 0


def call(sidecar: Running, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{sidecar.url('authzen')}/access/v1/{path}", content=json.dumps(body), timeout=20,
                      headers={**bearer("operator"), "Content-Type": "application/json"})


@pytest.mark.parametrize("said", [
    {"context": values(40_000)}, {"resource": {**ASKED["resource"], "properties": values(40_000)}},
    {"context": {"list": ["x"] * 150_000}}, {"context": {"deep": {"er": {"list": [["x"]] * 50_000}}}},
    {"subject": {**ASKED["subject"], "properties": values(51)}}, {"evaluations": [{"context": values(51)}] * 1000},
])
def test_a_batch_that_says_too_much_is_refused_whole(sidecar: Running, said: dict[str, Any]) -> None:
    reply = call(sidecar, "evaluations", {**ASKED, "evaluations": [{}] * 1000, **said})
    assert reply.status_code == 400
    assert "values" in reply.json()["detail"]


def test_a_question_that_says_too_much_is_refused(sidecar: Running) -> None:
    for path in ("evaluation", "evaluations", "search/resource"):
        assert call(sidecar, path, {**ASKED, "context": values(MOST + 20)}).status_code == 400


def test_what_may_be_said_is_answered(sidecar: Running) -> None:
    assert call(sidecar, "evaluation", {**ASKED, "context": values(MOST)}).status_code == 200
    reply = call(sidecar, "evaluations", {**ASKED, "context": values(MOST_OF_EACH), "evaluations": [{}] * 1000})
    assert (reply.status_code, len(reply.json()["evaluations"])) == (200, 1000)
