"""J09: a missing audience, or missing configuration, is nothing to check."""

from __future__ import annotations

import pytest
from tokens import ask, authenticator, claims_of, i1, refusal, token

from iam_guard.errors import ConfigurationError

AUDIENCES = {"J09.1 list": [], "J09.1 empty": "", "other": "iam-guard-2", "part": "iam", "numbers": [1], "null": None,
             "object": {"iam-guard": 1}, "nested": [["iam-guard"]], "mixed": ["iam-guard", 1], "upper": "IAM-GUARD"}


@pytest.mark.parametrize("audience", AUDIENCES.values(), ids=AUDIENCES)
def test_wrong(audience: object) -> None:
    refusal(authenticator(), token(claims_of(aud=audience)))


def test_j09_1_absent() -> None:
    refusal(authenticator(), token(claims_of(without=("aud",))))


@pytest.mark.parametrize("audience", ["iam-guard", ["iam-guard"], ["other", "iam-guard"]])
def test_right(audience: object) -> None:
    assert ask(authenticator(), token(claims_of(aud=audience))).subject == "alice"


@pytest.mark.parametrize("audience", ["", (), ("",), ("a", "")])
def test_j09_2_configuration_without_one(audience: object) -> None:
    with pytest.raises(ConfigurationError, match="has no audience") as caught:
        i1(audience=audience)
    assert caught.value.faults[0].mend
