"""AWS IAM for your own services: the policy language, evaluated exactly and in process.

Everything public is importable from here; nothing inside the package imports from here. A name is loaded
when it is first used, so that asking the engine a question does not load a web stack.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iam_guard.asgi.facts import ResourceFacts
    from iam_guard.asgi.middleware import IAMGuardMiddleware
    from iam_guard.config import protect
    from iam_guard.engine.decision import Decision, ReasonType, Verdict
    from iam_guard.engine.policy_set import PolicySet
    from iam_guard.errors import (
        AccessDeniedError,
        AuthenticationError,
        ConfigurationError,
        IAMGuardError,
        PolicyDocumentError,
        RequestRefusedError,
        UnavailableError,
    )
    from iam_guard.guard import Guard
    from iam_guard.http.edge import EdgeSettings
    from iam_guard.http.mapper import RequestMapper
    from iam_guard.http.naming import ResourceNames
    from iam_guard.http.route import PUBLIC
    from iam_guard.identity.caller import current_principal
    from iam_guard.identity.issuer import Issuer
    from iam_guard.identity.jwt import JWTAuthenticator
    from iam_guard.model import AuthorizationRequest, Principal, PrincipalKind
    from iam_guard.store.file import FilePolicyStore
    from iam_guard.store.refresh import PolicyRefresher

__all__ = [
    "PUBLIC",
    "AccessDeniedError",
    "AuthenticationError",
    "AuthorizationRequest",
    "ConfigurationError",
    "Decision",
    "EdgeSettings",
    "FilePolicyStore",
    "Guard",
    "IAMGuardError",
    "IAMGuardMiddleware",
    "Issuer",
    "JWTAuthenticator",
    "PolicyDocumentError",
    "PolicyRefresher",
    "PolicySet",
    "Principal",
    "PrincipalKind",
    "ReasonType",
    "RequestMapper",
    "RequestRefusedError",
    "ResourceFacts",
    "ResourceNames",
    "UnavailableError",
    "Verdict",
    "current_principal",
    "protect",
]

_ROOMS = {
    "asgi.facts": ("ResourceFacts",),
    "asgi.middleware": ("IAMGuardMiddleware",),
    "config": ("protect",),
    "engine.decision": ("Decision", "ReasonType", "Verdict"),
    "engine.policy_set": ("PolicySet",),
    "errors": ("AccessDeniedError", "AuthenticationError", "ConfigurationError", "IAMGuardError",
               "PolicyDocumentError", "RequestRefusedError", "UnavailableError"),
    "guard": ("Guard",),
    "http.edge": ("EdgeSettings",),
    "http.mapper": ("RequestMapper",),
    "http.naming": ("ResourceNames",),
    "http.route": ("PUBLIC",),
    "identity.caller": ("current_principal",),
    "identity.issuer": ("Issuer",),
    "identity.jwt": ("JWTAuthenticator",),
    "model": ("AuthorizationRequest", "Principal", "PrincipalKind"),
    "store.file": ("FilePolicyStore",),
    "store.refresh": ("PolicyRefresher",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'iam_guard' has no attribute '{name}'")
    return getattr(import_module(f"iam_guard.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
