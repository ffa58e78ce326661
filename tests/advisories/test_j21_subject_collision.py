"""J21: a subject is unique inside its issuer only."""

from __future__ import annotations

from typing import Any

import pytest
from tokens import IDP, PARTNER, ask, authenticator, claims_of, ec_key, i1, i2, refusal, token

from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.model import AuthorizationRequest, Principal


def partner_token(subject: str = "alice") -> str:
    return token(claims_of(subject, iss=PARTNER), key=ec_key("e1"), alg="ES256", kid="e1")


def test_j21_1_the_same_subject_of_another_issuer_is_somebody_else() -> None:
    policies = PolicySet.from_json(
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "app:*", "Resource": "*"}}'
    )

    def may(principal: Principal) -> bool:
        item = "arn:iamg:items:eu:t1:item/1"
        return policies.evaluate(AuthorizationRequest(principal, "app:GetItem", item, principal.context)).allowed

    ours, theirs = ask(authenticator(), token()), ask(authenticator(), partner_token())
    assert (ours.account, ours.issuer, ours.subject) == ("t1", IDP, "alice")
    assert (theirs.account, theirs.issuer, theirs.subject) == ("t2", PARTNER, "alice")
    assert ours.arn != theirs.arn
    assert may(ours)
    assert not may(theirs)


SHARED = {
    "both plain": ({}, {}),
    "one prefix begins the other": ({}, {"name_prefix": "partner-"}),
    "account from a claim": ({}, {"account": Claim("tenant")}),
    "one role": ({"role": "reader"}, {"role": "reader", "path": "/partner/"}),
    "role from a claim": ({"role": "reader"}, {"role": Claim("role")}),
    "groups": ({"groups": (Claim("groups"),), "role": "a"}, {"groups": (Claim("roles"),), "role": "b"}),
}
APART = {
    "accounts": ({}, {"account": "t2"}),
    "paths": ({}, {"path": "/partner/"}),
    "prefixes": ({"name_prefix": "idp-"}, {"name_prefix": "partner-"}),
    "user and role": ({}, {"role": "reader"}),
    "roles": ({"role": "a"}, {"role": "b"}),
    "on purpose": ({}, {"shares_names": True}),
    "groups with prefixes": ({"groups": (Claim("groups", prefix="a:"),), "role": "a"},
                             {"groups": (Claim("groups", prefix="b:"),), "role": "b"}),
}


@pytest.mark.parametrize(("one", "other"), SHARED.values(), ids=SHARED)
def test_two_issuers_cannot_make_one_name(one: dict[str, Any], other: dict[str, Any]) -> None:
    for first, second in ((one, other), (other, one)):
        with pytest.raises(ConfigurationError, match="can make the same names"):
            authenticator(i1(claims=ClaimMapping(**{"account": "t1"} | first)),
                          i2(claims=ClaimMapping(**{"account": "t1"} | second)))


@pytest.mark.parametrize(("one", "other"), APART.values(), ids=APART)
def test_two_issuers_that_cannot_meet(one: dict[str, Any], other: dict[str, Any]) -> None:
    authenticator(i1(claims=ClaimMapping(**{"account": "t1"} | one)),
                  i2(claims=ClaimMapping(**{"account": "t1"} | other)))


def test_one_issuer_is_configured_once() -> None:
    with pytest.raises(ConfigurationError, match="configured twice"):
        authenticator(i1(), i1())


EMAIL = i1(claims=ClaimMapping(account="t1", name=Claim("email"), email_domains=("company.example",)))
ADDRESSES = {
    "J21.2": "root@evil.example@company.example", "other domain": "root@evil.example",
    "upper part": "root@company.example.evil",
    "sub-domain": "root@x.company.example", "suffix": "root@evilcompany.example", "no local part": "@company.example",
    "quoted": '"root@evil.example"@company.example', "space": "root @company.example", "none": "company.example",
    "list": ["root@company.example"], "absent": None, "trailing dot": "root@company.example.",
    "other letters": "root@comp\u0430ny.example", "newline": "root@company.example\n",
}


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_j21_2_addresses_that_are_nobody(address: object) -> None:
    refusal(authenticator(EMAIL), token(claims_of(email=address, email_verified=True)))


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_has_to_be_verified(verified: object) -> None:
    refusal(authenticator(EMAIL), token(claims_of(email="ann@company.example", email_verified=verified)))
    refusal(authenticator(EMAIL), token(claims_of(email="ann@company.example")))


def test_a_verified_address_of_the_domain() -> None:
    found = ask(authenticator(EMAIL), token(claims_of(email="ann@company.example", email_verified=True)))
    assert found.arn == "arn:app:iam::t1:user/ann@company.example"
    assert found.subject == "alice"


@pytest.mark.parametrize("claim", ["email", "preferred_username", "upn", "name"])
def test_changeable_claims_are_no_names_unless_vouched_for(claim: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClaimMapping(name=Claim(claim))
    assert caught.value.faults[0].mend
    with pytest.raises(ConfigurationError):
        ClaimMapping(name=Claim("oid", otherwise=claim))


def test_an_issuer_that_vouches() -> None:
    door = authenticator(i1(claims=ClaimMapping(account="t1", name=Claim("preferred_username"), trust_name=True)))
    assert ask(door, token(claims_of(preferred_username="ann"))).name == "ann"


@pytest.mark.parametrize("account", [
    "anonymous", "AWS", "aws", "*", "t1:user/root", "", "t1/x", "t?", 7, ["t1", "t2"], {"t1": 1}, None, "t1\n",
])
def test_a_claim_makes_no_built_in_or_broken_account(account: object) -> None:
    door = authenticator(i1(claims=ClaimMapping(account=Claim("tenant"))))
    refusal(door, token(claims_of(tenant=account)))
    refusal(door, token(claims_of()))
    assert ask(door, token(claims_of(tenant="t1"))).account == "t1"


def test_nobody_becomes_root_by_name() -> None:
    found = ask(authenticator(), token(claims_of("root")))
    assert found.arn == "arn:app:iam::t1:user/root"
    assert found.context["aws:principaltype"] == "User"
