"""Sessions for tokens of other issuers: table W, and what a provider may and may not say (6.11, 6.5, 6.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tokens import NOW, FakeClock, compact, jwk, jwks, rsa_key, signer
from world import A, B, World, arn, trust

from iam_guard.errors import ConfigurationError, TokenServiceError, UnavailableError
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.issuer import Issuer
from iam_guard.model import Principal
from iam_guard.sts.grant import Grant
from iam_guard.sts.parameters import AssumeRoleWithWebIdentity
from iam_guard.sts.web_identity import WebIdentities, WebIdentityProvider

PROVIDER = f"arn:aws:iam::{A}:oidc-provider/idp.example"
ACTION = "sts:AssumeRoleWithWebIdentity"
TAGS, SOURCE = "https://aws.amazon.com/tags", "https://aws.amazon.com/source_identity"


def provider(url: str = "https://idp.example", **more: Any) -> WebIdentityProvider:
    issuer = Issuer(url, audience=("app", "other"), algorithms=("RS256",), keys=jwks(jwk(rsa_key("k1"), "k1")),
                    id_tokens=True, claims=ClaimMapping(context=("repository",)))
    return WebIdentityProvider(issuer, **{"accounts": frozenset({A}), **more})


def id_token(*, key: str = "k1", **claims: Any) -> bytes:
    whole = {"iss": "https://idp.example", "sub": "repo:org/app", "aud": "app", "iat": NOW - 10, "exp": NOW + 600}
    return compact({"alg": "RS256", "kid": "k1"}, whole | claims, signer(rsa_key(key), "RS256")).encode()


def assume(world: World, token: bytes, *, providers: tuple[WebIdentityProvider, ...] = (), account: str = A,
           **wanted: Any) -> Grant:
    identities = WebIdentities(providers or (provider(),), clock=world.clock)
    identity = asyncio.run(identities.verify(token))
    return world.service.assume_role_with_web_identity(identity, AssumeRoleWithWebIdentity(
        role_arn=arn("role", "T", account), **{"role_session_name": "ci", **wanted}))


def outcome(world: World, token: bytes, **more: Any) -> str:
    try:
        assume(world, token, **more)
    except TokenServiceError as refusal:
        return refusal.code
    return "ok"


FOR_APP = {"StringEquals": {"idp.example:aud": "app"}}


@pytest.mark.parametrize(("row", "principal", "action", "condition", "audience", "expected"), [
    ("W1", {"Federated": PROVIDER}, ACTION, FOR_APP, "app", "ok"),
    ("W2", {"Federated": PROVIDER}, ACTION, FOR_APP, "other", "AccessDenied"),
    ("W2 no client id", {"Federated": PROVIDER}, ACTION, FOR_APP, "stranger", "InvalidIdentityToken"),
    ("W3", "*", ACTION, None, "app", "AccessDenied"),
    ("W3 signed", {"AWS": "*"}, ACTION, None, "app", "AccessDenied"),
    ("W4", {"Federated": PROVIDER}, "sts:AssumeRole", None, "app", "AccessDenied"),
    ("another provider", {"Federated": f"{PROVIDER}2"}, ACTION, None, "app", "AccessDenied"),
])
def test_whom_a_role_trusts(world: World, row: str, principal: Any, action: str, condition: Any, audience: str,
                            expected: str) -> None:
    world.role("T", trust(principal, action, condition))
    assert outcome(world, id_token(aud=audience)) == expected


@pytest.mark.parametrize(("condition", "expected"), [
    ({"StringLike": {"idp.example:sub": "repo:org/*"}}, "ok"),
    ({"StringLike": {"idp.example:sub": "repo:other/*"}}, "AccessDenied"),
    ({"StringEquals": {"idp.example:repository": "org/app"}}, "ok"),
    ({"StringEquals": {"idp.example:azp": "app"}}, "AccessDenied"),
    ({"StringEquals": {"sts:RoleSessionName": "ci"}}, "ok"),
    ({"NumericLessThanEquals": {"sts:DurationSeconds": "900"}}, "AccessDenied"),
])
def test_what_a_trust_policy_can_ask(world: World, condition: Any, expected: str) -> None:
    world.role("T", trust({"Federated": PROVIDER}, ACTION, condition))
    assert outcome(world, id_token(repository="org/app")) == expected


@pytest.mark.parametrize(("token", "expected"), [
    (id_token(exp=NOW - 100), "ExpiredTokenException"), (id_token(key="k2"), "InvalidIdentityToken"),
    (id_token(nbf=NOW + 300), "InvalidIdentityToken"), (id_token(iss="https://evil.example"), "InvalidIdentityToken"),
    (id_token(cnf={"jkt": "x" * 43}), "InvalidIdentityToken"), (b"no.token.this", "InvalidIdentityToken"),
    (id_token(**{TAGS: {"principal_tags": {"team": ["a", "b"]}}}), "InvalidIdentityToken"),
    (id_token(**{TAGS: {"principal_tags": {"team": []}}}), "InvalidIdentityToken"),
    (id_token(**{TAGS: "team"}), "InvalidIdentityToken"), (id_token(**{SOURCE: ["x"]}), "InvalidIdentityToken"),
])
def test_a_token_is_checked_before_any_policy(world: World, token: bytes, expected: str) -> None:
    world.role("T", trust({"Federated": PROVIDER}, ACTION))
    assert outcome(world, token) == expected


def test_an_unknown_role_reads_like_one_that_trusts_others(world: World) -> None:
    messages = []
    for trusted in ("", f"{PROVIDER}2"):
        if trusted:
            world.role("T", trust({"Federated": trusted}, ACTION))
        with pytest.raises(TokenServiceError) as caught:
            assume(world, id_token())
        messages.append((caught.value.code, str(caught.value)))
    assert messages[0] == messages[1]


def test_a_provider_speaks_in_its_own_accounts_alone(world: World) -> None:
    elsewhere = f"arn:aws:iam::{B}:oidc-provider/idp.example"
    world.role("T", trust({"Federated": [elsewhere, PROVIDER]}, ACTION), account=B)
    assert outcome(world, id_token(), account=B) == "AccessDenied"
    assert outcome(world, id_token(), account=B, providers=(provider(accounts=frozenset({B})),)) == "ok"


def test_what_the_session_keeps(world: World, enter: Callable[[Grant], Principal]) -> None:
    role = world.role("T", trust({"Federated": PROVIDER}, ACTION), path="/ci/")
    identities = WebIdentities((provider(),), clock=world.clock)
    identity = asyncio.run(identities.verify(id_token(repository="org/app", amr=["mfa"])))
    who = enter(world.service.assume_role_with_web_identity(identity, AssumeRoleWithWebIdentity(
        role_arn=role.arn, role_session_name="ci")))
    assert who.arn == f"arn:aws:sts::{A}:assumed-role/T/ci"
    assert who.context["aws:federatedprovider"] == PROVIDER
    assert who.context["idp.example:sub"] == "repo:org/app"
    assert (who.context["idp.example:aud"], who.context["idp.example:amr"]) == ("app", "mfa")
    assert "idp.example:repository" not in who.context


PASSES = {TAGS: {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]}, SOURCE: "ada"}


def test_tags_and_a_source_identity_come_with_the_token(world: World, enter: Callable[[Grant], Principal]) -> None:
    world.role("T", trust({"Federated": PROVIDER}, [ACTION, "sts:TagSession", "sts:SetSourceIdentity"], {
        "StringEquals": {"aws:RequestTag/team": "red", "sts:SourceIdentity": "ada"},
        "ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": "team"}}))
    who = enter(assume(world, id_token(**PASSES)))
    assert (who.context["aws:principaltag/team"], who.context["aws:sourceidentity"]) == ("red", "ada")
    world.role("T2", trust({"AWS": arn("role", "T")}, ["sts:AssumeRole", "sts:SetSourceIdentity"]))
    assert enter(world.assume(who, "T2")).context["aws:principaltag/team"] == "red"


@pytest.mark.parametrize(("lacking", "actions"), [
    ("sts:TagSession", [ACTION, "sts:SetSourceIdentity"]), ("sts:SetSourceIdentity", [ACTION, "sts:TagSession"])])
def test_each_takes_its_own_permission(world: World, lacking: str, actions: list[str]) -> None:
    world.role("T", trust({"Federated": PROVIDER}, actions))
    with pytest.raises(TokenServiceError, match=lacking):
        assume(world, id_token(**PASSES))


def test_tags_cannot_be_passed_beside_the_token(world: World) -> None:
    world.role("T", trust({"Federated": PROVIDER}, [ACTION, "sts:TagSession"]))
    assert outcome(world, id_token(), tags={"team": "red"}) == "ValidationError"


def test_google_names_the_application_in_azp(world: World) -> None:
    google = provider("https://accounts.google.com")
    world.role("T", trust({"Federated": "accounts.google.com"}, ACTION, {
        "StringEquals": {"accounts.google.com:aud": "phone", "accounts.google.com:oaud": "app"}}))
    token = id_token(iss="https://accounts.google.com", azp="phone")
    assert outcome(world, token, providers=(google,)) == "ok"


def test_keys_out_of_reach(world: World) -> None:
    world.role("T", trust({"Federated": PROVIDER}, ACTION))

    class Silent:
        async def read(self, token: bytes) -> None:
            raise UnavailableError("no keys")

    identities = WebIdentities((provider(),), clock=FakeClock())
    identities._readers["https://idp.example"] = Silent()  # type: ignore[assignment]
    with pytest.raises(TokenServiceError) as caught:
        asyncio.run(identities.verify(id_token()))
    assert caught.value.code == "IDPCommunicationError"


@pytest.mark.parametrize("name", ["aws", "https://aws", "https://sts:443", "https://AWS/x", "https://", "kubernetes/x"])
def test_a_provider_makes_no_keys_of_ours(name: str) -> None:
    with pytest.raises(ConfigurationError):
        provider(name)
