"""The workloads are what the benchmark says they are, and every engine answers them alike."""

from __future__ import annotations

from itertools import islice

import pytest

from benchmarks.engines import ABSENT, ENGINES
from benchmarks.engines.loop import Loop
from benchmarks.engines.ours import Ours
from benchmarks.engines.port import unsupported
from benchmarks.measure import DisagreementError, check_verdicts
from benchmarks.workloads import Workload, all_workloads, many_tenants, one_service, worst_case

SMALL = {
    "W1": one_service(roles=3, each=30),
    "W2": many_tenants(200, busy=5),
    "W3": worst_case(60),
    "W3b": worst_case(60, distinct_patterns=True),
}


def answers(workload: Workload, number: int) -> list[bool]:
    loop = Loop(workload)
    loop.load()
    return [loop.decide(loop.request(one)) for one in workload.questions(5, number)]


@pytest.mark.parametrize("workload", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("key", [*ENGINES, *ABSENT])
def test_every_engine_agrees_with_the_plain_loop(key: str, workload: Workload) -> None:
    if key in ABSENT:
        pytest.skip(f"the library of '{key}' is not installed; it is in the extra 'bench'")
    if why := unsupported(ENGINES[key], workload):
        pytest.skip(f"{ENGINES[key].name}: {why}")
    engine = ENGINES[key](workload)
    engine.load()
    number = 300 if key == "ours" else 40
    check_verdicts(engine, workload.questions(5, number), answers(workload, number))


@pytest.mark.parametrize("workload", SMALL.values(), ids=SMALL)
def test_questions_meet_allows_denies_and_nothing(workload: Workload) -> None:
    engine = Ours(workload)
    engine.load()
    verdicts = [str(engine.decide(engine.request(one)).verdict) for one in workload.questions(5, 300)]
    assert min(verdicts.count(one) for one in ("allowed", "explicitDeny", "implicitDeny")) >= 15


@pytest.mark.parametrize("workload", SMALL.values(), ids=SMALL)
def test_no_question_comes_twice(workload: Workload) -> None:
    asked = [(one.caller.name, one.action, one.resource, tuple(sorted(one.context.items())))
             for seed in (0, 1, 2) for one in workload.questions(seed, 500)]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("workload", SMALL.values(), ids=SMALL)
def test_streams_are_seeded(workload: Workload) -> None:
    assert list(islice(workload.stream(7), 50)) == workload.questions(7, 50)
    assert workload.questions(7, 5) != workload.questions(8, 5)


def test_sizes_are_those_of_the_design() -> None:
    stored = {one.name: one.stored for one in all_workloads(largest=10_000)}
    assert stored == {"W1": 1_000, "W2 100": 100, "W2 1k": 1_000, "W2 10k": 10_000, "W2 10k busy": 10_000,
                      "W3": 1_000, "W3b": 1_000}
    by_tenant = many_tenants(1_000)
    assert len({holder.rpartition("-")[2] for holder in by_tenant.statements}) == 100
    assert {len(caller.holders) for caller in by_tenant.callers} == {3}
    assert [len(held) for held in one_service().statements.values()] == [50] * 20


@pytest.mark.parametrize("workload", [worst_case(), worst_case(distinct_patterns=True)], ids=["W3", "W3b"])
def test_one_in_ten_of_the_worst_case_is_a_deny(workload: Workload) -> None:
    (statements,) = workload.statements.values()
    denies = [one for one in statements if one.deny]
    assert len(denies) == 100
    assert len({one.resources for one in denies}) == (100 if workload.name == "W3b" else 4)
    assert {one.operator for statement in statements for one in statement.conditions} == {
        "IpAddress", "DateLessThan", "DateGreaterThan", "StringEquals"}
    assert any(one.variable for statement in denies for one in statement.conditions)


def test_a_wrong_answer_is_refused() -> None:
    workload = SMALL["W2"]
    engine = Loop(workload)
    engine.load()
    with pytest.raises(DisagreementError, match="which is wrong"):
        check_verdicts(engine, workload.questions(5, 1), [not answers(workload, 1)[0]])
