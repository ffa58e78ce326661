"""From the form of a token request to a session: which operation is meant, and with what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from iam_guard.errors import IAMGuardError
from iam_guard.model import Principal
from iam_guard.sts.clients import Client
from iam_guard.sts.form import Form
from iam_guard.sts.grant import Grant
from iam_guard.sts.parameters import (
    AssumeRole,
    AssumeRoleWithWebIdentity,
    GetFederationToken,
    GetSessionToken,
)
from iam_guard.sts.refusals import OAuthError, invalid_client, invalid_request, refusal_of
from iam_guard.sts.service import TokenService
from iam_guard.sts.subjects import Subjects
from iam_guard.sts.web_identity import WebIdentity

CLIENT_CREDENTIALS = "client_credentials"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
#: Value of ``credential`` that asks for a session to sign requests with.
SIGNING = "signature"
_TYPE = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN = f"{_TYPE}access_token"
_SUBJECT_TYPES = frozenset({ACCESS_TOKEN, f"{_TYPE}jwt", f"{_TYPE}id_token"})
_WANTED_TYPES = frozenset({ACCESS_TOKEN, f"{_TYPE}jwt"})


class TokenRequests:
    """Answers token requests.

    Args:
        service: Gives sessions.
        subjects: Reads subject tokens.
    """

    def __init__(self, service: TokenService, subjects: Subjects) -> None:
        self._service, self._subjects = service, subjects

    async def answer(self, form: Form, client: Client | None) -> dict[str, Any]:
        """The answer to a request (RFC 6749 section 5.1, RFC 8693 section 2.2.1).

        Raises:
            OAuthError: there is none.
        """
        kind = form.need("grant_type")
        self._check_target(form)
        try:
            if kind == CLIENT_CREDENTIALS:
                return _answer(await self._for_client(form, client))
            if kind == EXCHANGE:
                return {**_answer(await self._for_subject(form, client)), "issued_token_type": ACCESS_TOKEN}
        except IAMGuardError as problem:
            raise refusal_of(problem, exchange=kind == EXCHANGE) from problem
        raise OAuthError("unsupported_grant_type", "Use client_credentials or a token exchange.")

    def _check_target(self, form: Form) -> None:
        """Whatever is asked for has to be what the tokens are for."""
        for name in ("audience", "resource"):
            wanted = form.get(name)
            if wanted is not None and wanted not in self._service.audience:
                raise OAuthError("invalid_target", f"Tokens of this service are not for that {name}.")
        if form.get("scope") is not None:
            raise OAuthError("invalid_scope", "What a session may do is said by policies; leave out the scope.")

    async def _for_client(self, form: Form, client: Client | None) -> Grant:
        if client is None:
            raise invalid_client()
        service = self._service
        if form.get("role_arn") is not None:
            return await _in_thread(form, service.assume_role, client.principal, _assume_role(form), client.id)
        if form.get("federated_user") is not None:
            return await _in_thread(form, service.get_federation_token, client.principal, _federate(form), client.id)
        return await _in_thread(form, service.get_session_token, client.principal, GetSessionToken(
            duration_seconds=form.number("duration_seconds"), serial_number=form.get("serial_number"),
            token_code=form.get("token_code")), client.id)

    async def _for_subject(self, form: Form, client: Client | None) -> Grant:
        if form.get("actor_token") is not None or form.get("actor_token_type") is not None:
            raise invalid_request("Nobody acts for somebody else here; leave out the actor token.")
        if form.need("subject_token_type") not in _SUBJECT_TYPES:
            raise invalid_request("The subject token is of a type that is not taken.")
        if form.get("requested_token_type") not in (None, *_WANTED_TYPES):
            raise invalid_request("Only access tokens are given.")
        who = await self._subjects.read(form.need("subject_token").encode())
        name = client.id if client is not None else ""
        if isinstance(who, WebIdentity):
            wanted = AssumeRoleWithWebIdentity(**_of_role(form))
            return await _in_thread(form, self._service.assume_role_with_web_identity, who, wanted, name)
        return await _in_thread(form, self._service.assume_role, who, _assume_role(form), name)


def _assume_role(form: Form) -> AssumeRole:
    return AssumeRole(
        **_of_role(form), tags=form.texts("tags"), transitive_tag_keys=form.words("transitive_tag_keys"),
        external_id=form.get("external_id"), source_identity=form.get("source_identity"),
        serial_number=form.get("serial_number"), token_code=form.get("token_code"))


def _of_role(form: Form) -> dict[str, Any]:
    return {"role_arn": form.need("role_arn"), "role_session_name": form.need("role_session_name"), **_of_any(form)}


def _federate(form: Form) -> GetFederationToken:
    return GetFederationToken(name=form.need("federated_user"), tags=form.texts("tags"), **_of_any(form))


def _of_any(form: Form) -> dict[str, Any]:
    return {"duration_seconds": form.number("duration_seconds"), "policy": form.get("policy"),
            "policy_arns": form.words("policy_arns")}


async def _in_thread(form: Form, operation: Callable[..., Grant], who: Principal | WebIdentity, wanted: Any,
                     client: str) -> Grant:
    """Ask the service away from the event loop, once every parameter is known to mean something."""
    signs = form.get("credential")
    form.check_all_read()
    if signs not in (None, SIGNING):
        raise invalid_request("The one other kind of credential is 'signature'.")
    return await asyncio.to_thread(operation, who, wanted, client=client, signs=signs is not None)


def _answer(grant: Grant) -> dict[str, Any]:
    seconds = grant.expires_at - grant.issued_at
    if not grant.secret:
        return {"access_token": grant.token, "token_type": "Bearer", "expires_in": seconds, "arn": grant.arn}
    return {"access_token": grant.token, "token_type": "AWS4-HMAC-SHA256", "expires_in": seconds, "arn": grant.arn,
            "access_key_id": grant.id, "secret_access_key": grant.secret, "session_token": grant.token}
