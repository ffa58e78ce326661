"""Texts with places (language specification, section 1.1)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.errors import DocumentError
from iam_guard.policy.source import Number, Pairs, SourceText, pointer

TEXT = '{\n  "a": [1.0, {"b/c": "x"}],\n  "d": {"e": true, "e": null}\n}\n'


def test_numbers_keep_their_spelling() -> None:
    assert SourceText("[1.0, 10, -2]").value() == ["1.0", "10", "-2"]
    assert all(isinstance(one, Number) for one in SourceText("[1.0, 10]").value())


def test_a_key_given_twice_is_not_lost() -> None:
    value = SourceText(TEXT).value()["d"]
    assert isinstance(value, Pairs)
    assert value.pairs == [("e", True), ("e", None)]
    assert value.repeated() == ["e"]
    assert value["e"] is None


@pytest.mark.parametrize(("place", "expected"), [
    ("", (1, 1)),
    ("/a", (2, 8)),
    ("/a/0", (2, 9)),
    ("/a/1", (2, 14)),
    ("/a/1/b~1c", (2, 22)),
    ("/d/e", (3, 25)),
    ("/a/7", (2, 8)),
    ("/nothing/here", (1, 1)),
])
def test_places_in_json(place: str, expected: tuple[int, int]) -> None:
    assert SourceText(TEXT).position(place) == expected


def test_places_in_yaml() -> None:
    text = SourceText("Version: 2012-10-17\nStatement:\n  - Effect: Deny\n    Action: [a:b, no]\n", is_yaml=True)
    assert text.value() == {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": ["a:b", "no"]}]}
    assert text.position("/Statement/0/Effect") == (3, 13)
    assert text.position("/Statement/0/Action/1") == (4, 19)


@pytest.mark.parametrize(("text", "is_yaml", "line", "says"), [
    ('{"a": 1,}', False, 1, "JSON"),
    ('{"a": 1} x', False, 1, "JSON"),
    ('{\n"a": NaN}', False, 1, "NaN"),
    ("", False, 1, "JSON"),
    ("[" * 10_000, False, 1, "deeper"),
    ("a: ]", True, 1, "YAML"),
    ("a: &x 1\nb: *x", True, 1, "anchors"),
    ("a: 1\n---\nb: 2", True, 2, "second document"),
    ("a: !!python/object:os.system x", True, 1, "tag"),
    ("? [a]\n: b", True, 1, "key"),
    ("[" * 10_000, True, 1, "YAML"),
])
def test_unreadable_texts_are_refused_with_a_place(text: str, is_yaml: bool, line: int, says: str) -> None:
    with pytest.raises(DocumentError) as caught:
        SourceText(text, file="f", is_yaml=is_yaml).value()
    (fault,) = caught.value.faults
    assert says in fault.message
    assert (fault.file, fault.line) == ("f", line)
    assert fault.column >= 1


def test_a_text_that_is_too_long_is_not_even_read() -> None:
    with pytest.raises(DocumentError, match="longer"):
        SourceText(" " * 10_000_000).value()


JSON = st.recursive(st.none() | st.booleans() | st.text() | st.integers().map(str),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
                    max_leaves=20)


@given(JSON, st.booleans())
def test_every_value_is_found_where_it_stands(value: object, indented: bool) -> None:
    text = json.dumps(value, indent=2 if indented else None)
    source, lines = SourceText(text), text.split("\n")

    def check(part: object, at: str) -> None:
        line, column = source.position(at)
        assert lines[line - 1][column - 1:].startswith(json.dumps(part)[0])
        steps = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for step, inner in steps:
            check(inner, pointer(at, step))

    assert source.value() == value
    check(value, "")
