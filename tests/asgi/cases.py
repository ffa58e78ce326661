"""What the middleware cases share: policies of everybody, a trusted issuer, an application."""

from __future__ import annotations

from typing import Any

from fixture_app import (
    NOW,
    SECRETS,
    statement,
    token,
)
from starlette.responses import JSONResponse

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.engine.attachments import Attachments, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.policy.parse import parse_policy

ISSUER = "https://idp.example"


def everyone(*statements: dict[str, Any], groups: dict[str, list[dict[str, Any]]] | None = None) -> PolicySet:
    """Policies of everybody, and of groups by ARN."""
    def policy(name: str, rules: Any) -> Policy:
        return Policy(name, parse_policy({"Version": "2012-10-17", "Statement": rules}))

    return PolicySet(Attachments(
        everyone=(policy("all", list(statements)),),
        groups={arn: (policy(arn, rules),) for arn, rules in (groups or {}).items()}))


def door(app: Any, *statements: dict[str, Any], routes: Any = None, **more: Any) -> IAMGuardMiddleware:
    """An application behind a guard whose callers are users of the default account."""
    more.setdefault("guard", Guard(everyone(*statements or [statement("Allow", "*", "*")]), clock=lambda: NOW))
    more.setdefault("authenticator", trusting())
    return IAMGuardMiddleware(app, mapper=RequestMapper(routes or {"GET /{p:path}": ("app:Get", "app:path/{p:path}")}),
                              **more)


def trusting(**issuer: Any) -> JWTAuthenticator:
    issuer = {"audience": "iam-guard", "algorithms": "HS256", "secret": SECRETS[ISSUER], **issuer}
    return JWTAuthenticator([Issuer(ISSUER, **issuer)], clock=NOW.timestamp)


def with_token(name: str = "alice", **claims: Any) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token(name, **claims)}")]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await JSONResponse({"path": scope["path"]})(scope, receive, send)
