"""Who no longer uses what it holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from company import ACCOUNT, ANN, BEN, PUBLISHER, company

from iam_guard.answers.unused import read_records, unused
from iam_guard.audit.log import DecisionRecord
from iam_guard.errors import DocumentError

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SESSION = f"arn:app:sts::{ACCOUNT}:assumed-role/Publisher/nightly"


def record(who: str, policy_id: str = "", verdict: str = "allowed", time: datetime = NOON) -> DecisionRecord:
    return DecisionRecord("1", time, verdict, principal=who, policy_id=policy_id)


def test_what_allowed_nothing_is_unused() -> None:
    rows = {one.principal: one for one in unused(company(), [record(ANN, "ReadDocuments"), record(ANN, "AtWork")])}
    assert (rows[ANN].policies, rows[ANN].holds, rows[ANN].last_used) == (("EditDocuments",), 3, NOON)
    assert rows[BEN].is_idle
    assert rows[BEN].policies == ("Assume",)


def test_who_uses_everything_is_not_named() -> None:
    rows = [one.principal for one in unused(company(), [record(SESSION, "Publish")])]
    assert rows == [ANN, BEN]


def test_denials_and_old_records_are_no_use() -> None:
    records = [record(BEN, "Assume", "explicitDeny"), record(BEN, "Assume", time=NOON - timedelta(days=91))]
    rows = {one.principal: one for one in unused(company(), records, since=NOON - timedelta(days=90))}
    assert rows[BEN].is_idle
    assert BEN not in {one.principal for one in unused(company(), records, since=NOON - timedelta(days=92))}


def test_the_last_use_is_the_latest() -> None:
    records = [record(ANN, "AtWork"), record(ANN, "AtWork", time=NOON - timedelta(days=1))]
    rows = {one.principal: one for one in unused(company(), records)}
    assert rows[ANN].to_json() == {"Principal": ANN, "LastUsed": "2026-01-02T12:00:00+00:00",
                                   "UnusedPolicies": ["ReadDocuments", "EditDocuments"], "Holds": 3}
    assert rows[PUBLISHER].to_json()["LastUsed"] is None


def test_a_log_is_read_as_it_was_written() -> None:
    written = record(ANN, "AtWork").to_json()
    assert list(read_records([written + b"\n", b"\n"])) == [record(ANN, "AtWork")]
    with pytest.raises(DocumentError) as refused:
        list(read_records([written, b'{"id": 1}'], "decisions.jsonl"))
    assert (refused.value.faults[0].file, refused.value.faults[0].line) == ("decisions.jsonl", 2)
