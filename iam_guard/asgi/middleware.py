"""IAMGuardMiddleware: the enforcement point around an ASGI application."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from iam_guard.asgi.admissions import HEAD_KEY, Admissions
from iam_guard.asgi.body import HeldBody
from iam_guard.asgi.census import refuse_unguarded
from iam_guard.asgi.cors import CORSSettings
from iam_guard.asgi.denying import ANSWERED, register_handlers, send_denial
from iam_guard.asgi.exchange import HTTPExchange, SocketExchange
from iam_guard.asgi.facts import Resolver
from iam_guard.asgi.judge import Admission, Judge
from iam_guard.asgi.lifespan import Lifespan, Part
from iam_guard.asgi.metadata import metadata_answer
from iam_guard.asgi.rules import Rules
from iam_guard.asgi.types import ASGIApp, Receive, Scope, Send
from iam_guard.asgi.watch import Watch
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.guard import Guard
from iam_guard.http.documentation import public_documentation
from iam_guard.http.mapper import RequestMapper
from iam_guard.http.request import EdgeSettings
from iam_guard.http.resource_metadata import ResourceMetadata
from iam_guard.http.response import Denial, DenialStyle
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.caller import current_caller


class IAMGuardMiddleware:
    """Decides every request before the application sees it.

    Args:
        app: The application; it gets a copy of the scope with the checked path and cleaned headers.
        guard: Decides.
        authenticator: Says who asks.
        mapper: Says what is asked for. A request that it does not know is denied.
        resolver: Looks up facts about the resource before the decision.
        resolver_timeout: Seconds it may take; then the answer is 503.
        edge: Whom to believe about forwarded data, and what to accept.
        preflight: Answer CORS preflights; ``None`` treats them as any other request.
        docs_public: Open the documentation pages of the application and their schema, all together.
        allow_anonymous: Ask the policies about callers without credentials instead of answering 401 at once.
        end_streams: End WebSockets and streamed responses when the caller's session expires or the
            policies no longer allow what opened them.
        recheck_seconds: How often an open connection is compared with the policies.
        http_headers: Request headers that policies may read as ``http:header/<name>``.
        http_query: Query parameters that policies may read as ``http:query/<name>``.
        private_responses: Keep answers out of shared caches.
        vary: Request headers that identify the caller.
        metadata: The protected resource metadata (RFC 9728), served to everybody at its well-known path.
        background: Started before the application and closed after it, such as a policy refresher.
        strict: Refuse to start when a route of the application has no rule.
        style: How denials look.

    Raises:
        ConfigurationError: the settings contradict each other.
    """

    def __init__(self, app: ASGIApp, *, guard: Guard, authenticator: Authenticator, mapper: RequestMapper,
                 resolver: Resolver | None = None, resolver_timeout: float = 2.0,
                 edge: EdgeSettings = EdgeSettings(), preflight: CORSSettings | None = None,  # noqa: B008
                 docs_public: bool = False, allow_anonymous: bool = False, end_streams: bool = True,
                 recheck_seconds: float = 5.0, http_headers: tuple[str, ...] = (), http_query: tuple[str, ...] = (),
                 private_responses: bool = True, vary: tuple[str, ...] = ("Authorization",),
                 metadata: ResourceMetadata | None = None,
                 background: Sequence[Part] = (), strict: bool = False,
                 style: DenialStyle = DenialStyle()) -> None:  # noqa: B008
        if resolver_timeout <= 0 or recheck_seconds <= 0:
            raise ConfigurationError(Fault("a timeout of the guard is not positive"))
        if docs_public:
            mapper = public_documentation(app, mapper)
        #: The application inside.
        self.app = app
        self._guard = guard
        self._end_streams = end_streams
        self._recheck_seconds = recheck_seconds
        self._metadata = metadata
        self._vary = ", ".join(vary).encode("ascii") if private_responses else b""
        self._judge = Judge(Rules(guard, authenticator, mapper, resolver, resolver_timeout, edge, preflight,
                                  allow_anonymous, http_headers, http_query, style))
        # What a resolver finds out may change at any time.
        self._admissions = Admissions(authenticator) if resolver is None else None
        self._lifespan = Lifespan(app, (authenticator, *background),
                                  lambda: refuse_unguarded(app, mapper, guard) if strict else None)
        self.mapper = mapper
        register_handlers(app, self.denial_for)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many requests had which outcome: ``allow``, ``public``, ``unmapped`` and so on."""
        return Counter(self._judge.counts)

    def denial_for(self, error: Exception) -> Denial:
        """The answer to *error*, counted and recorded: for frameworks that answer exceptions themselves.

        Args:
            error: What the guard raised while the current request was handled.
        """
        caller = current_caller.get()
        return self._judge.denials.of_error(error, caller.request if caller else None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one connection.

        Raises:
            ConfigurationError: the server sent a kind of scope that nobody can judge.
        """
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(scope, receive, send)
        elif self._metadata is not None and (told := metadata_answer(self._metadata, scope)) is not None:
            await send_denial(told, scope, send)
        elif kind == "http" or kind == "websocket":
            before = current_caller.get()
            try:
                head = extensions.get(HEAD_KEY) if (extensions := scope.get("extensions")) else None
                verdict = self._again(head, scope) if head is not None else None
                if verdict is None:
                    verdict = await self._judge.judge(scope, receive)
                    if head is not None:
                        self._remember(head, verdict)
                if isinstance(verdict, Denial):
                    await send_denial(verdict, scope, send)
                else:
                    await self._run(verdict, receive, send)
            finally:
                current_caller.set(before)
        else:
            raise ConfigurationError(Fault(f"'{kind}' connections cannot be judged and are refused"))

    def _again(self, head: Hashable, scope: Scope) -> Admission | Denial | None:
        """The verdict on a request whose head was let in a moment ago; ``None`` where that is not so."""
        known = None if self._admissions is None else self._admissions.find(head)
        if known is None:
            return None
        verdict = self._judge.judge_again(known)
        if isinstance(verdict, Admission):
            self._judge.hand_over(verdict.caller, scope)
        return verdict

    def _remember(self, head: Hashable, verdict: Admission | Denial) -> None:
        if self._admissions is not None and isinstance(verdict, Admission) and verdict.questions:
            self._admissions.keep(head, verdict)

    async def _run(self, admission: Admission, receive: Receive, send: Send) -> None:
        scope = admission.caller.scope
        exchange = self._exchange(admission, receive, send)
        body = admission.caller.request.body if admission.caller.request else None
        try:
            if isinstance(body, HeldBody):
                await body.run(self.app, scope, exchange.send)
            else:
                await self.app(scope, exchange.receive, exchange.send)
        except ANSWERED as error:
            if not exchange.started:
                await send_denial(self._judge.denials.of_error(error, admission.caller.request), scope, send)
            elif isinstance(exchange, SocketExchange):
                await exchange.refuse()
            else:
                raise  # nothing can be said any more: the server cuts the connection
        finally:
            if exchange.watch is not None:
                await exchange.watch.stop()
            admission.caller.scope = {}  # a caller and its scope know each other; let go of both at once

    def _exchange(self, admission: Admission, receive: Receive, send: Send) -> HTTPExchange | SocketExchange:
        def watch(exchange: HTTPExchange | SocketExchange) -> Watch | None:
            return self._watch(admission, exchange)

        scope = admission.caller.scope
        if scope["type"] == "websocket":
            return SocketExchange(receive, send, watch)
        return HTTPExchange(scope, receive, send, self._vary if admission.questions else b"", watch)

    def _watch(self, admission: Admission, exchange: HTTPExchange | SocketExchange) -> Watch | None:
        """Watch over a long connection; one that everybody may have needs none."""
        if not self._end_streams or not admission.questions:
            return None
        expires_at = admission.caller.principal.expires_at
        forever = float("inf") if expires_at is None else expires_at

        def left() -> float:
            return forever - self._guard.now().timestamp()

        return Watch(lambda: left() <= 0 or not self._judge.still_allows(admission),
                     lambda: self._judge.still_accepts(admission),
                     lambda: min(left(), self._recheck_seconds), exchange.end)
