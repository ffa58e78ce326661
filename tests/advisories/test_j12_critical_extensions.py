"""J12: an extension that must be understood is ignored."""

from __future__ import annotations

import pytest
from tokens import authenticator, refusal, token

HEADERS = {
    "J12.1": {"crit": ["x-mfa"], "x-mfa": True},
    "empty list": {"crit": []},
    "known to PyJWT": {"crit": ["b64"], "b64": True},
    "null": {"crit": None},
    "unencoded payload": {"b64": False},
    "compressed": {"zip": "DEF"},
}


@pytest.mark.parametrize("members", HEADERS.values(), ids=HEADERS)
def test_refused(members: dict[str, object]) -> None:
    refusal(authenticator(), token(**members))
