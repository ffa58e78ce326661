"""The current caller: who the running code works for, as a context variable.

Doors set it around the application; ``Guard.require`` and handlers read it. A context variable follows
the request into tasks and worker threads and is invisible to other requests.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.model import EMPTY, Context, Principal

if TYPE_CHECKING:
    from datetime import datetime

    from iam_guard.engine.decision import Decision
    from iam_guard.engine.policy_set import PolicySet
    from iam_guard.http.request import HTTPRequest


class Hold(msgspec.Struct, frozen=True, eq=False):
    """Policies that a request keeps to, so that all its questions are answered by one revision.

    Attributes:
        by: The guard whose policies they are.
        policies: The policies.
        since: When they were taken hold of, by that guard's clock.
    """

    by: object
    policies: PolicySet
    since: datetime


class Caller(msgspec.Struct, eq=False):
    """Somebody's request, as far as authorization is concerned.

    Attributes:
        principal: Who asks.
        request: The request as it was checked; ``None`` outside HTTP.
        context: Condition keys of the request, without those of the principal.
        scope: The ASGI scope that the application received; empty outside ASGI.
        decisions: Every decision made for this request so far, in order.
        route: Template of the route that the request matched; empty outside HTTP.
        hold: Policies that the request keeps to; ``None`` to be answered by the newest each time.
    """

    principal: Principal
    request: HTTPRequest | None = None
    context: Context = EMPTY
    scope: MutableMapping[str, Any] = msgspec.field(default_factory=dict)
    decisions: list[Decision] = msgspec.field(default_factory=list)
    route: str = ""
    hold: Hold | None = None


#: Whom the running code works for; ``None`` outside a guarded request.
current_caller: ContextVar[Caller | None] = ContextVar("iam_guard.current_caller", default=None)


def current_principal() -> Principal:
    """The principal of the current caller.

    Raises:
        ConfigurationError: nobody is calling, since no door stands in front of this code.
    """
    caller = current_caller.get()
    if caller is None:
        raise ConfigurationError(
            Fault("there is no current caller", "put IAMGuardMiddleware in front, or use act_as in a test")
        )
    return caller.principal
