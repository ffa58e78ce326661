"""AWS IAM for your own services: the policy language, evaluated exactly and in process.

Everything public is importable from here; nothing inside the package imports from here.
"""

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
from iam_guard.model import AuthorizationRequest, Principal, PrincipalKind

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "AuthorizationRequest",
    "ConfigurationError",
    "Decision",
    "IAMGuardError",
    "PolicyDocumentError",
    "PolicySet",
    "Principal",
    "PrincipalKind",
    "ReasonType",
    "RequestRefusedError",
    "UnavailableError",
    "Verdict",
]
