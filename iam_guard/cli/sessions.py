"""``iam-guard token issue`` and ``revoke``: give a session by the policies of a directory, and end those there are."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from iam_guard.cli.caller import Account, As, Store, caller_of
from iam_guard.cli.output import Format, note, print_json, print_text
from iam_guard.cli.signing_keys import Keys
from iam_guard.config.directory import opened_directory
from iam_guard.config.tokens import opened_token_service
from iam_guard.directory.operations.inline import PutRolePolicy, PutUserPolicy
from iam_guard.identity.access_keys import principal_of
from iam_guard.model import Principal
from iam_guard.sts.facts import facts_of
from iam_guard.sts.grant import Grant
from iam_guard.sts.parameters import AssumeRole, GetSessionToken
from iam_guard.sts.service import TokenService

ISSUE = (
    "iam-guard token issue --store sqlite:///iam.db --keys keys.json --issuer https://sts.example --audience orders "
    "--as arn:app:iam::000000000000:user/ann --role arn:app:iam::000000000000:role/Publisher --session-name ann",
    "iam-guard token issue --store sqlite:///iam.db --keys keys.json --issuer https://sts.example --audience orders "
    "--as arn:app:iam::000000000000:user/ann --signing")
REVOKE = ("iam-guard token revoke --store sqlite:///iam.db --role Publisher",
          "iam-guard token revoke --store sqlite:///iam.db --user ann")

#: IAM's own name of the policy that ends older sessions.
REVOKING = "AWSRevokeOlderSessions"


def issue(
    store: Store,
    keys: Keys,
    issuer: Annotated[str, typer.Option(envvar="IAM_GUARD_TOKEN_ISSUER", metavar="URL", show_default=False,
                                        help="The name of the token service.")],
    audience: Annotated[list[str], typer.Option(metavar="NAME", show_default=False,
                                                help="What the token is for; once for each.")],
    as_: Annotated[str, typer.Option("--as", metavar="ARN", show_default=False,
                                     help="The user who asks: the directory's policies decide.")],
    role: Annotated[str, typer.Option(metavar="ARN", show_default=False,
                                      help="The role to assume; without one, a session of the user.")] = "",
    session_name: Annotated[str, typer.Option(metavar="NAME", show_default=False,
                                              help="Name of the session of a role.")] = "",
    duration: Annotated[int | None, typer.Option(metavar="SECONDS", show_default=False,
                                                 help="How long it lasts: by default an hour, or twelve.")] = None,
    policy: Annotated[Path | None, typer.Option(metavar="FILE", show_default=False,
                                                help="A session policy, which limits the session.")] = None,
    policy_arn: Annotated[list[str] | None, typer.Option(
        metavar="ARN", show_default=False, help="A managed policy that limits it; once for each.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", show_default=False,
                                                  help="A session tag; once for each.")] = None,
    transitive: Annotated[list[str] | None, typer.Option(
        metavar="KEY", show_default=False, help="A tag that goes on to the next session; once for each.")] = None,
    external_id: Annotated[str | None, typer.Option(metavar="TEXT", show_default=False,
                                                    help="What the role's owner wants to be told.")] = None,
    source_identity: Annotated[str | None, typer.Option(metavar="NAME", show_default=False,
                                                        help="Who begins it all.")] = None,
    signing: Annotated[bool, typer.Option("--signing", help="Give an access key that signs requests, as the setting "
                                          "'credential_process' of AWS tools reads it.")] = False,
    format: Annotated[Format, typer.Option(help="table prints the token alone, json more about it.")] = Format.TABLE,
) -> None:
    """Give a session: a token that says who its bearer is, until it ends.

    Whoever can read the keys and the directory could sign anything; here the policies decide as they
    do at the token service.
    """
    wanted = None if not role else AssumeRole(
        role_arn=role, role_session_name=session_name, duration_seconds=duration,
        policy=None if policy is None else policy.read_text("utf-8"), policy_arns=tuple(policy_arn or ()),
        tags=dict(map(_pair, tag or ())), transitive_tag_keys=tuple(transitive or ()), external_id=external_id,
        source_identity=source_identity)
    if wanted is None and (session_name or policy or policy_arn or tag or transitive or external_id or source_identity):
        raise typer.BadParameter("a session of a user takes no other option than --duration; name a --role")
    with opened_token_service(store, issuer=issuer, audience=tuple(audience), keys=keys) as service:
        who = _user(service, as_)
        grant = (service.assume_role(who, wanted, signs=signing) if wanted is not None else
                 service.get_session_token(who, GetSessionToken(duration_seconds=duration), signs=signing))
    _print(grant, format)


def _user(service: TokenService, arn: str) -> Principal:
    with facts_of(service.store) as facts:
        user = facts.user(arn, "")
    if user is None:
        raise typer.BadParameter("--as: there is no such user in the directory")
    return principal_of(user)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter("--tag: write KEY=VALUE")
    return key, value


def _print(grant: Grant, format: Format) -> None:
    if grant.secret:
        # What a program prints that AWS tools take credentials from ("credential_process", AWS CLI user guide).
        ends = datetime.fromtimestamp(grant.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        print_json({"Version": 1, "AccessKeyId": grant.id, "SecretAccessKey": grant.secret,
                    "SessionToken": grant.token, "Expiration": ends})
        return
    if format is Format.TABLE:
        print_text(grant.token)
        return
    print_json({"access_token": grant.token, "token_type": "Bearer", "expires_in": grant.expires_at - grant.issued_at,
                "arn": grant.arn, "user_id": grant.user_id, "token_id": grant.id, "utilization": grant.utilization})


def revoke(
    store: Store,
    role: Annotated[str, typer.Option(metavar="NAME", show_default=False, help="Of a role.")] = "",
    user: Annotated[str, typer.Option(metavar="NAME", show_default=False, help="Of a user.")] = "",
    account: Account = "",
    as_: As = "",
) -> None:
    """End all sessions that were given until now: of a role, or of a user.

    This is IAM's own way, an inline policy that denies everything to sessions from before a moment. Guards
    see it as soon as they see any change of a policy; later sessions and keys are not touched.
    """
    if bool(role) == bool(user):
        raise typer.BadParameter("name one --role or one --user")
    # A session carries whole seconds; the one under way is over for those given in it.
    before = datetime.fromtimestamp(int(time.time()) + 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": before}}}})
    operation = (PutRolePolicy(role_name=role, policy_name=REVOKING, policy_document=document) if role else
                 PutUserPolicy(user_name=user, policy_name=REVOKING, policy_document=document))
    with opened_directory(store) as directory:
        by, account = caller_of(directory, as_, account)
        directory.perform(operation, by=by, account=account)
    note(f"sessions from before {before} are denied everything, by the policy {REVOKING}")
