"""``GetCallerIdentity`` over HTTP: who a credential is of, for programs that want to know whom they run as."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.requests import Request

from iam_guard.errors import AuthenticationError, TokenServiceError
from iam_guard.identity.access_keys import AccessKeys
from iam_guard.model import Principal
from iam_guard.sts.clients import authenticated_client
from iam_guard.sts.form import Form
from iam_guard.sts.refusals import OAuthError, invalid_request
from iam_guard.sts.service import TokenService
from iam_guard.sts.subjects import Subjects

_CHALLENGES = 'Basic realm="token", Bearer realm="token"'


class CallerIdentity:
    """Answers who asks, by an access key (HTTP Basic) or by a session (Bearer).

    Args:
        service: Knows callers.
        subjects: Reads sessions.
        keys: Knows access keys.
    """

    def __init__(self, service: TokenService, subjects: Subjects, keys: AccessKeys) -> None:
        self._service, self._subjects, self._keys = service, subjects, keys

    async def answer(self, request: Request) -> Mapping[str, str]:
        """``UserId``, ``Account`` and ``Arn`` of whoever sends *request*.

        Raises:
            OAuthError: nobody does, or with a credential that is not good.
            UnavailableError: that cannot be found out.
        """
        if request.url.query:
            raise invalid_request("There are no parameters here.")
        caller = await self._caller(request)
        try:
            return await asyncio.to_thread(self._service.get_caller_identity, caller)
        except TokenServiceError:
            raise _not_good() from None

    async def _caller(self, request: Request) -> Principal:
        fields = request.headers.getlist("authorization")
        scheme, _, token = fields[0].partition(" ") if len(fields) == 1 else ("", "", "")
        if scheme.lower() == "bearer":
            return await self._bearer(token.strip())
        client = await authenticated_client(request, Form({}), self._keys)
        if client is None:
            raise OAuthError("invalid_request", "Send an access key or a session.", status=401,
                             headers={"WWW-Authenticate": _CHALLENGES})
        return client.principal

    async def _bearer(self, token: str) -> Principal:
        """A web identity is no caller here: it has no name before a role gives it one."""
        try:
            found = await self._subjects.read(token.encode())
        except (AuthenticationError, TokenServiceError) as refusal:
            if isinstance(refusal, TokenServiceError) and refusal.code == "IDPCommunicationError":
                raise
            raise _not_good() from None
        if not isinstance(found, Principal):
            raise _not_good()
        return found


def _not_good() -> OAuthError:
    return OAuthError("invalid_token", "The credential is not good.", status=401,
                      headers={"WWW-Authenticate": 'Bearer realm="token", error="invalid_token"'})
