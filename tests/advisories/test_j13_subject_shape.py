"""J13 and H09.2: what is a subject."""

from __future__ import annotations

import pytest
from tokens import ask, authenticator, claims_of, refusal, token

SUBJECTS = {
    "J13.1 number": 42, "J13.1 list": ["alice"], "J13.2": "", "null": None, "true": True, "object": {"a": 1},
    "NUL": "ali\u0000ce", "H09.2": "a\r\nX-IAM-Role: root", "tab": "a\tb", "C1 control": "a\u0085b",
    "line separator": "a\u2028b", "lone surrogate": "\ud800", "256 bytes": "a" * 256,
    "256 bytes in fewer letters": "é" * 128,
}


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_not_one(subject: object) -> None:
    refusal(authenticator(), token(claims_of(subject)))


def test_absent() -> None:
    refusal(authenticator(), token(claims_of(without=("sub",))))


@pytest.mark.parametrize("subject", ["a" * 255, "Zoë", "auth0|5f7", "user/root", "*", "${aws:username}", "a:b"])
def test_one_that_stays_one_name(subject: str) -> None:
    principal = ask(authenticator(), token(claims_of(subject)))
    name = principal.arn.removeprefix("arn:app:iam::t1:user/")
    assert principal.subject == subject
    assert not set(name) & set("/*?:${}")
