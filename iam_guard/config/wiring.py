"""The composition root: settings to a guard and everything around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iam_guard.asgi.facts import Resolver
from iam_guard.asgi.judge import Judge
from iam_guard.asgi.lifespan import Part
from iam_guard.asgi.middleware import IAMGuardMiddleware
from iam_guard.asgi.rules import Rules
from iam_guard.config.callers import Callers, read_callers
from iam_guard.config.log import make_log
from iam_guard.config.place import Origin
from iam_guard.config.policies import read_policies
from iam_guard.config.routes import RouteSources, read_routes
from iam_guard.config.samples import refuse_samples
from iam_guard.config.schema import SettingsFile
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.guard import Guard
from iam_guard.http.caller_headers import with_caller_headers
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.naming import ResourceNames
from iam_guard.identity.authenticator import Authenticator
from iam_guard.store.refresh import PolicyRefresher, RefreshEvent, make_policy_set

if TYPE_CHECKING:
    from iam_guard.sidecar.answer import Asker


@dataclass(frozen=True, slots=True)
class Wiring:
    """A guard and everything around it, ready to stand in front of an application.

    Attributes:
        guard: Decides.
        callers: Who says who asks, and what follows for answers.
        refresher: Keeps the policies fresh; tells readiness.
        routes: Where the route map comes from.
        settings: What all of this was made of.
        parts: What has to be started and closed, besides the authenticator.
    """

    guard: Guard
    callers: Callers
    refresher: PolicyRefresher
    routes: RouteSources
    settings: SettingsFile
    parts: tuple[Part, ...]

    @property
    def authenticator(self) -> Authenticator:
        """Says who asks."""
        return self.callers.authenticator

    def middleware(self, app: Any, *, resolver: Resolver | None = None) -> IAMGuardMiddleware:
        """The door in front of *app*; it starts and closes all parts with the application.

        Args:
            app: An ASGI application.
            resolver: Looks up facts about the resource, such as its owner and tags, before the decision.

        Raises:
            ConfigurationError: the route map is wrong, or decorators of the application are.
        """
        settings = self.settings
        return IAMGuardMiddleware(
            app, guard=self.guard, authenticator=self.authenticator, mapper=self.routes.mapper(app),
            resolver=resolver,
            edge=self.edge, preflight=settings.cors, docs_public=settings.docs_public,
            allow_anonymous=settings.allow_anonymous, end_streams=settings.streams.end,
            recheck_seconds=settings.streams.recheck_seconds, http_headers=settings.context.headers,
            http_query=settings.context.query, vary=self.callers.vary, metadata=self.callers.metadata,
            background=self.parts, strict=settings.strict, style=settings.denials)

    @property
    def edge(self) -> EdgeSettings:
        """How requests arrive; headers that tell an application who was let in are the guard's own."""
        return with_caller_headers(self.settings.edge, self.settings.caller_headers)

    def judge(self) -> Judge:
        """Who judges requests that no application of this process serves.

        Raises:
            ConfigurationError: the route map is wrong, or asks for an application.
        """
        settings = self.settings
        if self.routes.from_app:
            raise ConfigurationError(Fault("there is no application here whose decorators could be read",
                                           "remove 'app: true' and name a route map", "/routes/app"))
        return Judge(Rules(self.guard, self.authenticator, self.routes.mapper(None), None, 2.0, self.edge,
                           settings.cors, settings.allow_anonymous, settings.context.headers, settings.context.query,
                           settings.denials))

    def asker(self) -> Asker:
        """Who asks that judge for a proxy.

        Raises:
            ConfigurationError: the route map is wrong, or asks for an application.
        """
        from iam_guard.sidecar.answer import Asker

        return Asker(self.judge(), self.settings.caller_headers, self.edge)

    async def __aenter__(self) -> Wiring:
        """Start everything, for a program without the middleware."""
        async with AsyncExitStack() as started:
            for part in (self.authenticator, *self.parts):
                started.push_async_callback(part.close)
                await part.start()
            started.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close everything, the last started first."""
        async with AsyncExitStack() as closing:
            for part in (self.authenticator, *self.parts):
                closing.push_async_callback(part.close)


def build(settings: SettingsFile, origin: Origin, *,
          on_event: Callable[[RefreshEvent], None] | None = None) -> Wiring:
    """Make everything that the settings describe.

    Policies are read once here. A mistake in them is logged and leaves nothing served until it is mended
    (threat C07.3); a mistake in the settings is raised.

    Raises:
        ConfigurationError: with everything that is wrong with the settings.
    """
    faults: list[Fault] = []
    policies = origin.attempt(faults, "", lambda: read_policies(settings, origin))
    names = policies.names if policies else ResourceNames()
    routes = origin.attempt(faults, "", lambda: read_routes(settings.routes, origin, names))
    callers = origin.attempt(faults, "", lambda: read_callers(settings, origin))
    log, parts = origin.attempt(faults, "", lambda: make_log(settings.log, origin)) or (None, ())
    if faults or policies is None or routes is None or callers is None:
        raise ConfigurationError(faults)
    refresher = PolicyRefresher(policies.store, make=make_policy_set if settings.development else refuse_samples,
                                poll_seconds=policies.poll_seconds, max_unsynced=policies.max_unsynced,
                                on_event=on_event)
    refresher.check()
    policies.release()
    guard = Guard(refresher, log=log, names=names)
    return Wiring(guard, callers, refresher, routes, settings, (*policies.parts, refresher, *callers.parts, *parts))
