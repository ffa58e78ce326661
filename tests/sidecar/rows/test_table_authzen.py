"""The column of programs in the table of results: a decision is a word in an answer, and never a status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sidecar_doors import port_of, sidecar
from sidecar_process import Running
from threat_world import bearer

EVALUATION = "/access/v1/evaluation"
TABLE: dict[str, tuple[str, str, str, bool]] = {
    "allow": ("alice", "app:Use", "1", True),
    "explicit_deny": ("alice", "app:Use", "secret1", False),
    "implicit_deny": ("nobody", "app:Use", "1", False),
    "insufficient_scope": ("alice", "app:Scoped", "1", False),
    "step_up": ("alice", "app:Strong", "1", False),
}


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sidecar(tmp_path_factory.mktemp("authzen")) as found:
        yield found


def asked(guard: Running, row: str, who: str = "pep", method: str = "POST") -> httpx.Response:
    subject, action, item, _ = TABLE[row]
    body: dict[str, Any] = {"subject": {"type": "user", "id": subject}, "action": {"name": action},
                            "resource": {"type": "item", "id": item}}
    return httpx.request(method, f"http://127.0.0.1:{port_of(guard, 'authzen')}{EVALUATION}", json=body,
                         headers=bearer(who), timeout=20)


@pytest.mark.parametrize("row", TABLE)
def test_a_row_of_the_table(guard: Running, row: str) -> None:
    reply = asked(guard, row)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.headers["cache-control"] == "no-store"
    told = reply.json()
    assert told["decision"] is TABLE[row][3]
    assert told.get("context", {}).get("acr_values") == (["gold"] if row == "step_up" else None)
    assert not [word for word in ("statement", "user/alice", "StringEquals") if word in json.dumps(told)]


@pytest.mark.parametrize("row", TABLE)
def test_a_caller_who_is_nobody_is_told_nothing(guard: Running, row: str) -> None:
    """The row ``unauthenticated``: it is about who asks, and never about the subject."""
    reply = asked(guard, row, who="anon")
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer ")
    assert asked(guard, row, who="alice").status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_a_question_is_posted(guard: Running, method: str) -> None:
    reply = asked(guard, "allow", method=method)
    assert reply.status_code in (403, 404, 405)
    assert b"decision" not in reply.content.replace(b"decision_id", b"").replace(b"urn:guard:decision", b"")


def test_a_handshake_is_no_question(guard: Running) -> None:
    sent = {**bearer("pep"), "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    reply = httpx.get(f"http://127.0.0.1:{port_of(guard, 'authzen')}{EVALUATION}", headers=sent, timeout=20)
    assert reply.status_code in (400, 403, 404, 405)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b'{"subject": ', b'{"subject": {"type": "user"}}'])
def test_a_question_that_is_none_is_refused(guard: Running, body: bytes) -> None:
    """The row ``ambiguous``."""
    reply = httpx.post(f"http://127.0.0.1:{port_of(guard, 'authzen')}{EVALUATION}", content=body, timeout=20,
                       headers={**bearer("pep"), "Content-Type": "application/json"})
    assert reply.status_code == 400


def test_without_policies_there_is_no_decision(tmp_path: Path) -> None:
    """The row ``not_ready``."""
    users = tmp_path / "iam/users"
    users.mkdir(parents=True)
    (users / "broken.json").write_text('{"Version": ')
    with sidecar(tmp_path) as guard:
        reply = asked(guard, "allow")
        assert reply.status_code in (500, 503)
        assert "true" not in reply.text
