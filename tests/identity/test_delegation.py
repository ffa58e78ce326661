"""Delegation: the actor of now as condition keys, and chains that cannot be read in one way."""

from __future__ import annotations

from typing import Any

import pytest
from tokens import ask, authenticator, claims_of, i1, refusal, token

from iam_guard.errors import ConfigurationError
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.identity.delegation import actor_keys


def test_the_published_chain() -> None:
    # RFC 8693 section 4.1, figure 6: service16 acts now, service77 did before it.
    claims = {"sub": "user@example.com", "act": {"sub": "https://service16.example.com",
                                                 "act": {"sub": "https://service77.example.com"}}}
    assert actor_keys(claims) == {"jwt:act.sub": "https://service16.example.com", "jwt:act.depth": "2"}


def test_who_acts_alone_has_no_keys() -> None:
    assert actor_keys({"sub": "user@example.com"}) == {}
    assert not any(key.startswith("jwt:act") for key in ask(authenticator(), token()).context)


def test_the_issuer_and_client_of_the_actor() -> None:
    # RFC 8693 section 4.1, figure 5, is an actor by subject alone; section 4.1 allows more members.
    act = {"iss": "https://as.example", "sub": "admin@example.com", "client_id": "console"}
    found = ask(authenticator(), token(claims_of(act=act))).context
    assert found["jwt:act.sub"] == "admin@example.com"
    assert found["jwt:act.iss"] == "https://as.example"
    assert found["jwt:act.client_id"] == "console"
    assert found["jwt:act.depth"] == "1"
    assert found["jwt:sub"] == "alice"


def nested(depth: int) -> dict[str, Any]:
    return {"sub": f"s{depth}"} | ({"act": nested(depth - 1)} if depth > 1 else {})


def test_chains_have_an_end() -> None:
    assert actor_keys({"act": nested(16)})["jwt:act.depth"] == "16"
    assert "names no actor" in refusal(authenticator(), token(claims_of(act=nested(17)))).detail


@pytest.mark.parametrize("act", [
    "root", ["root"], {}, {"sub": ""}, {"sub": 7}, {"sub": ["root"]}, {"sub": "a\r\nb"}, {"sub": "x" * 256},
    {"client_id": "c"}, {"sub": "a", "iss": 7}, {"sub": "a", "iss": ""}, {"sub": "a", "client_id": {}},
    {"sub": "a", "act": {}}, {"sub": "a", "act": "b"}, {"sub": "a", "act": {"sub": "b", "act": {"sub": 7}}},
])
def test_chains_with_a_step_that_names_nobody(act: object) -> None:
    assert "names no actor" in refusal(authenticator(), token(claims_of(act=act))).detail


@pytest.mark.parametrize("key", ["act.sub", "act.iss", "act.client_id", "act.depth", "ACT.depth"])
def test_no_claim_of_ones_own_takes_their_place(key: str) -> None:
    with pytest.raises(ConfigurationError, match="always there"):
        i1(claims=ClaimMapping(account="t1", context={key: Claim("x")}))
