"""Judge: one request to an admission or a denial. Nothing here runs the application."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from iam_guard.asgi.body import HeldBody
from iam_guard.asgi.cors import is_preflight
from iam_guard.asgi.denials import Denials
from iam_guard.asgi.facts import Resolver, resolve, with_given
from iam_guard.asgi.rules import Rules
from iam_guard.asgi.types import Receive
from iam_guard.engine.decision import Verdict
from iam_guard.errors import (
    AccessDeniedError,
    BodyNeededError,
    ConfigurationError,
    Fault,
    IAMGuardError,
    UnavailableError,
)
from iam_guard.guard import InformedCaller, Question
from iam_guard.http.context import request_keys
from iam_guard.http.mapper import Match, Unmapped
from iam_guard.http.request import HTTPRequest
from iam_guard.http.response import Denial
from iam_guard.http.route import Pair
from iam_guard.http.tls import with_client_certificates
from iam_guard.identity.caller import current_caller
from iam_guard.identity.lasting import still_holds
from iam_guard.identity.remembered import remembered
from iam_guard.model import Principal

_logger = logging.getLogger("iam_guard")
_ANONYMOUS = Principal.anonymous()

#: The key in ``scope["state"]`` under which an application finds its caller.
STATE_KEY = "iam_guard"


class Admission(msgspec.Struct, eq=False):
    """The application may run.

    Attributes:
        caller: For whom.
        questions: What was asked and allowed; none for a public route.
        policies: What allowed it.
    """

    caller: InformedCaller
    questions: Sequence[Question] = ()
    policies: object = None


class Judge:
    """Judges requests.

    Attributes:
        counts: How many requests had which outcome; the outcomes are a closed set.
        denials: Makes the denials.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._guard = rules.guard
        self.counts: dict[str, int] = defaultdict(int)
        self.denials = Denials(rules, self.counts)

    async def judge(self, scope: Mapping[str, Any], receive: Receive) -> Admission | Denial:
        """Admit or deny; an error of any kind is a denial. Only who signed the body has *receive* called."""
        request: HTTPRequest | None = None
        try:
            request = self._snapshot(scope)
            return await self._judged(request, scope, receive)
        except Exception as error:
            return self._failed(error, request, scope)

    def judge_at_once(self, scopes: Sequence[Mapping[str, Any]]) -> list[Admission | Denial | None]:
        """What :meth:`judge` says of several requests, where nothing has to be waited for and no application runs.

        Each is judged for itself. They are taken through every step together, since a step that has just been done is
        done again in half the time.

        Returns:
            ``None``, with nothing done, for a request that only :meth:`judge` can judge.
        """
        taken = [self._taken(scope) for scope in scopes]
        return [one if isinstance(one, Denial) else self._known(one, scope)
                for one, scope in zip(taken, scopes, strict=True)]

    def _taken(self, scope: Mapping[str, Any]) -> HTTPRequest | Denial:
        try:
            return self._snapshot(scope)
        except Exception as error:
            return self._failed(error, None, scope)

    def _known(self, request: HTTPRequest, scope: Mapping[str, Any]) -> Admission | Denial | None:
        try:
            return self._judged_at_once(request)
        except Exception as error:
            return self._failed(error, request, scope)

    def _snapshot(self, scope: Mapping[str, Any]) -> HTTPRequest:
        request = HTTPRequest.from_scope(scope, self._rules.edge)
        if (extensions := scope.get("extensions")) and (tls := extensions.get("tls")):
            with_client_certificates(request, tls)
        return request

    def _failed(self, error: Exception, request: HTTPRequest | None, scope: Mapping[str, Any]) -> Denial:
        if not isinstance(error, IAMGuardError) or isinstance(error, ConfigurationError):
            _logger.exception("a request is denied because of an error")
        return self.denials.of_error(error, request, sent=_as_sent(scope))

    def _judged_at_once(self, request: HTTPRequest) -> Admission | Denial | None:
        """The verdict on a request that needs no credentials, or brings some that were accepted before."""
        rules = self._rules
        if rules.resolver is not None or request.method == "OPTIONS":
            return None
        match = rules.mapper.match(request)
        if not isinstance(match, Match):
            return None
        if match.route.public:
            self.counts["public"] += 1
            return Admission(self._caller_alone(_ANONYMOUS, request, match))
        principal = remembered(rules.authenticator, request)
        if principal is None:
            return None
        caller = self._caller_alone(principal, request, match)
        given = match.context(request, principal.context)
        questions = [Question(action, resource, given) for action, resource in match.checks(request, principal.context)]
        return self._begun(caller, questions, request)

    def _caller_alone(self, principal: Principal, request: HTTPRequest, match: Match) -> InformedCaller:
        """Make the caller current where no application will ask for it."""
        rules = self._rules
        context = request_keys(request, http_headers=rules.http_headers, http_query=rules.http_query)
        caller = InformedCaller(principal, request, context, {}, route=match.route.template)
        current_caller.set(caller)
        return caller

    async def _judged(self, request: HTTPRequest, scope: Mapping[str, Any],
                      receive: Receive) -> Admission | Denial:
        rules = self._rules
        if request.method == "OPTIONS" and (answer := self._preflight(request)) is not None:
            return answer
        match = rules.mapper.match(request)
        if isinstance(match, Match) and match.route.public:
            self.counts["public"] += 1
            return Admission(self._caller(_ANONYMOUS, request, scope, match.route.template))
        try:
            principal = await rules.authenticator.authenticate(request)
        except BodyNeededError:
            msgspec.structs.force_setattr(request, "body", HeldBody(receive))
            principal = await rules.authenticator.authenticate(request)
        if principal is None:
            if not rules.allow_anonymous or isinstance(match, Unmapped):
                return self.denials.of_anonymous(request)
            principal = _ANONYMOUS
        if isinstance(match, Unmapped):
            return self.denials.of_unmapped(match, principal, request)
        return await self._decided(request, match, principal, scope)

    async def _decided(self, request: HTTPRequest, match: Match, principal: Principal,
                       scope: Mapping[str, Any]) -> Admission | Denial:
        rules = self._rules
        caller = self._caller(principal, request, scope, match.route.template)
        checks = match.checks(request, principal.context)
        given = match.context(request, principal.context)
        if rules.resolver is None:
            questions = [Question(action, resource, given) for action, resource in checks]
        else:
            known = await self._resolved(rules.resolver, request, match, principal, checks)
            caller.remember(known)
            questions = [with_given(question, given) for question in known]
        return self._begun(caller, questions, request)

    def _begun(self, caller: InformedCaller, questions: Sequence[Question],
               request: HTTPRequest, before: InformedCaller | None = None) -> Admission | Denial:
        guard = self._guard
        caller.decisions = (guard.begin(caller, questions) if before is None
                            else guard.begin_again(caller, questions, before))
        for decision in caller.decisions:
            if decision.verdict is not Verdict.ALLOWED:
                return self.denials.of_error(AccessDeniedError(decision), request)
        self.counts["allow"] += 1
        return Admission(caller, questions, caller.decisions[0].policies)

    def judge_again(self, admission: Admission) -> Admission | Denial:
        """Judge a request that is the same, byte for byte, as one that was admitted a moment ago.

        What it says and who sent it need not be read again, as long as the credential counts, which is the matter of
        who calls this. Whether it may is decided anew, unless the policies and the second are the same; either way it
        is counted and recorded like any other decision.

        Args:
            admission: What the request was given before; it asked at least one question.
        """
        known = admission.caller
        caller = InformedCaller(known.principal, known.request, known.context, {}, route=known.route)
        current_caller.set(caller)
        request = known.request
        if request is None:
            raise ConfigurationError(Fault("a caller was let in without a request"))
        try:
            return self._begun(caller, admission.questions, request, known)
        except Exception as error:
            _logger.exception("a request is denied because of an error")
            return self.denials.of_error(error, request)

    def _caller(self, principal: Principal, request: HTTPRequest, scope: Mapping[str, Any],
                route: str) -> InformedCaller:
        """Make the caller current, and known to the application under a key that no header can set."""
        rules = self._rules
        context = request_keys(request, http_headers=rules.http_headers, http_query=rules.http_query)
        caller = InformedCaller(principal, request, context, {}, route=route)
        self.hand_over(caller, scope)
        current_caller.set(caller)
        return caller

    def hand_over(self, caller: InformedCaller, scope: Mapping[str, Any]) -> None:
        """Give a caller the scope for the application, in which it is found.

        Args:
            caller: With the request that was made of the scope, or of one that is the same.
            scope: Of the server.
        """
        if caller.request is None:
            raise ConfigurationError(Fault("a caller was let in without a request"))
        inner = caller.scope = caller.request.for_app(scope)
        if inner.get("state") is None:
            inner["state"] = {}
        inner["state"][STATE_KEY] = caller

    async def _resolved(self, resolver: Resolver, request: HTTPRequest, match: Match, principal: Principal,
                        pairs: Sequence[Pair]) -> list[Question]:
        try:
            async with asyncio.timeout(self._rules.resolver_timeout):
                return await resolve(resolver, request, match, principal, pairs)
        except TimeoutError as error:
            raise UnavailableError("the facts about the resource were not found in time") from error

    async def still_accepts(self, admission: Admission) -> bool:
        """Whether the credential of an admission that was given earlier still counts."""
        request = admission.caller.request
        return request is None or await still_holds(self._rules.authenticator, request)

    def still_allows(self, admission: Admission) -> bool:
        """Whether an admission that was given earlier would be given by the policies of now."""
        policies = self._guard.policies
        if policies is not admission.policies:
            admission.policies = policies
            return all(self._guard.begin(admission.caller, admission.questions))
        return True

    def _preflight(self, request: HTTPRequest) -> Denial | None:
        cors = self._rules.preflight
        if cors is None or not is_preflight(request):
            return None
        headers = cors.preflight(request, self._rules.mapper.methods(request.path))
        if headers is None:
            return None
        self.counts["preflight"] += 1
        return Denial(204, headers, b"")


def _as_sent(scope: Mapping[str, Any]) -> HTTPRequest:
    """A request that could not be read, for its record only."""
    return HTTPRequest(kind=scope["type"], method=str(scope.get("method", "")), path=str(scope.get("path", "")))
