"""Middleware cases of tokens, as they show at the door; what claims do in detail is tested in tests/identity."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cases import ISSUER, door, echo, everyone, trusting, with_token
from driver import call
from fixture_app import (
    NOW,
    SECRETS,
    Guarded,
    statement,
)

from iam_guard.guard import Guard
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.model import entity_name


def test_mw_28_a_missing_audience_is_not_nothing_to_check() -> None:
    auth = trusting(audience="app1", audience_claims=("aud", "client_id"), required_claims={"token_use": "access"})
    guarded = door(echo, authenticator=auth)

    def status(**claims: Any) -> int:
        return call(guarded, "GET", "/x", with_token(**{"aud": None, "token_use": "access", **claims})).status

    def without_aud(**claims: Any) -> list[tuple[str, str]]:
        payload = {"iss": ISSUER, "sub": "u", "iat": NOW.timestamp(), "exp": NOW.timestamp() + 60,
                   "token_use": "access", **claims}
        return [("Authorization", f"Bearer {jwt.encode(payload, SECRETS[ISSUER], 'HS256')}")]

    assert call(guarded, "GET", "/x", without_aud(client_id="app1")).status == 200
    assert call(guarded, "GET", "/x", without_aud(client_id="app2")).status == 401
    assert call(guarded, "GET", "/x", without_aud()).status == 401
    assert call(guarded, "GET", "/x", without_aud(client_id="app1", token_use="id")).status == 401
    assert status() == 401


# mw-30, mw-31 (key sets), mw-33 (Entra tenants) and mw-35 (two issuers): tests/identity


@pytest.mark.parametrize(("header", "issuer"), [
    ({"alg": "HS256"}, "https://partner.example"), ({"alg": "none"}, ISSUER)])
def test_mw_35_an_issuers_own_keys_and_algorithms(header: dict[str, str], issuer: str) -> None:
    payload = {"iss": ISSUER, "aud": "iam-guard", "sub": "alice", "iat": NOW.timestamp(), "exp": NOW.timestamp() + 60}
    key = None if header["alg"] == "none" else SECRETS[issuer]
    forged = jwt.encode(payload, key, header["alg"])
    assert call(Guarded().app, "GET", "/items/1", [("Authorization", f"Bearer {forged}")]).status == 401


GROUPED = trusting(claims=ClaimMapping(groups=(Claim("realm_access.roles", prefix="realm:"),
                                               Claim("resource_access.orders-api.roles", prefix="orders-api:"))))


def of_group(name: str) -> dict[str, list[dict[str, Any]]]:
    return {f"arn:app:iam::000000000000:group/{entity_name(name)}": [statement("Allow", "app:Get", "*")]}


@pytest.mark.parametrize(("group", "status"), [
    ("realm:admin", 200), ("realm:offline_access", 200), ("orders-api:reader", 200),
    ("realm:reader", 403), ("orders-api:admin", 403), ("orders-api:manage-account", 403), ("manage-account", 403)])
def test_mw_36_nested_roles(group: str, status: int) -> None:
    only = everyone(statement("Allow", "other:*", "*"), groups=of_group(group))
    guarded = door(echo, guard=Guard(only, clock=lambda: NOW), authenticator=GROUPED)
    headers = with_token(realm_access={"roles": ["admin", "offline_access"]}, resource_access={
        "orders-api": {"roles": ["reader"]}, "account": {"roles": ["manage-account"]}})
    assert call(guarded, "GET", "/x", headers).status == status


@pytest.mark.parametrize(("claims", "statuses"), [
    ({}, (403,)), ({"roles": None}, (403,)), ({"roles": {"a": 1}}, (401, 403)), ({"roles": "admin"}, (200,)),
    ({"roles": ["a", "d", "m", "i", "n"]}, (403,))])
def test_mw_38_roles_that_are_absent_or_odd(claims: dict[str, Any], statuses: tuple[int, ...]) -> None:
    auth = trusting(claims=ClaimMapping(groups=(Claim("roles"),)))
    only = everyone(statement("Allow", "other:*", "*"), groups=of_group("admin"))
    guarded = door(echo, guard=Guard(only, clock=lambda: NOW), authenticator=auth)
    assert call(guarded, "GET", "/x", with_token(**claims)).status in statuses


def test_mw_39_unknown_groups_are_not_no_groups() -> None:
    auth = trusting(claims=ClaimMapping(groups=(Claim("groups"),)))
    overage = with_token(_claim_names={"groups": "src1"}, _claim_sources={"src1": {"endpoint": "https://g.example"}})
    barred = {"arn:app:iam::000000000000:group/contractors": [statement("Deny", "app:*", "*")]}
    with_groups = everyone(statement("Allow", "app:*", "*"), groups=barred)
    answer = call(door(echo, guard=Guard(with_groups, clock=lambda: NOW), authenticator=auth), "GET", "/x", overage)
    assert answer.status == 403
    assert "groups" in answer.json()["detail"]
    without_groups = Guard(everyone(statement("Allow", "app:*", "*")), clock=lambda: NOW)
    assert call(door(echo, guard=without_groups, authenticator=auth), "GET", "/x", overage).status == 200


@pytest.mark.parametrize("claims", [
    {"scope": "read:orders write:orders"}, {"scp": "read:orders write:orders"},
    {"scp": ["read:orders", "write:orders"]}, {"scope": ["read:orders write:orders"]}])
def test_mw_40_every_spelling_of_scopes(claims: dict[str, Any]) -> None:
    needs = statement("Allow", "app:Get", "*", Condition={"ForAnyValue:StringEquals": {"jwt:scope": "read:orders"}})
    assert call(door(echo, needs), "GET", "/x", with_token(**claims)).status == 200
    assert call(door(echo, needs), "GET", "/x", with_token(scope="read:other")).status == 403


CLAIMS = trusting(claims=ClaimMapping(context=("project", "vip_until", "tags", "nested", "aws:SourceIp", "username")))


@pytest.mark.parametrize(("condition", "status"), [
    ({"StringEquals": {"jwt:project": "p1"}}, 200),
    ({"NumericGreaterThan": {"jwt:vip_until": "1767225599"}}, 200),
    ({"DateGreaterThan": {"jwt:vip_until": "2025-12-31T23:59:59Z"}}, 200),
    ({"ForAnyValue:StringEquals": {"jwt:tags": "b"}}, 200),
    ({"Null": {"jwt:nested": "true"}}, 200),
    ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, 403),
    ({"StringEquals": {"aws:username": "root"}}, 403),
])
def test_mw_43_claims_in_conditions(condition: dict[str, Any], status: int) -> None:
    headers = with_token(project="p1", vip_until=1767225600, tags=["a", "b"], nested={"x": 1},
                         **{"aws:SourceIp": "10.0.0.1", "username": "root"})
    guarded = door(echo, statement("Allow", "app:Get", "*", Condition=condition), authenticator=CLAIMS)
    assert call(guarded, "GET", "/x", headers).status == status
