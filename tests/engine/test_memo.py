"""What was lately used is remembered, and never more than the limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iam_guard.engine.memo import Memo


def _look_up(memo: Memo[int, str], key: int) -> str | None:
    return memo.get(key) or memo.recall(key)


def test_what_is_used_outlives_what_is_not() -> None:
    memo: Memo[int, str] = Memo(8)
    memo.keep(-1, "used")
    memo.keep(-2, "unused")
    for key in range(100):
        memo.keep(key, "new")
        assert _look_up(memo, -1) == "used"
    assert _look_up(memo, -2) is None


def test_replacing_a_value_forgets_nothing() -> None:
    memo: Memo[int, str] = Memo(4)
    memo.keep(1, "a")
    memo.keep(2, "b")
    memo.keep(2, "c")
    assert (memo.get(1), memo.get(2)) == ("a", "c")


@given(st.integers(1, 12), st.lists(st.tuples(st.booleans(), st.integers(0, 30))))
def test_it_stays_within_its_limit_and_never_answers_for_another_key(limit: int,
                                                                     steps: list[tuple[bool, int]]) -> None:
    memo: Memo[int, str] = Memo(limit)
    for keeps, key in steps:
        if keeps:
            memo.keep(key, str(key))
        else:
            assert _look_up(memo, key) in (None, str(key))
        assert len(memo) <= max(1, limit // 2)
