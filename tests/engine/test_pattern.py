"""Globs (language specification, section 2.1; threats E08, E09)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.engine.pattern import compile_glob, cut, matches
from iam_guard.policy.variables import Literal


def naive(pattern: list[str], text: str) -> bool:
    """The definition, as a recursion over what is left of pattern and text."""
    tokens = [(char, char in "*?" and not isinstance(part, Literal)) for part in pattern for char in part]
    reach = {0}
    for char, special in tokens:
        if special and char == "*":
            reach = {end for start in reach for end in range(start, len(text) + 1)}
        else:
            reach = {at + 1 for at in reach if at < len(text) and (special or text[at] == char)}
    return len(text) in reach


LETTERS = st.text("ab*?[]\\.\n", max_size=12)
PARTS = st.lists(st.one_of(LETTERS, LETTERS.map(Literal)), max_size=3)


@given(PARTS, st.text("ab*?\n", max_size=12))
def test_both_forms_agree_with_the_definition(parts: list[str], text: str) -> None:
    expected = naive(parts, text)
    assert matches(cut(parts), text) is expected
    assert bool(compile_glob(parts)(text)) is expected


@pytest.mark.parametrize(("pattern", "text", "hit"), [
    ("", "", True), ("", "a", False), ("*", "", True), ("*", "a\nb", True), ("?", "a", True), ("?", "", False),
    ("?", "\n", True), ("?", "\U0001f600", True), ("a*a", "a", False), ("a*a", "aa", True), ("a**b", "ab", True),
    ("*a?b*", "xxaxbxx", True), ("data[1]", "data1", False), ("data[1]", "data[1]", True), ("a.b", "axb", False),
    ("1|2", "2", False), ("a\\*", "a*", False), ("a\\*", "a\\x", True),
])
def test_examples(pattern: str, text: str, hit: bool) -> None:
    assert bool(compile_glob([pattern])(text)) is hit
    assert matches(cut([pattern]), text) is hit


class Counting(str):
    """Text that counts how often it is searched."""

    __slots__ = ("searches",)

    def find(self, *arguments: object) -> int:  # type: ignore[override]
        self.searches = getattr(self, "searches", 0) + 1
        return str.find(self, *arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("pattern", ["*a" * 30 + "b", "*a" * 30 + "*b*", "*a*a*a*a*a*a*a*a*a*a*a*a*b"])
def test_a_hostile_pattern_walks_the_text_once(pattern: str) -> None:
    text = Counting("a" * 10_000)
    assert compile_glob([pattern])(text) is False
    assert getattr(text, "searches", 0) <= pattern.count("*")
