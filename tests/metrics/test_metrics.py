"""Figures for Prometheus: the contract's names, the guard's own counters, an alarm that rises and falls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from iam_guard.metrics import GuardMetrics, metrics_app
from iam_guard.store.file import FilePolicyStore
from iam_guard.store.refresh import PolicyRefresher

POLICY = "Version: '2012-10-17'\nStatement: {Effect: Allow, Action: 'a:B', Resource: '*'}\n"


class Door:
    def __init__(self, **counts: int) -> None:
        self.counts: Mapping[str, int] = counts


class Source:
    fetches, failures = 5, 2


class Authenticator:
    key_sources: Mapping[str, Any] = {"https://idp.example": Source(), "static": object()}


def scraped(*collectors: GuardMetrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """What a scrape says, read by Prometheus's own parser: value by name and values of labels, by the labels' names."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(metrics_app(*collectors)(scope, receive, send))
    assert sent[0]["status"] == 200
    text = b"".join(message.get("body", b"") for message in sent).decode()
    return {(sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


def test_outcomes_of_requests() -> None:
    found = scraped(GuardMetrics(Door(allow=3, unmapped=2, preflight=9)))
    assert found["iam_guard_decisions_total", ("allow", "asgi", "enforce")] == 3
    assert found["iam_guard_decisions_total", ("error", "asgi", "enforce")] == 0
    assert found["iam_guard_unmapped_total", ()] == 2
    assert not any("preflight" in labels for _, labels in found)


def test_keys_of_issuers() -> None:
    found = scraped(GuardMetrics(authenticator=Authenticator()))
    assert found == {("iam_guard_jwks_refresh_total", ("https://idp.example", "success")): 3,
                     ("iam_guard_jwks_refresh_total", ("https://idp.example", "failure")): 2}


def test_a_broken_edit_raises_an_alarm_until_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "everyone" / "base.yaml"
    file.parent.mkdir()
    file.write_text(POLICY)
    now = [0.0]
    refresher = PolicyRefresher(FilePolicyStore(tmp_path), clock=lambda: now[0])
    refresher.load()
    good = scraped(GuardMetrics(refresher=refresher))
    assert good["iam_guard_policy_degraded", ()] == 0
    file.write_text("Statement: nonsense\n")
    refresher.check()
    now[0] = 7.0
    bad = scraped(GuardMetrics(refresher=refresher))
    assert (bad["iam_guard_policy_degraded", ()], bad["iam_guard_policy_ready", ()]) == (1, 1)
    assert bad["iam_guard_policy_reloads_total", ("failure",)] == 1
    assert bad["iam_guard_policy_behind_seconds", ()] == 7
    assert [key for key in bad if key[0] == "iam_guard_policy_info"] == [
        key for key in good if key[0] == "iam_guard_policy_info"]
    file.write_text(POLICY.replace("a:B", "a:C"))
    refresher.load()
    assert scraped(GuardMetrics(refresher=refresher))["iam_guard_policy_degraded", ()] == 0


def test_nothing_to_tell() -> None:
    assert scraped(GuardMetrics()) == {}
