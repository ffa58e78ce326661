"""JSON with one meaning or none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.identity.strict_json import read_object

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8,
)


@given(st.dictionaries(NAMES, VALUES), st.booleans())
def test_what_is_clear_is_read_as_it_is(value: dict[str, object], escaped: bool) -> None:
    assert read_object(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.dictionaries(NAMES, VALUES, min_size=1), VALUES)
def test_a_repeated_name_is_refused_at_any_place(value: dict[str, object], other: object) -> None:
    again = json.dumps({next(iter(value)): other})[1:-1]
    for text in (f"{json.dumps(value)[:-1]}, {again}}}", f'{{"inside": [{json.dumps(value)[:-1]}, {again}}}]}}'):
        with pytest.raises(ValueError, match="names a member twice"):
            read_object(text.encode())


@pytest.mark.parametrize("text", [
    b"[]", b"1", b"null", b"", b"{", b"{}x", b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":1e999}', b'{"a":"\\ud800"}',
    b'{"\\udfff":1}', b'{"a":"\xff"}', b"\xef\xbb\xbf{}", b'{"a":01}', b'{"a":"\n"}', b"{'a':1}",
])
def test_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each reader has its own words
        read_object(text)


def test_depth() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    assert read_object(nested(32))
    with pytest.raises(ValueError, match="deeper than 32"):
        read_object(nested(33))
    assert read_object(json.dumps({"a": [{} for _ in range(100)], "b": '\\"[[['}).encode())
