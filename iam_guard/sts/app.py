"""The token service over HTTP: an OAuth 2 token endpoint, its keys, and what it says of itself (RFC 8414)."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from iam_guard.errors import IAMGuardError
from iam_guard.identity.access_keys import AccessKeys
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.sts.caller_identity import CallerIdentity
from iam_guard.sts.clients import authenticated_client
from iam_guard.sts.form import read_form
from iam_guard.sts.limits import RateLimit
from iam_guard.sts.refusals import NO_STORE, OAuthError, refusal_of
from iam_guard.sts.requests import CLIENT_CREDENTIALS, EXCHANGE, TokenRequests
from iam_guard.sts.service import TokenService
from iam_guard.sts.subjects import OwnSessions, Subjects
from iam_guard.sts.web_identity import WebIdentities

_log = logging.getLogger("iam_guard.sts")
#: Requests of one address at once, and further ones every second.
BURST, PER_SECOND = 60, 10.0
#: Seconds for which a key set may be kept.
KEYS_MAX_AGE = 300


class Part(Protocol):
    """What is started and closed with the application."""

    async def start(self) -> None:
        """Start."""

    async def close(self) -> None:
        """Close."""


def token_app(service: TokenService, keys: AccessKeys, *, identities: WebIdentities | None = None,
              callers: JWTAuthenticator | None = None, clock: Callable[[], float] = time.time,
              limit: RateLimit | None = None, background: Sequence[Part] = (),
              used: Callable[[str], None] | None = None) -> Starlette:
    """The token service as an ASGI application, to be served at the root of the issuer's host.

    Args:
        service: Gives sessions; its issuer is this application's URL.
        keys: Knows the access keys of clients.
        identities: Providers whose tokens open roles.
        callers: Issuers whose callers are users or sessions of the directory.
        clock: Seconds since the epoch.
        limit: How often one address may ask for tokens.
        background: What else has to be started and closed with the application.
        used: Told the id of every access key that was shown with its secret.
    """
    subjects = Subjects(OwnSessions(service, clock), service.issuer, identities, callers)
    limit = limit or RateLimit(BURST, PER_SECOND, clock)
    requests, whoami = TokenRequests(service, subjects), CallerIdentity(service, subjects, keys)

    async def token(request: Request) -> Mapping[str, Any]:
        form = await read_form(request)
        client = await authenticated_client(request, form, keys)
        if client is not None and used is not None:
            used(client.id)
        return await requests.answer(form, client)

    published = Published(service, clock)
    path = urlsplit(service.issuer).path.rstrip("/")
    return Starlette(
        routes=[
            Route(f"{path}/token", Endpoint(token, limit), methods=["POST"]),
            Route(f"{path}/caller-identity", Endpoint(whoami.answer, limit), methods=["GET"]),
            Route(f"{path}/jwks.json", published.keys, methods=["GET"]),
            Route(f"/.well-known/oauth-authorization-server{path}", published.metadata, methods=["GET"]),
            Route(f"{path}/.well-known/openid-configuration", published.metadata, methods=["GET"]),
        ],
        lifespan=_lifespan([part for part in (*background, keys, identities, callers) if part is not None]))


def _lifespan(parts: Sequence[Part]) -> Any:
    @asynccontextmanager
    async def run(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as started:
            for part in parts:
                started.push_async_callback(part.close)
                await part.start()
            yield

    return run


class Endpoint:
    """Answers requests of those who show credentials; whatever happens, it is an answer of OAuth and no secret.

    Args:
        answer: Answers what can be answered.
        limit: How often one address may ask.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Mapping[str, Any]]], limit: RateLimit) -> None:
        self._answer, self._limit = answer, limit

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            self._check_rate(request)
            return JSONResponse(await self._answer(request), headers=NO_STORE)
        except OAuthError as refusal:
            _log.info("refused a token: %s: %r", refusal.error, refusal.description)
            return refusal.response()
        except IAMGuardError as problem:
            _log.warning("could not give a token: %s", type(problem).__name__)
            return refusal_of(problem, exchange=False).response()
        except Exception:
            _log.exception("could not give a token")
            return OAuthError("server_error", "The token service failed.", status=500).response()

    def _check_rate(self, request: Request) -> None:
        wait = self._limit.wait(request.client.host if request.client else "")
        if wait:
            raise OAuthError("temporarily_unavailable", "Too many requests; try again later.", status=429,
                             headers={"Retry-After": str(wait)})


class Published:
    """What everybody may know.

    Args:
        service: Of which service.
        clock: Seconds since the epoch.
    """

    def __init__(self, service: TokenService, clock: Callable[[], float]) -> None:
        self._service, self._clock = service, clock

    async def keys(self, request: Request) -> Response:
        """The key set (RFC 7517)."""
        try:
            document = self._service.keys.current.jwks(self._clock())
        except IAMGuardError:
            return Response(status_code=503, headers={"Retry-After": "5", **NO_STORE})
        return JSONResponse(document, headers={"Cache-Control": f"public, max-age={KEYS_MAX_AGE}"})

    async def metadata(self, request: Request) -> Response:
        """Authorization server metadata (RFC 8414 section 2)."""
        issuer = self._service.issuer
        place = issuer.rstrip("/")
        return JSONResponse({
            "issuer": issuer, "token_endpoint": f"{place}/token", "jwks_uri": f"{place}/jwks.json",
            "caller_identity_endpoint": f"{place}/caller-identity",
            "grant_types_supported": [CLIENT_CREDENTIALS, EXCHANGE], "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        })
