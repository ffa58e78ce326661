"""Who acts for the subject of a token: ``act`` as condition keys (RFC 8693 section 4.1, threat J25).

Subject and actor stay two: the actor's rights are never the subject's, and what either may do is for policies to
say. Only the outermost actor is told by name; inner ones acted earlier, and the RFC forbids decisions about them. How
many there were is told, so that a policy can end a chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iam_guard.errors import AuthenticationError

#: Longest chain of actors.
MAX_ACTORS = 16
#: The condition keys, which every mapping makes.
ACTOR_KEYS = ("act.sub", "act.iss", "act.client_id", "act.depth")


def actor_keys(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The condition keys of whoever acts for the subject; none when it acts itself.

    Raises:
        AuthenticationError: ``act`` does not name one actor at each step, or there are too many steps.
    """
    if claims.get("act") is None:
        return {}
    current, depth = claims["act"], 0
    actor: Any = current
    while actor is not None:
        depth += 1
        if depth > MAX_ACTORS or not isinstance(actor, dict) or not _is_name(actor.get("sub")):
            raise _unusable()
        actor = actor.get("act")
    return {"jwt:act.sub": current["sub"], **_further(current), "jwt:act.depth": str(depth)}


def _further(actor: Mapping[str, Any]) -> dict[str, str]:
    """What else tells one actor from another: the same name of another issuer is another actor."""
    found = {name: actor[name] for name in ("iss", "client_id") if actor.get(name) is not None}
    if not all(map(_is_name, found.values())):
        raise _unusable()
    return {f"jwt:act.{name}": value for name, value in found.items()}


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.encode()) <= 255 and value.isprintable()


def _unusable() -> AuthenticationError:
    return AuthenticationError("The access token does not name a usable caller", detail="'act' names no actor")
