"""Records: one line whatever a client sends, bounded, and complete."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.audit.log import DecisionRecord, plain, record_of_decision, record_of_refusal
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.request import HTTPRequest
from iam_guard.model import Principal

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("text", "safe"), [
    ("plain", "plain"),
    ("a\x1b[2J", "a\\x1b[2J"),
    ("x\r\nALLOW root", "x\\r\\nALLOW root"),
    ("caf\u00e9", "caf\u00e9"),
    ("\u202e", "\\u202e"),
    ("\ud800", "\\ud800"),
    ("\\x1b", "\\\\x1b"),
], ids=repr)
def test_text_is_safe_to_write(text: str, safe: str) -> None:
    assert plain(text) == safe


@given(st.text())
def test_g12_no_text_leaves_its_line_or_moves_a_terminal(text: str) -> None:
    assert all(unicodedata.category(char)[0] != "C" for char in plain(text, 10_000))
    assert len(plain(text, 10_000).splitlines()) <= 1


@given(st.text(max_size=20), st.text(max_size=20))
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (plain(one) == plain(other)) == (one == other)


def test_long_text_is_cut() -> None:
    assert len(plain("a" * 10_000)) == 515


def test_the_record_of_a_decision() -> None:
    policies = PolicySet.from_json('{"Version": "2012-10-17", "Statement": {"Sid": "All", "Effect": "Allow",'
                                   ' "Action": "*", "Resource": "*"}}', id="open")
    ada = Principal.user("ada")
    decision = Guard(policies).authorize(ada, "docs:Get", "document/1")
    request = HTTPRequest(path="/d/1", query_string=b"token=s3cret", source_ip="203.0.113.7",
                          headers=((b"authorization", b"Bearer s3cret"),))
    record = record_of_decision(decision, NOON, request=request, route="/d/{id}", latency_us=12.345)
    assert json.loads(record.to_json()) == {
        "id": decision.id, "time": "2026-03-01T12:00:00Z", "verdict": "allowed", "revision": "",
        "reason": "allowed by identity policy 'open', statement All", "principal": ada.arn,
        "account": "000000000000", "action": "docs:Get", "resource": "arn:app:docs::000000000000:document/1",
        "policy_id": "open", "sid": "All", "method": "GET", "path": "/d/1", "route": "/d/{id}",
        "source_ip": "203.0.113.7", "latency_us": 12.3,
    }
    assert "s3cret" not in str(record)


def test_the_record_of_a_refusal() -> None:
    record = record_of_refusal("1", NOON, "unmapped", "no rule\n", principal=Principal.anonymous(),
                               request=HTTPRequest(kind="websocket", path="/ws"))
    assert (record.verdict, record.reason, record.principal) == ("unmapped", "no rule\\n", "anonymous")
    assert (record.method, record.path) == ("WEBSOCKET", "/ws")


def test_a_record_as_text_is_one_line() -> None:
    record = DecisionRecord("1", NOON, "allowed", principal="ada", action="docs:Get", resource="r", method="GET",
                            path="/d")
    assert str(record) == "allowed: ada docs:Get r (GET /d)"
