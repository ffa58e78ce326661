"""What a condition key may be given (language specification, section 4.8)."""

from __future__ import annotations

from typing import Any

import pytest

from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.model import Principal, normalise_context

OWNER_ONLY = """{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*",
    "Condition": {"StringEquals": {"d:Owner": "${aws:username}"}}}}"""


@pytest.mark.parametrize("value", [None, object(), b"ann", {"a": "b"}, [None]])
def test_what_is_no_value_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        normalise_context({"d:Owner": value})


def test_an_owner_that_is_none_is_nobody_of_that_name() -> None:
    guard = Guard(PolicySet.from_json(OWNER_ONLY))
    decision = guard.authorize(Principal.user("None"), "d:Get", "d:x/1", context={"d:Owner": None})  # type: ignore[dict-item]
    assert not decision
    assert decision.error
