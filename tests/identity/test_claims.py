"""Claims to principals: mw-36, mw-38, mw-39, mw-43 and everything that cannot be read in one way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from tokens import NOW, claims_of

from iam_guard.errors import AuthenticationError, ConfigurationError
from iam_guard.identity.claimant import group_names, principal_from_claims
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.model import Principal, PrincipalKind


def principal(mapping: ClaimMapping, **claims: Any) -> Principal:
    every = claims_of(**claims)
    return principal_from_claims(every, mapping, issuer=every["iss"], expires_at=every["exp"],
                                 groups=group_names(every, mapping))


KEYCLOAK = ClaimMapping(account="t1", groups=(
    Claim("realm_access.roles", prefix="realm:"), Claim("resource_access.orders-api.roles", prefix="orders-api:"),
))
GROUP = "arn:app:iam::t1:group/"


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def test_a_user() -> None:
    found = principal(ClaimMapping(account="t1", path="/staff/", name_prefix="idp-"))
    assert found.kind is PrincipalKind.USER
    assert found.arn == "arn:app:iam::t1:user/staff/idp-alice"
    assert (found.issuer, found.subject, found.expires_at) == ("https://idp.example", "alice", NOW + 600)
    assert found.context["aws:username"] == "idp-alice"


def test_a_role_session() -> None:
    found = principal(ClaimMapping(account="t1", role="deployer", path="/ci/", groups=(Claim("groups"),)), groups=["g"])
    assert found.kind is PrincipalKind.ROLE_SESSION
    assert found.arn == "arn:app:sts::t1:assumed-role/deployer/alice"
    assert found.role_arn == "arn:app:iam::t1:role/ci/deployer"
    assert found.context["aws:tokenissuetime"] == iso(NOW - 10)
    assert found.context["aws:federatedprovider"] == "arn:app:iam::t1:oidc-provider/idp.example"
    assert found.context["aws:principaltype"] == "AssumedRole"


@pytest.mark.parametrize(("role", "ok"), [
    ("reader", True), (["reader"], True), (["a", "b"], False), ([], False), (None, False), ("", False),
    ({"a": 1}, False),
    (7, False), ("a\nb", False),
])
def test_a_role_from_a_claim_is_exactly_one(role: object, ok: bool) -> None:
    mapping = ClaimMapping(account="t1", role=Claim("role", prefix="sso-"))
    if ok:
        assert principal(mapping, role=role).role_arn == "arn:app:iam::t1:role/sso-reader"
    else:
        with pytest.raises(AuthenticationError):
            principal(mapping, role=role)


def test_without_iat_the_login_time_counts() -> None:
    claims = claims_of(without=("iat",), auth_time=NOW - 100)
    found = principal_from_claims(claims, ClaimMapping(role="r"), issuer="i", expires_at=1)
    assert found.context["aws:tokenissuetime"] == iso(NOW - 100)


def test_a_token_of_a_user_is_a_temporary_credential_too() -> None:
    assert principal(ClaimMapping(account="t1"), iat=NOW - 7).context["aws:tokenissuetime"] == iso(NOW - 7)
    without = principal_from_claims(claims_of(without=("iat",)), ClaimMapping(), issuer="i", expires_at=1)
    assert "aws:tokenissuetime" not in without.context


def test_mw_36_nested_roles() -> None:
    found = principal(KEYCLOAK, realm_access={"roles": ["admin", "offline_access"]}, resource_access={
        "orders-api": {"roles": ["reader"]}, "account": {"roles": ["manage-account"]}, "realm": {"roles": ["admin"]}})
    assert found.groups == (f"{GROUP}realm%3Aadmin", f"{GROUP}realm%3Aoffline_access", f"{GROUP}orders-api%3Areader")


@pytest.mark.parametrize(("roles", "groups"), [
    (None, ()), ([], ()), ("admin", (f"{GROUP}realm%3Aadmin",)), (["a/b"], (f"{GROUP}realm%3Aa%2Fb",)),
    (["a", "a"], (f"{GROUP}realm%3Aa",)), (["A", "a"], (f"{GROUP}realm%3AA", f"{GROUP}realm%3Aa")),
])
def test_mw_38_absent_empty_or_text(roles: object, groups: tuple[str, ...]) -> None:
    assert principal(KEYCLOAK, realm_access={"roles": roles}).groups == groups
    assert principal(KEYCLOAK).groups == ()


@pytest.mark.parametrize("roles", [{"admin": True}, 7, True, [7], [["admin"]], [None], [""], ["a\u0000"], ["a" * 256]])
def test_mw_38_other_shapes_are_refused(roles: object) -> None:
    with pytest.raises(AuthenticationError) as caught:
        principal(KEYCLOAK, realm_access={"roles": roles})
    assert "'realm_access.roles'" in caught.value.detail


@pytest.mark.parametrize("marker", [
    {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example/x"}}},
    {"hasgroups": True}, {"hasgroups": "true"}, {"hasgroups": True, "groups": ["one"]},
])
def test_mw_39_groups_left_out_are_unknown(marker: dict[str, Any]) -> None:
    assert principal(ClaimMapping(groups=(Claim("groups"),)), **marker).groups is None
    assert principal(ClaimMapping(groups=(Claim("memberships", otherwise="groups"),)), **marker).groups is None
    assert principal(ClaimMapping(), **marker).groups == ()


@pytest.mark.parametrize("marker", [{"hasgroups": False}, {"_claim_names": {"other": "src1"}}, {"_claim_names": 7}])
def test_groups_that_are_not_left_out(marker: dict[str, Any]) -> None:
    assert principal(ClaimMapping(groups=(Claim("groups"),)), groups=["a"], **marker).groups is not None


def test_tags() -> None:
    mapping = ClaimMapping(tags={
        "source": "idp", "team": Claim("team"), "level": Claim("level", prefix="L"), "vip": Claim("vip"),
        "none": Claim("none"),
        "Project": Claim(r"https://aws\.amazon\.com/tags.principal_tags.Project"),
    })
    aws = {"https://aws.amazon.com/tags": {"principal_tags": {"Project": ["Automation"]}}}
    found = principal(mapping, team="red", level=3, vip=True, **aws)
    assert found.tags == {"source": "idp", "team": "red", "level": "L3", "vip": "true", "Project": "Automation"}
    assert found.context["aws:principaltag/project"] == "Automation"


@pytest.mark.parametrize("value", [["a", "b"], [], {"a": 1}, "a\nb", [["a"]]])
def test_a_tag_has_one_plain_value(value: object) -> None:
    with pytest.raises(AuthenticationError):
        principal(ClaimMapping(tags={"team": Claim("team")}), team=value)


def test_mw_43_chosen_claims_become_condition_keys() -> None:
    claims = {"project": "p1", "vip_until": 1767225600, "tags": ["a", "b"], "nested": {"x": 1}, "secret": "s",
              "flag": True}
    found = principal(ClaimMapping(context=(*(set(claims) - {"secret"}), "absent")), **claims).context
    assert {key: value for key, value in found.items() if key.startswith("jwt:") and key[4:] in claims} == {
        "jwt:project": "p1", "jwt:vip_until": "1767225600", "jwt:tags": ("a", "b"), "jwt:flag": "true",
    }
    by_path = principal(ClaimMapping(context={"X": Claim("nested.x")}), **claims).context
    assert by_path["jwt:x"] == "1"


def test_mw_43_no_claim_takes_the_place_of_a_key_of_ours() -> None:
    names = ("aws:SourceIp", "aws:username", "aws:PrincipalArn", "aws:PrincipalTag/team")
    plain, found = principal(ClaimMapping()), principal(ClaimMapping(context=names), **dict.fromkeys(names, "forged"))
    for key in plain.context:
        assert found.context[key] == plain.context[key]
    assert set(found.context) - set(plain.context) == {f"jwt:{name.lower()}" for name in names}


@pytest.mark.parametrize("value", [[{"a": 1}], [None], [["a"]]])
def test_a_list_of_something_else_is_refused(value: object) -> None:
    with pytest.raises(AuthenticationError):
        principal(ClaimMapping(context=("tags",)), tags=value)


def test_standard_keys() -> None:
    found = principal(ClaimMapping(), aud=["a", "b"], azp="web", acr="urn:x:loa:3", amr=["pwd", "otp"], scope="r w",
                      auth_time=NOW - 5, act={"sub": "svc"}, client_id="web").context
    assert {key[4:]: value for key, value in found.items() if key.startswith("jwt:")} == {
        "iss": "https://idp.example", "sub": "alice", "aud": ("a", "b"), "azp": "web", "acr": "urn:x:loa:3",
        "amr": ("pwd", "otp"), "scope": ("r", "w"), "auth_time": str(NOW - 5), "act.sub": "svc", "act.depth": "1",
        "client_id": "web",
    }


MISTAKES: dict[str, Mapping[str, Any]] = {
    "name is a constant": {"name": "alice"}, "group is a constant": {"groups": ("groups",)},
    "email without domains": {"name": Claim("email")},
    "nested email": {"name": Claim("user.email")},
    "domains without email": {"email_domains": ("a.example",)}, "changeable": {"name": Claim("preferred_username")},
    "account": {"account": "a:b"}, "reserved account": {"account": "AWS"}, "star": {"account": "*"},
    "path": {"path": "staff"},
    "path of dots and slashes": {"path": "//"}, "partition": {"partition": "a:b"}, "empty role": {"role": ""},
    "standard key": {"context": ("Sub",)}, "keys that differ in case": {"context": ("A", "a")},
    "blank key": {"context": ("a b",)},
    "prefix of a key": {"context": {"a": Claim("a", prefix="x")}},
    "tags that differ in case": {"tags": {"A": "1", "a": "2"}},
    "odd tag": {"tags": {"a b": "1"}}, "two group claims": {"groups": (Claim("groups"), Claim("roles"))},
    "group prefixes that meet": {"groups": (Claim("a", prefix="r"), Claim("b", prefix="ro"))},
}


@pytest.mark.parametrize("members", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told_with_a_mend(members: Mapping[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClaimMapping(**members)
    for fault in caught.value.faults:
        assert fault.mend
        assert fault.pointer
        assert fault.message[0].islower() or fault.message[0] == "'"
