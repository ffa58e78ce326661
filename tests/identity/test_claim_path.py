"""Paths to claims."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.errors import ConfigurationError
from iam_guard.identity.claim_path import claim_at, split_path
from iam_guard.identity.claims import Claim


@pytest.mark.parametrize(("text", "names"), [
    ("sub", ("sub",)), ("realm_access.roles", ("realm_access", "roles")), ("cognito:groups", ("cognito:groups",)),
    (r"https://aws\.amazon\.com/tags.principal_tags", ("https://aws.amazon.com/tags", "principal_tags")),
    (r"a\\.b", ("a\\", "b")), (r"kubernetes\.io.namespace", ("kubernetes.io", "namespace")),
])
def test_paths(text: str, names: tuple[str, ...]) -> None:
    assert split_path(text) == names


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a\\", r"a\b", "https://aws.amazon.com/tags"])
def test_no_paths(text: str) -> None:
    with pytest.raises(ValueError, match="'"):
        split_path(text)
    with pytest.raises(ConfigurationError):
        Claim(text)


@given(st.lists(st.text("ab.\\:/", min_size=1, max_size=4), min_size=1, max_size=4))
def test_every_name_can_be_written(names: list[str]) -> None:
    text = ".".join(name.replace("\\", "\\\\").replace(".", "\\.") for name in names)
    if "://" not in text:
        assert split_path(text) == tuple(names)


def test_there_is_no_guessing() -> None:
    claims = {"a.b": 1, "a": {"b": 2, "c": {"d": None}, "e": "text"}}
    assert claim_at(claims, ("a", "b")) == 2
    assert claim_at(claims, ("a.b",)) == 1
    assert Claim(("a.b",)).read(claims) == 1
    for absent in (("x",), ("a", "x"), ("a", "c", "d"), ("a", "c", "d", "e"), ("a", "e", "t"), ("a", "b", "c")):
        assert claim_at(claims, absent) is None


def test_otherwise() -> None:
    claim = Claim("uid", otherwise="cid")
    assert claim.read({"uid": "u", "cid": "c"}) == "u"
    assert claim.read({"uid": None, "cid": "c"}) == "c"
    assert claim.read({}) is None
