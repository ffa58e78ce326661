"""J24: a token bound to a key, used without it."""

from __future__ import annotations

import pytest
from tokens import authenticator, claims_of, refusal, token


@pytest.mark.parametrize("cnf", [{"jkt": "0ZcOCORZNYy"}, {"x5t#S256": "x"}, {"jwk": {}}, {}, None, "x"])
def test_j24_1(cnf: object) -> None:
    assert "bound" in refusal(authenticator(), token(claims_of(cnf=cnf))).description
