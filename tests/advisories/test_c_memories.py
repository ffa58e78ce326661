"""C02 and C06: keys that collide, and growth."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.memo import Memo
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.policy.parse import parse_policy


class Flat(str):
    """Text whose hash says nothing."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) is True


def one_item(name: str) -> Policy:
    return Policy(name, parse_policy({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": f"app:Get{name}", "Resource": f"arn:app:app::000000000000:item/{name}"}}))


def test_c02_2_keys_whose_hash_is_a_constant_are_compared_whole() -> None:
    people = {name: Principal.user(name) for name in ("ann", "ben")}
    for who in people.values():
        object.__setattr__(who, "key", Flat(who.key))
    assert len({hash(who.key) for who in people.values()}) == 1
    held = PolicySet(Attachments(holders={who.arn: Holder(who.arn, (one_item(name),))
                                          for name, who in people.items()}))
    for _ in range(2):
        for name, who in people.items():
            for wanted in people:
                asked = AuthorizationRequest(who, Flat(f"app:Get{wanted}"),
                                             Flat(f"arn:app:app::000000000000:item/{wanted}"))
                assert bool(held.evaluate(asked)) is (name == wanted)


def test_c06_1_what_is_hot_stays_and_the_rest_is_bounded() -> None:
    kept: Memo[int, int] = Memo(1000)
    kept.keep(-1, 0)
    misses = 0
    for number in range(1_000_000):
        kept.keep(number, number)
        if kept.get(-1) is None and kept.recall(-1) is None:
            misses += 1
    assert misses == 0
    assert len(kept) + len(kept._older) <= 1000


def test_c06_1_no_growth_with_callers_and_resources_that_never_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iam_guard.engine.policy_set.MAX_SUBJECTS", 1000)
    monkeypatch.setattr("iam_guard.guard._KEPT_PRINCIPALS", 1000)
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "app:Get", "Resource": "*"}}
    guard = Guard(PolicySet.from_json(json.dumps(document)))

    def most(first: int, last: int) -> int:
        tracemalloc.reset_peak()
        for number in range(first, last):
            who = Principal.user(f"user-{number}")
            assert guard.authorize(who, "app:Get", f"arn:app:app::000000000000:item/{number}")
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        full = most(0, 3000)  # more than are ever remembered
        later = most(3000, 12_000)
    finally:
        tracemalloc.stop()
    assert later < full * 1.5  # four times as much if nothing were forgotten
