"""The conformance cases about roles, asked of the token service itself instead of the engine alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tokens import NOW, compact, jwk, jwks, rsa_key, signer
from world import World

from iam_guard.directory.entities import Role, User
from iam_guard.errors import TokenServiceError
from iam_guard.identity.issuer import Issuer
from iam_guard.model import Principal, PrincipalKind
from iam_guard.sts.parameters import AssumeRole, AssumeRoleWithWebIdentity
from iam_guard.sts.web_identity import WebIdentities, WebIdentity, WebIdentityProvider

PLACE = Path(__file__).parents[1] / "conformance"
LINES = [json.loads(line) for name in ("cases.jsonl", "user-cases.jsonl")
         for line in (PLACE / name).read_text("utf-8").splitlines()]
CASES = [case for case in LINES if case.get("request", {}).get("action", "").startswith("sts:")]


def test_there_are_cases() -> None:
    assert {case["request"]["action"] for case in CASES} == {
        "sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:TagSession"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_case(case: dict[str, Any]) -> None:
    world = World()
    target = case["request"]["resource"]
    world.put(Role(account=target.split(":")[4], name=target.rsplit("/", 1)[1], arn=target, id="AROAT",
                   trust=json.dumps(case["resourcePolicy"])))
    expected = case.get("verdict") or case["expect"]
    assert _verdict(world, case) == expected


def _verdict(world: World, case: dict[str, Any]) -> str:
    target, action = case["request"]["resource"], case["request"]["action"]
    try:
        if action == "sts:AssumeRoleWithWebIdentity":
            world.service.assume_role_with_web_identity(
                _web_identity(world, case), AssumeRoleWithWebIdentity(role_arn=target, role_session_name="s1"))
        else:
            tags = {"team": "red"} if action == "sts:TagSession" else {}
            world.service.assume_role(_user(world, case), AssumeRole(
                role_arn=target, role_session_name="s1", tags=tags))
    except TokenServiceError as refusal:
        return str(refusal.decision.verdict) if refusal.decision is not None else refusal.code
    return "allowed"


def _user(world: World, case: dict[str, Any]) -> Principal:
    name = case["principal"]
    inline = {str(number): json.dumps(one) for number, one in enumerate(case["identityPolicies"])}
    world.put(User(account=name.split(":")[4], name=name.rsplit("/", 1)[1], arn=name, id="AIDAUSER", inline=inline))
    return Principal(PrincipalKind.USER, name, name.split(":")[4], unique_id="AIDAUSER")


def _web_identity(world: World, case: dict[str, Any]) -> WebIdentity:
    account, host = case["principal"].split(":")[4], case["principal"].split("/", 1)[1]
    told = {key.removeprefix(f"{host}:"): value for key, value in case["request"]["contextVariables"].items()}
    issuer = Issuer(f"https://{host}", audience=told["aud"], algorithms=("RS256",), id_tokens=True,
                    keys=jwks(jwk(rsa_key("k1"), "k1")))
    claims = {"iss": issuer.issuer, "iat": NOW - 10, "exp": NOW + 600, **told}
    token = compact({"alg": "RS256", "kid": "k1"}, claims, signer(rsa_key("k1"), "RS256"))
    return asyncio.run(WebIdentities([WebIdentityProvider(issuer, frozenset({account}))], clock=world.clock)
                       .verify(token.encode()))
