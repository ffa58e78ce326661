"""The benchmarks of directories measure what they say, at small sizes."""

from __future__ import annotations

import pytest

from benchmarks import directory
from benchmarks.directory import fill, measure, targets, user
from benchmarks.propagation import PropagationFigures
from benchmarks.propagation import targets as propagation_targets
from iam_guard.directory.entities import Kind
from iam_guard.policy.parse import parse_policy
from iam_guard.store.memory_directory import MemoryDirectoryStore


def test_every_principal_holds_three_statements_of_its_own() -> None:
    store = MemoryDirectoryStore()
    fill(store, 25)
    with store.read() as reading:
        assert reading.count(Kind.USER, "000000000000") == 25
    documents = {parse_policy(user(number).inline["own"]) for number in range(25)}
    assert len(documents) == 25
    assert {len(one.statements) for one in documents} == {3}


def test_each_size_has_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_ASKED", 8)
    monkeypatch.setattr(directory, "_CHANGES", 3)
    monkeypatch.setattr(directory, "_ROUNDS", 1)
    monkeypatch.setattr(directory, "BLOCK", 4)
    found = measure((10, 20))
    assert [one.principals for one in found] == [10, 20]
    assert [one.what for one in targets(found)] == [
        "a change obeyed, 20 principals over 10", "a decision, 20 principals over 10"]


@pytest.mark.parametrize(("found", "missed"), [
    (PropagationFigures((99.0, 99.0, 999.0), 9, 1.0, 0, 0), []),
    (PropagationFigures((101.0, 101.0, 101.0), 9, 1.0, 0, 0), [0]),
    (PropagationFigures((1.0, 1.0, 1001.0), 9, 1.0, 0, 0), [1]),
    (PropagationFigures((1.0, 1.0), 9, 1.0, 1, 0), [2]),
    (PropagationFigures((1.0, 1.0), 9, 1.0, 0, 1), [3]),
])
def test_what_propagation_has_to_hold(found: PropagationFigures, missed: list[int]) -> None:
    assert [place for place, one in enumerate(propagation_targets(found)) if not one.met] == missed
