"""Rules: everything that judging a request needs, gathered once."""

from __future__ import annotations

from dataclasses import dataclass

from iam_guard.asgi.cors import CORSSettings
from iam_guard.asgi.facts import Resolver
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper
from iam_guard.http.request import EdgeSettings
from iam_guard.http.response import DenialStyle
from iam_guard.identity.authenticator import Authenticator


@dataclass(frozen=True, slots=True)
class Rules:
    """See :class:`iam_guard.asgi.IAMGuardMiddleware` for what each is."""

    guard: Guard
    authenticator: Authenticator
    mapper: RequestMapper
    resolver: Resolver | None
    resolver_timeout: float
    edge: EdgeSettings
    preflight: CORSSettings | None
    allow_anonymous: bool
    http_headers: tuple[str, ...]
    http_query: tuple[str, ...]
    style: DenialStyle
