"""Presets: claims as the providers write them, and the neighbours' claims that must not pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tokens import NOW, ask, authenticator, jwk, jwks, refusal, rsa_key, token

from iam_guard.errors import ConfigurationError
from iam_guard.identity import presets
from iam_guard.identity.claims import Claim
from iam_guard.identity.issuer import Issuer
from iam_guard.model import Principal

TENANT, STRANGER = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "11111111-2b34-4da1-9baa-8bc8c9d6a490"
TIMES = {"iat": NOW - 5, "nbf": NOW - 5, "exp": NOW + 3600}


def offline(issuer: Issuer) -> Issuer:
    """The same issuer with a key at hand instead of a network."""
    return replace(issuer, jwks_url="", keys=jwks(jwk(rsa_key("k1"), "k1")))


def accept(issuer: Issuer, claims: dict[str, Any], **header: Any) -> Principal:
    return ask(authenticator(offline(issuer)), token(TIMES | claims, **header))


def refuse(issuer: Issuer, claims: dict[str, Any], **changes: Any) -> None:
    left = {name: value for name, value in (TIMES | claims | changes).items() if value is not ...}
    refusal(authenticator(offline(issuer)), token(left))


def test_keycloak() -> None:
    issuer = presets.keycloak("https://sso.example/", "main", audience="orders-api", clients=["orders-api"],
                              account="t1")
    claims = {
        "iss": "https://sso.example/realms/main", "aud": ["orders-api", "account"], "typ": "Bearer", "azp": "web",
        "jti": "j",
        "sub": "f:9a:ann", "acr": "1", "scope": "openid email", "sid": "s", "preferred_username": "ann",
        "nonce": "copied",
        "realm_access": {"roles": ["admin", "offline_access"]},
        "resource_access": {"orders-api": {"roles": ["reader"]}, "account": {"roles": ["manage-account"]}},
    }
    found = accept(issuer, claims)
    assert issuer.jwks_url == "https://sso.example/realms/main/protocol/openid-connect/certs"
    assert found.arn == "arn:app:iam::t1:user/f%3A9a%3Aann"
    assert found.groups == tuple(
        f"arn:app:iam::t1:group/{name}" for name in ("realm%3Aadmin", "realm%3Aoffline_access", "orders-api%3Areader"))
    for typ in ("ID", "Refresh", "Offline", ...):
        refuse(issuer, claims, typ=typ)
    refuse(issuer, claims, iss="https://sso.example/realms/other")
    assert accept(issuer, claims | {"realm_access": None, "resource_access": None}).groups == ()


def test_keycloak_clients_whose_roles_could_meet() -> None:
    with pytest.raises(ConfigurationError, match="one group name"):
        presets.keycloak("https://sso.example", "main", audience="a", clients=["realm"])


def test_auth0() -> None:
    issuer = presets.auth0("example.eu.auth0.com", audience="https://api.example", groups_claim="https://example/roles")
    claims = {
        "iss": "https://example.eu.auth0.com/", "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "azp": "client",
        "gty": "password",
        "aud": ["https://api.example", "https://example.eu.auth0.com/userinfo"], "scope": "openid read:orders",
        "permissions": ["read:orders"], "https://example/roles": ["editor"],
    }
    found = accept(issuer, claims)
    assert found.groups == ("arn:app:iam::000000000000:group/editor",)
    assert found.context["jwt:permissions"] == ("read:orders",)
    assert found.context["aws:username"] == "auth0%7C5f7c8ec7c33c6c004bbafe82"
    refuse(issuer, claims, iss="https://example.eu.auth0.com")
    refuse(issuer, claims, aud="client", nonce="n")


COGNITO = {
    "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbC", "sub": "aaaa-bbbb", "token_use": "access",
    "client_id": "app1", "scope": "orders/read", "cognito:groups": ["staff"], "username": "ann", "jti": "j",
    "origin_jti": "o", "event_id": "e", "auth_time": NOW - 5, "version": 2,
}


def test_mw_28_cognito() -> None:
    issuer = presets.cognito("eu-central-1", "eu-central-1_AbC", audience="app1")
    found = accept(issuer, COGNITO)
    assert found.groups == ("arn:app:iam::000000000000:group/staff",)
    assert found.context["jwt:scope"] == ("orders/read",)
    refuse(issuer, COGNITO, client_id="app2")
    refuse(issuer, COGNITO, client_id=...)
    refuse(issuer, COGNITO, token_use="id", aud="app1")
    refuse(issuer, COGNITO, token_use=...)
    refuse(issuer, COGNITO, aud="app2")
    assert accept(issuer, {**COGNITO, "aud": "app1", "client_id": "app2"})


ENTRA = {
    "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0", "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
    "ver": "2.0",
    "tid": TENANT, "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "sub": "HKZpfaHyWadeOouYlitjrI", "azp": "client",
    "azpacr": "0", "scp": "Orders.Read", "name": "Ann", "preferred_username": "ann@example.com", "uti": "u", "rh": "r",
    "groups": ["7c5b4a9e"], "roles": ["Orders.Admin"],
}
ENTRA_API = "6e74172b-be56-4843-9ff4-e66a39bb12e3"


def test_entra() -> None:
    issuer = presets.entra(TENANT, audience=ENTRA_API, account="t1")
    found = accept(issuer, ENTRA)
    assert found.arn == f"arn:app:iam::t1:user/{ENTRA['oid']}"
    assert found.groups == ("arn:app:iam::t1:group/7c5b4a9e",)
    assert found.context["jwt:roles"] == ("Orders.Admin",)
    assert found.context["jwt:scope"] == ("Orders.Read",)
    refuse(issuer, ENTRA, azp=..., nonce="n")
    refuse(issuer, ENTRA, azp=...)
    refuse(issuer, ENTRA, oid=...)


def test_mw_33_entra_tenants_share_their_keys() -> None:
    issuer = presets.entra(TENANT, audience=ENTRA_API)
    refuse(issuer, ENTRA, iss=f"https://login.microsoftonline.com/{STRANGER}/v2.0", tid=STRANGER)
    refuse(issuer, ENTRA, tid=STRANGER)
    refuse(issuer, ENTRA, tid=...)
    refuse(issuer, ENTRA, iss=f"https://sts.windows.net/{TENANT}/")
    for several in ("common", "organizations", "consumers", ""):
        with pytest.raises(ConfigurationError, match="not one tenant"):
            presets.entra(several, audience=ENTRA_API)


def test_mw_39_entra_overage() -> None:
    claims = {name: value for name, value in ENTRA.items() if name != "groups"} | {
        "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x"}}}
    assert accept(presets.entra(TENANT, audience=ENTRA_API), claims).groups is None

    async def resolve(claims: Any) -> list[str]:
        assert claims["oid"] == ENTRA["oid"]
        return ["contractors", "contractors"]

    found = accept(presets.entra(TENANT, audience=ENTRA_API, groups_resolver=resolve), claims)
    assert found.groups == ("arn:app:iam::000000000000:group/contractors",)


def test_okta() -> None:
    issuer = presets.okta("example.okta.com", audience="api://default")
    claims = {"iss": "https://example.okta.com/oauth2/default", "aud": "api://default", "sub": "ann@example.com",
              "ver": 1,
              "jti": "AT.x", "cid": "0oab8om4bars6Y80Z0h7", "uid": "00uid4BxXw6I6TV4m0g3", "scp": ["read", "write"],
              "auth_time": NOW - 9, "groups": ["Everyone"]}
    found = accept(issuer, claims)
    assert found.name == "00uid4BxXw6I6TV4m0g3"
    assert found.context["jwt:scope"] == ("read", "write")
    service = {name: value for name, value in claims.items() if name != "uid"} | {"sub": "0oab8om4bars6Y80Z0h7"}
    assert accept(issuer, service).name == "0oab8om4bars6Y80Z0h7"
    refuse(issuer, claims, cid=...)
    refuse(issuer, claims, uid=..., cid=...)


def test_google() -> None:
    claims = {"iss": "https://accounts.google.com", "azp": "c", "aud": "c.apps.googleusercontent.com",
              "hd": "example.com",
              "sub": "10769150350006150715113082367", "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", "email": "ann@example.com",
              "email_verified": True, "nonce": "n"}
    issuer = presets.google(audience="c.apps.googleusercontent.com", hosted_domain="example.com")
    found = accept(issuer, claims)
    assert found.name == "10769150350006150715113082367"
    assert found.context["jwt:hd"] == "example.com"
    refuse(issuer, claims, hd="evil.example")
    refuse(issuer, claims, hd=...)
    refuse(issuer, claims, aud="other")
    assert accept(presets.google(audience="c.apps.googleusercontent.com"), claims | {"hd": "evil.example"})


KUBERNETES = {
    "iss": "https://kubernetes.default.svc.cluster.local", "aud": ["orders"], "jti": "j",
    "sub": "system:serviceaccount:shop:cart", "kubernetes.io": {
        "namespace": "shop", "node": {"name": "node-1", "uid": "n"}, "pod": {"name": "cart-7d", "uid": "p"},
        "serviceaccount": {"name": "cart", "uid": "s"}, "warnafter": NOW + 3000},
}


def test_kubernetes() -> None:
    issuer = presets.kubernetes(audience="orders", namespaces=["shop"], account="t1", tags={"cluster": "blue"})
    found = accept(issuer, KUBERNETES, typ="JWT")
    assert issuer.jwks_url == "https://kubernetes.default.svc.cluster.local/openid/v1/jwks"
    assert found.arn == "arn:app:iam::t1:user/system%3Aserviceaccount%3Ashop%3Acart"
    assert found.tags == {"namespace": "shop", "serviceaccount": "cart", "cluster": "blue"}
    assert {key: found.context[f"jwt:{key}"] for key in ("namespace", "serviceaccount", "pod", "node")} == {
        "namespace": "shop", "serviceaccount": "cart", "pod": "cart-7d", "node": "node-1"}
    refuse(issuer, KUBERNETES, aud=["https://kubernetes.default.svc.cluster.local"])
    refuse(issuer, KUBERNETES, **{"kubernetes.io": {"namespace": "other"}})
    refuse(issuer, KUBERNETES, **{"kubernetes.io": ...})
    role = presets.kubernetes(audience="orders", role=Claim(("kubernetes.io", "serviceaccount", "name"), prefix="sa-"))
    assert accept(role, KUBERNETES).role_arn == "arn:app:iam::000000000000:role/sa-cart"


GITHUB = {
    "iss": "https://token.actions.githubusercontent.com", "aud": "orders", "jti": "j", "ref": "refs/heads/main",
    "sub": "repo:octo-org/octo-repo:environment:prod", "environment": "prod", "repository": "octo-org/octo-repo",
    "repository_owner": "octo-org", "repository_owner_id": "65", "repository_id": "74", "actor": "octocat",
    "sha": "abc",
    "actor_id": "12", "run_id": "1", "run_number": "10", "run_attempt": "2", "event_name": "push", "ref_type": "branch",
    "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main", "workflow": "deploy",
    "runner_environment": "github-hosted", "repository_visibility": "private",
}


def test_github_actions() -> None:
    issuer = presets.github_actions(audience="orders", owners=["octo-org"], role="deployer", account="t1")
    found = accept(issuer, GITHUB)
    assert found.role_arn == "arn:app:iam::t1:role/deployer"
    assert found.arn == "arn:app:sts::t1:assumed-role/deployer/repo%3Aocto-org%2Focto-repo%3Aenvironment%3Aprod"
    for name in ("repository", "ref", "environment", "actor", "job_workflow_ref"):
        assert found.context[f"jwt:{name}"] == GITHUB[name]
    refuse(issuer, GITHUB, repository_owner="evil-org")
    refuse(issuer, GITHUB, repository_owner=["octo-org"])
    refuse(issuer, GITHUB, repository_owner=...)
    with pytest.raises(ConfigurationError, match="no owner is trusted"):
        presets.github_actions(audience="orders", owners=[])
    assert presets.github_actions(audience="orders", owners="octo-org").requirements == issuer.requirements


def test_several_providers_side_by_side() -> None:
    authenticator(presets.entra(TENANT, audience=ENTRA_API, account="t1"), presets.google(audience="c", account="t2"),
                  presets.github_actions(audience="o", owners=["octo-org"], account="t1"))
    with pytest.raises(ConfigurationError, match="same names"):
        authenticator(presets.entra(TENANT, audience=ENTRA_API), presets.google(audience="c"))
