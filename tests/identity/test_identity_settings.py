"""Issuers from plain settings."""

from __future__ import annotations

from typing import Any

import pytest
from tokens import jwk, jwks, rsa_key

from iam_guard.errors import ConfigurationError
from iam_guard.identity import presets
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.settings import PRESETS, read_issuer, read_mapping


def test_an_issuer() -> None:
    found = read_issuer({
        "issuer": "https://idp.example", "audience": ["a", "b"], "algorithms": ["RS256"], "discovery": True,
        "leeway": 10,
        "token_types": ["at+jwt"], "required_claims": {"tid": "t", "use": ["a", "b"]},
        "claims": {"account": {"claim": "tenant"}, "name": {"claim": "oid"}, "context": ["project"],
                   "groups": [{"claim": "realm_access.roles", "prefix": "realm:"}],
                   "tags": {"source": "idp", "team": {"claim": ["https://a.b/tags", "team"]}}},
    })
    assert found == Issuer(
        "https://idp.example", audience=("a", "b"), algorithms=("RS256",), discovery=True, leeway=10.0,
        token_types=("at+jwt",), required_claims={"tid": "t", "use": ("a", "b")},
        claims=ClaimMapping(account=Claim("tenant"), name=Claim("oid"), context=("project",),
                            groups=(Claim("realm_access.roles", prefix="realm:"),),
                            tags={"source": "idp", "team": Claim(("https://a.b/tags", "team"))}))


def test_inline_keys() -> None:
    found = read_issuer({"issuer": "i", "audience": "a", "algorithms": ["RS256"], "keys": jwks(jwk(rsa_key(), "k"))})
    assert found.inline_keys is not None


def test_a_mapping() -> None:
    assert read_mapping({"role": "reader", "context": {"x": {"claim": "nested.x"}}}) == ClaimMapping(
        role="reader", context={"x": Claim("nested.x")})


OPTIONS: dict[str, dict[str, Any]] = {
    "keycloak": {"base_url": "https://sso.example", "realm": "main", "clients": ["orders"]},
    "auth0": {"domain": "a.auth0.com"},
    "cognito": {"region": "eu-central-1", "user_pool": "p"}, "entra": {"tenant": "t"}, "okta": {"domain": "a.okta.com"},
    "google": {"hosted_domain": "example.com"}, "kubernetes": {"namespaces": ["shop"]},
    "github_actions": {"owners": ["o"]},
    "spiffe": {"trust_domain": "prod.example", "jwks_url": "https://spire.example/bundle"},
}


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "token_service"])
def test_every_preset(name: str) -> None:
    settings = {"preset": name, "audience": "a", "options": OPTIONS[name], "leeway": 5, "claims": {"account": "t1"}}
    found = read_issuer(settings)
    assert (found.leeway, found.audience, found.claims.account) == (5.0, "a", "t1")


def test_the_preset_of_our_own_token_service() -> None:
    settings = {"preset": "token_service", "audience": "a", "options": {"issuer": "https://sts.example"}, "leeway": 5}
    found = read_issuer(settings)
    assert (found.issuer, found.leeway, found.token_types) == ("https://sts.example", 5.0, ("at+jwt",))
    assert found.jwks_url == "https://sts.example/jwks.json"


def test_a_preset_with_a_role() -> None:
    settings = {"preset": "github_actions", "audience": "a", "options": {"owners": ["o"]}, "claims": {"role": "ci"}}
    found = read_issuer(settings)
    assert found == presets.github_actions(audience="a", owners=("o",), role="ci")


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no audience": ({"issuer": "i"}, ""),
    "unknown member": ({"audience": "a", "isuer": "i"}, ""),
    "wrong type": ({"audience": "a", "leeway": "x"}, "/leeway"),
    "group as text": ({"audience": "a", "claims": {"groups": ["staff"]}}, "/claims/groups/0"),
    "no issuer": ({"audience": "a", "algorithms": ["RS256"]}, "/issuer"),
    "no algorithms": ({"audience": "a", "issuer": "i"}, "/algorithms"),
    "none": ({"audience": "a", "issuer": "i", "algorithms": ["none"]}, "/algorithms"),
    "bad mapping": ({"audience": "a", "issuer": "i", "algorithms": ["RS256"], "claims": {"path": "x"}}, "/claims/path"),
    "bad claim": ({"audience": "a", "claims": {"name": {"claim": "a..b"}}}, "/claims"),
    "unknown preset": ({"audience": "a", "preset": "otka"}, "/preset"),
    "unknown option": ({"audience": "a", "preset": "okta", "options": {"domain": "d", "x": "y"}}, "/options/x"),
    "missing option": ({"audience": "a", "preset": "okta"}, "/options"),
    "a mapping of what is a session": ({"audience": "a", "preset": "token_service", "options": {"issuer": "i"},
                                        "claims": {"account": "t1"}}, "/claims/account"),
    "what the preset decides": ({"audience": "a", "preset": "okta", "options": {"domain": "d"},
                                 "claims": {"name": {"claim": "sub"}}}, "/claims/name"),
    "options without preset": ({"audience": "a", "issuer": "i", "options": {}}, "/options"),
}


@pytest.mark.parametrize(("settings", "place"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_say_where(settings: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_issuer(settings, pointer="/issuers/0")
    assert f"/issuers/0{place}" in [fault.pointer for fault in caught.value.faults]
