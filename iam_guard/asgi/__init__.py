"""The door in front of an ASGI application: IAMGuardMiddleware and what it is given.

    scope -> HTTPRequest -> RequestMapper -> Authenticator -> Guard.authorize -> Decision -> app | denial

It knows the ASGI specification and no framework.
"""

from iam_guard.asgi.cors import CORSSettings
from iam_guard.asgi.facts import NO_FACTS, Resolver, ResourceFacts
from iam_guard.asgi.middleware import IAMGuardMiddleware

__all__ = ["NO_FACTS", "CORSSettings", "IAMGuardMiddleware", "Resolver", "ResourceFacts"]
