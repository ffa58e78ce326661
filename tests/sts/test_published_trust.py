"""Published trust policies decide as their authors wrote them.

Each row was written from the policy's own text, before anything was run: who asks, and whether that gets in. A caller
is a service by host, a user or a session of a role by ARN (whose own policies allow everything), or the subject and
audience of a web identity token. The policies themselves stand beside this repository and are read from there.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tokens import NOW, compact, jwk, jwks, rsa_key, signer
from world import World, allow

from iam_guard.directory.entities import Role
from iam_guard.errors import TokenServiceError
from iam_guard.identity.issuer import Issuer
from iam_guard.model import Principal, PrincipalKind
from iam_guard.sts.parameters import AssumeRole, AssumeRoleWithWebIdentity
from iam_guard.sts.web_identity import WebIdentities, WebIdentityProvider

PLACE = Path(__file__).parents[3] / "shared" / "data" / "trust"
HERE, GITHUB_ACCOUNT, FOREIGN = "123456789012", "111122223333", "999988887777"
GITHUB = "token.actions.githubusercontent.com"
CHECKOV = "checkov-example-githubactionsoidctrustpolicyonrole"


def user(name: str = "ann", account: str = HERE) -> str:
    return f"arn:aws:iam::{account}:user/{name}"


def role(name: str, account: str = HERE) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def github(subject: str, audience: str = "sts.amazonaws.com") -> tuple[str, str, str]:
    return GITHUB, subject, audience


SERVICES: dict[str, list[str]] = {
    "checkov-dynamic-nested-with-lookup-foreach-pipeline": ["codepipeline"],
    "checkov-example-sagemakerdataqualityjobdefinitionencryption-mysagemakerrole": ["sagemaker"],
    "checkov-example-sagemakermodelwithnetworkisolation-assume-role": ["sagemaker"],
    "checkov-modules-and-vars-replication-sts": ["s3"],
    "cloudgoat-terraform-bedrock-agent-role": ["bedrock"],
    "cloudgoat-terraform-cg-banking-waf-role": ["ec2"],
    "cloudgoat-terraform-cg-codebuild-role": ["codebuild"],
    "cloudgoat-terraform-cg-ecs-role": ["ecs-tasks"],
    "cloudgoat-terraform-cg-lambda-role": ["lambda"],
    "cloudgoat-terraform-cloudformation-role": ["cloudformation"],
    "cloudgoat-terraform-cloudtrail-assume-role-policy": ["cloudtrail"],
    "cloudgoat-terraform-code-interpreter-role": ["bedrock-agentcore"],
    "cloudgoat-terraform-eb-instance-role": ["ec2"],
    "cloudgoat-terraform-eb-service-role": ["elasticbeanstalk"],
    "cloudgoat-terraform-ec2-role": ["ec2", "ecs-tasks"],
    "cloudgoat-terraform-ecs-agent": ["ec2"],
    "cloudgoat-terraform-glue-etl-role": ["rds", "glue"],
    "cloudgoat-terraform-lambda-execution-role": ["lambda"],
    "cloudgoat-terraform-s3-access": ["ecs-tasks"],
    "cloudgoat-terraform-s3-api-gateyway-role": ["apigateway"],
    "cloudgoat-terraform-ssm-parameter-role": ["glue"],
    "iam-vulnerable-glue-example": ["glue"],
    "iam-vulnerable-privesc-paths-privesc-high-priv-service-role": [
        "ec2", "datapipeline", "cloudformation", "lambda", "glue", "ecs-tasks", "codebuild", "eks", "sagemaker",
        "elasticbeanstalk"],
    "openshift-sts-instance-controlplane-trust-policy": ["ec2"],
    "prowler-terraform-kickstarter-prowler-event-trigger-role": ["events"],
    "prowler-terraform-kickstarter-prowler-kick-start-role": ["codebuild"],
}

# Name, who asks, with what, and whether that gets in.
Row = tuple[str, Any, dict[str, str], bool]
INSTALLER = role("RH-Managed-OpenShift-Installer")
ROWS: list[Row] = [
    *((name, f"{host}.amazonaws.com", {}, True) for name, hosts in SERVICES.items() for host in hosts),
    *((name, "sns.amazonaws.com", {}, False) for name in SERVICES),
    *((name, user(), {}, False) for name in SERVICES),

    # Anybody whose own account lets them.
    ("checkov-example-example-with-no-specific-service-attached", user(account=FOREIGN), {}, True),
    ("checkov-example-example-with-no-specific-service-attached", "ec2.amazonaws.com", {}, False),

    # GitHub: any branch of one repository, for one audience.
    *(row for name in ("checkov-example-githubactionsoidctrustpolicy-pass-aud-first", f"{CHECKOV}-pass-aud-first")
      for row in ((name, github("repo:org/our-repo-name:ref:refs/heads/main", "sts.pass_aud_first.com"), {}, True),
                  (name, github("repo:org/our-repo-name:ref:refs/heads/main"), {}, False),
                  (name, github("repo:org/our-repo-name2:ref:refs/heads/main", "sts.pass_aud_first.com"), {}, False))),
    (f"{CHECKOV}-pass2", github("repo:myOrg/myRepo:pull_request"), {}, True),
    (f"{CHECKOV}-pass2", github("repo:myOrg/myRepo:pull_request", "sts.pass_aud_first.com"), {}, False),
    (f"{CHECKOV}-pass2", github("repo:myOrg/other:pull_request"), {}, False),
    # One branch.
    (f"{CHECKOV}-pass3", github("repo:myOrg/myRepo:ref:refs/heads/MyBranch"), {}, True),
    (f"{CHECKOV}-pass3", github("repo:myOrg/myRepo:ref:refs/heads/mybranch"), {}, False),
    (f"{CHECKOV}-pass3", github("repo:myOrg/myRepo:ref:refs/heads/main"), {}, False),
    # An organization, properly with StringLike; its provider belongs to another account.
    (f"{CHECKOV}-pass-customer", github("repo:example-octo-org/x:ref:refs/heads/main"), {}, True),
    (f"{CHECKOV}-pass-customer", github("repo:example-octo-org2/x:ref:refs/heads/main"), {}, False),
    # A star under StringEquals is a star and no pattern: written for many, it lets in nobody that GitHub knows.
    (f"{CHECKOV}-pass-org-only", github("repo:myOrg/myRepo:ref:refs/heads/main"), {}, False),
    (f"{CHECKOV}-pass-org-only", github("repo:myOrg/*"), {}, True),
    (f"{CHECKOV}-fail-misused-repo", github("repo:myOrgEvil/x:pull_request"), {}, False),
    (f"{CHECKOV}-fail-misused-repo", github("repo:myOrg*"), {}, True),
    (f"{CHECKOV}-fail-wildcard-assertion", github("repo:any/one:pull_request"), {}, False),
    (f"{CHECKOV}-fail-wildcard-assertion", github("repo:*"), {}, True),
    (f"{CHECKOV}-fail-wildcard", github("repo:any/one:pull_request"), {}, False),
    (f"{CHECKOV}-fail-wildcard", github("*"), {}, True),
    # Subjects that somebody chose: exactly those.
    (f"{CHECKOV}-fail-abusable", github("workflow:github-actions:repo:myOrg/myRepo:ref:refs/heads/MyBranch"), {}, True),
    (f"{CHECKOV}-fail-abusable", github("repo:myOrg/myRepo:ref:refs/heads/MyBranch"), {}, False),
    (f"{CHECKOV}-fail2", github("invalid"), {}, True),
    (f"{CHECKOV}-fail2", github("repo:myOrg/myRepo:pull_request"), {}, False),
    # No condition at all: every workflow of everybody, which is why the checker complains.
    (f"{CHECKOV}-fail1", github("repo:any/one:pull_request"), {}, True),
    # A key of an issuer of its own; tokens of the public one do not have it.
    (f"{CHECKOV}-pass-gh-org", github("repo:myOrg/myRepo:ref:refs/heads/MyBranch"), {}, False),

    # An account: whoever its own policies let; never a service.
    *(row for name in ("fail", "fail2") for row in (
        (f"checkov-example-iamroleallowassumefromaccount-{name}", user(account=GITHUB_ACCOUNT), {}, True),
        (f"checkov-example-iamroleallowassumefromaccount-{name}", user(account=FOREIGN), {}, False))),
    *(row for name in ("fail3", "fail4") for row in (
        (f"checkov-example-iamroleallowassumefromaccount-{name}", user(), {}, True),
        (f"checkov-example-iamroleallowassumefromaccount-{name}", role("role-name"), {}, True),
        (f"checkov-example-iamroleallowassumefromaccount-{name}", user(account=FOREIGN), {}, False))),
    # The account is denied, and with it the role of it that is allowed.
    ("checkov-example-iamroleallowassumefromaccount-pass3", role("role-name"), {}, False),
    ("checkov-example-iamroleallowassumefromaccount-pass3", user(), {}, False),

    ("cloudgoat-terraform-authenticated",
     ("cognito-identity.amazonaws.com", "us-east-1:1", "example", "authenticated"), {}, True),
    ("cloudgoat-terraform-authenticated",
     ("cognito-identity.amazonaws.com", "us-east-1:1", "example", "unauthenticated"), {}, False),
    ("cloudgoat-terraform-authenticated",
     ("cognito-identity.amazonaws.com", "us-east-1:1", "other", "authenticated"), {}, False),

    *(row for name in ("cg-lambda-invoker", "flag4-role") for row in (
        (f"cloudgoat-terraform-{name}", user("example-user"), {}, True),
        (f"cloudgoat-terraform-{name}", user("example-user2"), {}, False),
        (f"cloudgoat-terraform-{name}", user("example-user", FOREIGN), {}, False))),

    # The service has to act for a knowledge base of the account; nothing here says that it does.
    ("cloudgoat-terraform-kb-role", "bedrock.amazonaws.com", {}, False),

    # A function and a queue are no principals, and 'example' is nobody.
    ("cloudgoat-terraform-secrets-manager-role", user(), {}, False),
    ("cloudgoat-terraform-secrets-manager-role", "lambda.amazonaws.com", {}, False),
    ("cloudgoat-terraform-sqs-send-message", user(), {}, False),
    ("iam-vulnerable-tool-testing-privesc-permissive-role-trust", user("example"), {}, False),

    # A second factor, which a long-term key alone is not.
    ("cloudgoat-terraform-secretsmanager-role", user(), {}, False),
    ("cloudgoat-terraform-secretsmanager-role", user("mfa"), {}, True),

    ("iam-vulnerable-privesc-paths-privesc-assumerole-starting-role", role("example-role"), {}, True),
    ("iam-vulnerable-privesc-paths-privesc-assumerole-starting-role", role("other"), {}, False),

    ("openshift-operator-iam-role-policy",
     ("oidc.example.com/abc", "system:serviceaccount:example-ns:example-sa", "openshift"), {}, True),
    ("openshift-operator-iam-role-policy",
     ("oidc.example.com/abc", "system:serviceaccount:example-ns:other", "openshift"), {}, False),
    ("openshift-operator-iam-role-policy",
     ("oidc.example.com", "system:serviceaccount:example-ns:example-sa", "openshift"), {}, False),

    ("openshift-sts-installer-trust-policy", INSTALLER, {}, True),
    ("openshift-sts-installer-trust-policy", role("RH-Technical-Support-Access"), {}, False),
    ("openshift-sts-support-trust-policy", role("RH-Technical-Support-Access"), {}, True),
    ("openshift-sts-support-trust-policy", INSTALLER, {}, False),
    *(row for name, external in (("ocm", "example-ocm-organization-id"), ("ocm-user", "123456789012")) for row in (
        (f"openshift-sts-{name}-trust-policy", INSTALLER, {"external_id": external}, True),
        (f"openshift-sts-{name}-trust-policy", INSTALLER, {"external_id": f"{external}0"}, False),
        (f"openshift-sts-{name}-trust-policy", INSTALLER, {}, False))),

    # It asks for a principal whose ARN no user or role can have.
    ("prowler-terraform-prowler-assume-role-policy", user("example"), {"external_id": "example"}, False),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_a_published_trust_policy(row: Row) -> None:
    name, caller, wanted, expected = row
    world = World()
    text = _text(name)
    account = GITHUB_ACCOUNT if isinstance(caller, tuple) and caller[0] == GITHUB else HERE
    account = HERE if name.endswith("pass-customer") else account
    world.put(Role(account=account, name="T", arn=role("T", account), id="AROAT", trust=text))
    assert _gets_in(world, caller, wanted, role("T", account)) is expected


def test_every_published_trust_policy_has_a_row() -> None:
    assert {path.stem for path in _folder().glob("*.json")} == {row[0] for row in ROWS}


def _folder() -> Path:
    if not PLACE.is_dir():
        pytest.skip(f"the published trust policies are not there: {PLACE}")
    return PLACE


def _text(name: str) -> str:
    return (_folder() / f"{name}.json").read_text("utf-8")


def _gets_in(world: World, caller: Any, wanted: dict[str, str], target: str) -> bool:
    try:
        if isinstance(caller, tuple):
            world.service.assume_role_with_web_identity(
                _web_identity(world, *caller, account=target.split(":")[4]),
                AssumeRoleWithWebIdentity(role_arn=target, role_session_name="s1"))
        else:
            world.service.assume_role(_caller(world, caller), AssumeRole(
                role_arn=target, role_session_name="s1", **wanted))
    except TokenServiceError as refusal:
        if refusal.code != "AccessDenied":
            raise
        return False
    return True


def _caller(world: World, name: str) -> Principal:
    """The caller, whose own policies allow everything."""
    if not name.startswith("arn:"):
        return Principal.service(name)
    account, short = name.split(":")[4], name.rsplit("/", 1)[1]
    if ":role/" in name:
        found = world.role(short, account=account, policy=(allow("*"),))
        return Principal.from_arn(f"arn:aws:sts::{account}:assumed-role/{short}/x", role_arn=name, unique_id=found.id)
    who = world.user(short, allow("*"), account=account)
    factor = {"attributes": {"aws:MultiFactorAuthPresent": True}, "mfa_at": NOW - 60} if short == "mfa" else {}
    return Principal(PrincipalKind.USER, who.arn, account, unique_id=who.unique_id, **factor)


def _web_identity(world: World, host: str, subject: str, audience: str, amr: str = "", *, account: str) -> Any:
    known = ("sts.amazonaws.com", "sts.pass_aud_first.com", "example", "other", "openshift")
    issuer = Issuer(f"https://{host}", audience=known, algorithms=("RS256",), id_tokens=True,
                    keys=jwks(jwk(rsa_key("k1"), "k1")))
    identities = WebIdentities([WebIdentityProvider(issuer, frozenset({account}))], clock=world.clock)
    claims = {"iss": issuer.issuer, "sub": subject, "aud": audience, "iat": NOW - 10, "exp": NOW + 600,
              **({"amr": [amr]} if amr else {})}
    token = compact({"alg": "RS256", "kid": "k1"}, claims, signer(rsa_key("k1"), "RS256"))
    return asyncio.run(identities.verify(token.encode()))
