"""AWS IAM for your own services: the policy language, evaluated exactly and in process.

Everything public is importable from here; nothing inside the package imports from here. A name is loaded
when it is first used, so that asking the engine a question does not load a web stack.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iam_guard.asgi.cors import CORSSettings
    from iam_guard.asgi.facts import NO_FACTS, ResourceFacts
    from iam_guard.asgi.middleware import IAMGuardMiddleware
    from iam_guard.asgi.replies import denial_for_error
    from iam_guard.config import load_settings, protect
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
    from iam_guard.graphql import FieldDeniedError, FieldGuard
    from iam_guard.guard import Guard
    from iam_guard.http.edge import EdgeSettings
    from iam_guard.http.mapper import RequestMapper
    from iam_guard.http.naming import ResourceNames
    from iam_guard.http.response import DenialStyle
    from iam_guard.http.route import PUBLIC, Route
    from iam_guard.identity import presets
    from iam_guard.identity.caller import current_principal
    from iam_guard.identity.claims import Claim, ClaimMapping
    from iam_guard.identity.issuer import Issuer
    from iam_guard.identity.jwt import JWTAuthenticator
    from iam_guard.model import AuthorizationRequest, Principal, PrincipalKind
    from iam_guard.rows import RowFilter, Rows, row_filter
    from iam_guard.store.file import FilePolicyStore
    from iam_guard.store.refresh import PolicyRefresher
    from iam_guard.testing import ActingAuthenticator, act_as

__all__ = [
    "NO_FACTS",
    "PUBLIC",
    "AccessDeniedError",
    "ActingAuthenticator",
    "AuthenticationError",
    "AuthorizationRequest",
    "CORSSettings",
    "Claim",
    "ClaimMapping",
    "ConfigurationError",
    "Decision",
    "DenialStyle",
    "EdgeSettings",
    "FieldDeniedError",
    "FieldGuard",
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
    "Route",
    "RowFilter",
    "Rows",
    "UnavailableError",
    "Verdict",
    "act_as",
    "current_principal",
    "denial_for_error",
    "load_settings",
    "presets",
    "protect",
    "row_filter",
]

_ROOMS = {
    "asgi.cors": ("CORSSettings",),
    "asgi.facts": ("NO_FACTS", "ResourceFacts"),
    "asgi.middleware": ("IAMGuardMiddleware",),
    "asgi.replies": ("denial_for_error",),
    "config": ("load_settings", "protect"),
    "engine.decision": ("Decision", "ReasonType", "Verdict"),
    "engine.policy_set": ("PolicySet",),
    "errors": ("AccessDeniedError", "AuthenticationError", "ConfigurationError", "IAMGuardError",
               "PolicyDocumentError", "RequestRefusedError", "UnavailableError"),
    "graphql": ("FieldDeniedError", "FieldGuard"),
    "guard": ("Guard",),
    "http.edge": ("EdgeSettings",),
    "http.mapper": ("RequestMapper",),
    "http.naming": ("ResourceNames",),
    "http.response": ("DenialStyle",),
    "http.route": ("PUBLIC", "Route"),
    "identity.caller": ("current_principal",),
    "identity.claims": ("Claim", "ClaimMapping"),
    "identity.issuer": ("Issuer",),
    "identity.jwt": ("JWTAuthenticator",),
    "identity.presets": ("presets",),
    "model": ("AuthorizationRequest", "Principal", "PrincipalKind"),
    "rows": ("RowFilter", "Rows", "row_filter"),
    "store.file": ("FilePolicyStore",),
    "store.refresh": ("PolicyRefresher",),
    "testing": ("ActingAuthenticator", "act_as"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'iam_guard' has no attribute '{name}'")
    room = import_module(f"iam_guard.{_ROOM_OF[name]}")
    return room if _ROOM_OF[name].endswith(f".{name}") else getattr(room, name)


def __dir__() -> list[str]:
    return list(__all__)
