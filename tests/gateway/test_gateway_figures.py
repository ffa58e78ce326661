"""What a scraper learns from the status address: all workers, whatever was reloaded and whoever died meanwhile."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from gateway_origin import Origin, wait_for
from gateway_world import Gateway, bearer, section
from prometheus_client.parser import text_string_to_metric_families

GATEWAY = {"workers": 2}


def figures(gateway: Gateway) -> dict[tuple[str, str], float]:
    """Samples by name and outcome or result."""
    reply = gateway.status("/metrics")
    assert reply.status == 200
    samples = [sample for family in text_string_to_metric_families(reply.body.decode()) for sample in family.samples]
    assert {sample.labels["front_door"] for sample in samples if "front_door" in sample.labels} == {"gateway"}
    return {(one.name, one.labels.get("decision") or one.labels.get("result", "")): one.value for one in samples}


def decided(gateway: Gateway) -> dict[str, float]:
    return {outcome: value for (name, outcome), value in figures(gateway).items()
            if name == "iam_guard_decisions_total" and value}


def workers(gateway: Gateway) -> list[int]:
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_all_workers_are_counted_and_nothing_is_forgotten(gateway: Gateway, behind: Origin) -> None:
    before = decided(gateway)

    def grown() -> dict[str, float]:
        return {outcome: value - before.get(outcome, 0) for outcome, value in decided(gateway).items()
                if value != before.get(outcome, 0)}

    def ask() -> None:
        for who, target in (("alice", "/items/1"), ("alice", "/items/secret1"), ("root", "/forgot"),
                            ("anon", "/items")):
            for _ in range(6):
                gateway.call("GET", target, bearer(who))
        gateway.call("GET", "/items/1", bearer("insider"))

    ask()
    expected = {"allow": 6, "explicit_deny": 6, "unmapped": 6, "unauthenticated": 6, "implicit_deny": 1}
    wait_for(lambda: grown() == expected, "both workers are counted")
    assert figures(gateway)["iam_guard_unmapped_total", ""] == decided(gateway)["unmapped"]
    done = gateway.reloads()["done"]
    gateway.rewrite(gateway=section(behind.url, workers=2, limits={"linger_seconds": 1.0}))
    wait_for(lambda: gateway.reloads()["done"] > done, "the settings are taken up")
    ask()
    wait_for(lambda: grown() == {outcome: 2 * number for outcome, number in expected.items()}, "they are counted on")
    first = workers(gateway)
    assert len(first) == 2
    os.kill(first[0], signal.SIGKILL)
    wait_for(lambda: len(set(workers(gateway)) - set(first)) == 1, "another takes its place")
    assert grown() == {outcome: 2 * number for outcome, number in expected.items()}


def test_policies_are_told_of_and_no_label_names_anybody(gateway: Gateway) -> None:
    told = figures(gateway)
    assert told["iam_guard_policy_ready", ""] == 1
    assert told["iam_guard_policy_reloads_total", "success"] >= 1
    text = gateway.status("/metrics").body.decode()
    assert re.search(r'iam_guard_policy_info\{version="[0-9a-f]+"\} 1.0', text)
    assert not [word for word in ("alice", "arn:", "/items", "t1") if word in text]


def test_scrapers_do_not_get_in_where_clients_do(gateway: Gateway) -> None:
    assert gateway.call("GET", "/metrics").status == 401
    assert gateway.call("GET", "/metrics", bearer("root")).status == 403
    assert gateway.call("POST", "/metrics", port=gateway.status_port).status == 405
