"""The use case: Guard answers authorization requests and records every answer.

    guard = Guard(PolicySet.from_json(text, id="documents"))
    if guard.authorize(ada, "docs:GetDocument", "docs:document/42"):
        ...
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Protocol, TypeVar

import msgspec

from iam_guard.audit.log import DecisionLog, DecisionRecord, plain, record_of_decision, record_of_refusal
from iam_guard.decorators import Requirement
from iam_guard.engine.decision import Decision, ReasonType, Verdict
from iam_guard.engine.memo import Memo
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import AccessDeniedError, ConfigurationError, Fault, RequestRefusedError, UnavailableError
from iam_guard.http.naming import ResourceNames
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.caller import Caller, Hold, current_caller
from iam_guard.model import (
    EMPTY,
    AuthorizationRequest,
    Context,
    ContextValue,
    Principal,
    ascii_lower,
    normalise_context,
)
from iam_guard.policy.document import PolicyDocument

T = TypeVar("T")

_logger = logging.getLogger("iam_guard")

#: Keys about the resource: only the service that owns it knows them.
_OF_THE_RESOURCE = ("aws:resource", "aws:requesttag/", "aws:tagkeys", "aws:requestedregion")
#: Keys about the caller: nobody but the one who authenticated the caller may state them.
_OF_THE_CALLER = ("aws:principal", "aws:userid", "aws:username", "aws:tokenissuetime", "aws:multifactorauth",
                  "aws:federatedprovider", "aws:sourceidentity")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
#: Decisions kept with a caller; a long stream may ask any number of questions.
_KEPT_DECISIONS = 100
#: Seconds for which a request keeps to the policies it began with when there are newer ones. Together with the time
#: until a change is noticed this bounds how long anything is allowed on an old state (promise S17).
HOLD_SECONDS = 2.0
#: Principals whose condition keys are remembered; authenticators hand out the same ones again and again.
_KEPT_PRINCIPALS = 4096
_Principals = Memo[int, tuple[Principal, dict[str, str | tuple[str, ...]]]]


class PolicySource(Protocol):
    """Holds the newest policies that were read without fault."""

    @property
    def current(self) -> PolicySet:
        """The policies to decide with now.

        Raises:
            UnavailableError: there are none yet, or they are too old to be used.
        """
        ...


class Question(msgspec.Struct, frozen=True, gc=False):
    """One of several questions about the same principal; see :meth:`Guard.authorize_many`."""

    action: str
    resource: str
    context: Mapping[str, ContextValue] = EMPTY
    resource_policy: PolicyDocument | None = None
    resource_account: str = ""


class InformedCaller(Caller, eq=False):
    """A caller at a door that looked facts about resources up.

    Attributes:
        known: What is known about a resource: for each ARN the questions that were asked, by action.
    """

    known: dict[str, dict[str, Question]] = msgspec.field(default_factory=dict)

    def remember(self, questions: Iterable[Question]) -> None:
        """Keep facts for what the rest of the request asks about the same resources."""
        for one in questions:
            self.known.setdefault(one.resource, {})[ascii_lower(one.action)] = one

    def informed(self, question: Question) -> Question:
        """*question*, whose resource is written in full, with the facts about it; its own context counts more.

        Facts belong to the resource, whatever is done to it, and those that were looked up for the same action come
        first. ``*`` is no resource, so what is known there stays with its action.
        """
        by_action = self.known.get(question.resource, {})
        facts = by_action.get(ascii_lower(question.action))
        if facts is None and question.resource != "*":
            facts = next(iter(by_action.values()), None)
        if facts is None:
            return question
        known = {ascii_lower(key): value for key, value in facts.context.items()}
        own = {ascii_lower(key): value for key, value in question.context.items()}
        return Question(question.action, question.resource, {**known, **own}, facts.resource_policy,
                        facts.resource_account)


def now_utc() -> datetime:
    """The time."""
    return datetime.now(UTC)


def new_decision_id() -> str:
    """An id that no other process makes, not even a forked one; it names a decision and keeps no secret."""
    return random.getrandbits(80).to_bytes(10).hex()


class Guard:
    """Answers authorization requests and records every answer.

    Args:
        policies: What to decide with; a store keeps it fresh.
        log: Where decisions are recorded.
        names: How short resource names become full ones.
        clock: Tells the time; a decision knows no other time.
        new_id: Makes the id of a decision.
    """

    def __init__(self, policies: PolicySet | PolicySource, *, log: DecisionLog | None = None,
                 names: ResourceNames = ResourceNames(), clock: Callable[[], datetime] = now_utc,  # noqa: B008
                 new_id: Callable[[], str] = new_decision_id) -> None:
        self._nothing = PolicySet(revision="none")
        self._source = None if isinstance(policies, PolicySet) else policies
        self._policies = policies if isinstance(policies, PolicySet) else self._nothing
        self._log = log
        self._names = names
        self._clock = clock
        self._new_id = new_id
        self._requirements: list[Requirement] = []
        self._second = (-1, "", "")
        self._principals: tuple[PolicySet, _Principals] = (self._nothing, Memo(_KEPT_PRINCIPALS))
        #: Records that the log failed to take.
        self.log_failures = 0

    def authorize(self, principal: Principal, action: str, resource: str, *,
                  context: Mapping[str, ContextValue] = EMPTY, resource_policy: PolicyDocument | None = None,
                  resource_account: str = "") -> Decision:
        """Decide whether *principal* may perform *action* on *resource*.

        A denial is returned, not raised; the decision is falsy. So is one that could not be made, for
        whatever reason: its ``error`` says why.

        Args:
            principal: Who asks.
            action: ``service:Name``.
            resource: A full ARN, a short name such as ``docs:document/42``, or ``*``; taken literally.
            context: Condition keys that the service knows: its own, and ``aws:ResourceTag/...`` and the
                like. Keys of the principal, the request and the clock cannot be replaced here.
            resource_policy: The resource's own policy, where the service looked it up.
            resource_account: Who owns the resource; empty means the account in its ARN.
        """
        return self.answer(principal, Question(action, resource, context, resource_policy, resource_account))

    def answer(self, principal: Principal, question: Question) -> Decision:
        """What :meth:`authorize` does, for whoever has the question in its full form."""
        caller = current_caller.get()
        try:
            policies, now = self._held_policies(caller), self._clock()
            known = self._known_context(policies, principal, caller, now)
        except Exception as error:
            return self._undecided(principal, question, error)
        return self._decide(policies, principal, question, known)

    def authorize_many(self, principal: Principal,
                       questions: Iterable[Question | tuple[str, str]]) -> list[Decision]:
        """Decide several questions with the same policies and at the same time, in their order."""
        return self.answers(principal, [question if isinstance(question, Question) else Question(*question)
                                        for question in questions])

    def begin(self, caller: Caller, questions: Sequence[Question]) -> list[Decision]:
        """Answer what a request asks at its start, and hold it to the policies that answered.

        Args:
            caller: The current caller; gets the hold.
            questions: Answered with the same policies and at the same time, in their order.
        """
        try:
            policies, now = self.policies, self._clock()
            known = self._known_context(policies, caller.principal, caller, now)
        except Exception as error:
            return [self._undecided(caller.principal, question, error) for question in questions]
        caller.hold = Hold(self, policies, now)
        return [self._decide(policies, caller.principal, question, known) for question in questions]

    def begin_again(self, caller: Caller, questions: Sequence[Question], before: Caller) -> list[Decision]:
        """What :meth:`begin` says about the same questions of the same principal, with the same request.

        They are decided anew as soon as anything that counts is not the same any more: the policies or the second. Each
        decision is a new one, with its own id and record.

        Args:
            caller: The current caller; gets the hold.
            questions: See :meth:`begin`.
            before: The one that asked before; remembers what was decided.
        """
        hold = self._same_hold(before)
        if hold is None:
            decisions = self.begin(caller, questions)
            before.hold, before.decisions = caller.hold, list(decisions)
            return decisions
        caller.hold = hold
        started = perf_counter() if self._log is not None else 0.0
        return [self._finished(Decision(one.verdict, one.reason_type, one.request, one.policies, one.statement,
                                        one.level), started) for one in before.decisions]

    def _same_hold(self, before: Caller) -> Hold | None:
        """A hold of now, when everything that was decided for a caller would be decided now, every bit of it."""
        hold, principal = before.hold, before.principal
        if hold is None or hold.by is not self or principal.mfa_at is not None:
            return None
        try:
            policies, now = self.policies, self._clock()
        except Exception:
            return None  # begin() says why
        if policies is not hold.policies or now.second != hold.since.second or abs(now - hold.since) >= _SECOND:
            return None
        if principal.expires_at is not None and (now - _EPOCH).total_seconds() >= principal.expires_at:
            return None
        for one in before.decisions:
            if one.verdict is not Verdict.ALLOWED:
                return None
        return Hold(self, policies, now)

    def answers(self, principal: Principal, questions: Sequence[Question]) -> list[Decision]:
        """What :meth:`authorize_many` does, for whoever has questions in their full form."""
        caller = current_caller.get()
        try:
            policies, now = self._held_policies(caller), self._clock()
            known = self._known_context(policies, principal, caller, now)
        except Exception as error:
            return [self._undecided(principal, question, error) for question in questions]
        return [self._decide(policies, principal, question, known) for question in questions]

    def filter_allowed(self, principal: Principal, action: str, items: Iterable[T], *,
                       resource: Callable[[T], str],
                       context: Callable[[T], Mapping[str, ContextValue]] = lambda item: EMPTY) -> list[T]:
        """The *items* on which *principal* may perform *action*, in order, as one question each.

        Args:
            principal: Who asks.
            action: ``service:Name``.
            items: Such as rows of a page.
            resource: Names an item's resource.
            context: Condition keys of an item.
        """
        rows = list(items)
        asked = [Question(action, resource(row), context(row)) for row in rows]
        return [row for row, decision in zip(rows, self.authorize_many(principal, asked), strict=True) if decision]

    def enforce(self, principal: Principal, action: str, resource: str, *,
                context: Mapping[str, ContextValue] = EMPTY) -> Decision:
        """Like :meth:`authorize`, and a denial is raised.

        Raises:
            AccessDeniedError: it is not allowed.
        """
        decision = self.authorize(principal, action, resource, context=context)
        if not decision:
            raise AccessDeniedError(decision)
        return decision

    def require(self, action: str, resource: str, *, context: Mapping[str, ContextValue] = EMPTY) -> Decision:
        """Like :meth:`enforce`, for whoever sent the request that is being handled.

        What the resolver of the door said about the same resource counts here too.

        Raises:
            AccessDeniedError: it is not allowed.
            ConfigurationError: no request is being handled.
        """
        caller = _caller()
        question = Question(action, resource, context)
        if isinstance(caller, InformedCaller) and caller.known:
            full = self._names.expand(resource, action)
            question = caller.informed(Question(action, full, context))
        [decision] = self.answers(caller.principal, [question])
        if len(caller.decisions) < _KEPT_DECISIONS:
            caller.decisions.append(decision)
        if not decision:
            raise AccessDeniedError(decision)
        return decision

    def requires(self, action: str, *, resource: str, context: Mapping[str, str] = EMPTY) -> Requirement:
        """A check to put on a function, or to use as a FastAPI dependency.

        Args:
            action: ``service:Name``.
            resource: Its ``{name}`` is a parameter of the function, ``{claim.x}`` a claim of the caller.
            context: Condition keys to add: fixed text, or ``{name}`` for the value of a parameter.

        Raises:
            ConfigurationError: the template is malformed.
        """
        requirement = Requirement(self, action, self._names.expand(resource, action), context)
        self._requirements.append(requirement)
        return requirement

    @property
    def policies(self) -> PolicySet:
        """The policies that decide now.

        Raises:
            UnavailableError: there are none.
        """
        return self._policies if self._source is None else self._source.current

    def hold(self) -> Hold:
        """What a door gives to a :class:`~iam_guard.identity.caller.Caller` at the start of a request, so that
        its questions are answered by one revision of the policies, for two seconds if there are newer ones.

        Raises:
            UnavailableError: there are no policies.
        """
        return Hold(self, self.policies, self._clock())

    @property
    def names(self) -> ResourceNames:
        """How short resource names become full ones."""
        return self._names

    def outlook(self, principal: Principal) -> tuple[PolicySet, Context]:
        """What a question of *principal* would be decided by now: the policies, and the keys that are known already.

        Raises:
            UnavailableError: there are no policies, or the caller's session has expired.
        """
        caller = current_caller.get()
        policies = self._held_policies(caller)
        return policies, self._known_context(policies, principal, caller, self._clock())

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """Every requirement that was made, for those who check that none was lost."""
        return tuple(self._requirements)

    def now(self) -> datetime:
        """The time as this guard knows it."""
        return self._clock()

    def request_value(self, name: str) -> object:
        """What the current request says for a placeholder of :meth:`requires`, ``None`` when nothing.

        Raises:
            ConfigurationError: no request is being handled.
            RequestRefusedError: it says two things.
        """
        caller = _caller()
        source, dot, key = name.partition(".")
        if not dot:
            return caller.scope.get("path_params", EMPTY).get(name)
        if source == "claim":
            return caller.principal.context.get(ascii_lower(key if ":" in key else f"jwt:{key}"))
        if caller.request is None:
            return None
        values = caller.request.query.get(key, ()) if source == "query" else caller.request.header_values(key)
        if len(values) > 1:
            raise RequestRefusedError("A value that the access check needs was sent twice.", code="repeated-value")
        return values[0] if values else None

    def record_refusal(self, verdict: str, reason: str, *, principal: Principal | None = None,
                       request: HTTPRequest | None = None) -> str:
        """Record a request that was refused before any policy was asked; returns the record's id."""
        id = self._new_id()  # noqa: A001
        if self._log is not None:
            self._record(False, lambda: record_of_refusal(id, self._clock(), verdict, reason, principal=principal,
                                                          request=request))
        return id

    # How an answer is made

    def _held_policies(self, caller: Caller | None) -> PolicySet:
        """What the current request keeps to, else the newest; none at all when those are too old to be used."""
        newest = self.policies
        hold = None if caller is None else caller.hold
        if hold is None or hold.policies is newest or hold.by is not self:
            return newest
        return hold.policies if 0 <= (self._clock() - hold.since).total_seconds() <= HOLD_SECONDS else newest

    def _known_context(self, policies: PolicySet, principal: Principal, caller: Caller | None,
                       now: datetime) -> dict[str, str | tuple[str, ...]]:
        """What the principal, the request and the clock say; the same for every question asked at once."""
        known = self._of_principal(policies, principal)
        epoch = (now - _EPOCH).total_seconds()  # as timestamp() would say, for a third of its price
        if principal.expires_at is not None and epoch >= principal.expires_at:
            raise UnavailableError("the caller's session has expired")
        second = int(epoch)
        if second != self._second[0]:
            self._second = (second, f"{now.astimezone(UTC).isoformat()[:19]}Z", str(second))
        _, instant, number = self._second
        if caller is not None and caller.principal is principal:
            found = {**known, **caller.context, "aws:currenttime": instant, "aws:epochtime": number}
        else:
            found = {**known, "aws:currenttime": instant, "aws:epochtime": number}
        if principal.mfa_at is not None:
            found["aws:multifactorauthage"] = str(max(0, int(epoch - principal.mfa_at)))
        return found

    def _of_principal(self, policies: PolicySet, principal: Principal) -> dict[str, str | tuple[str, ...]]:
        """The principal's own keys, remembered as long as the same policies decide; not to be changed."""
        decided_by, known = self._principals
        if decided_by is not policies:
            known = Memo(_KEPT_PRINCIPALS)
            self._principals = (policies, known)
        found = known.get(id(principal))
        if found is None or found[0] is not principal:
            found = known.keep(id(principal), (principal, dict(policies.principal_context(principal))))
        return found[1]

    def _decide(self, policies: PolicySet, principal: Principal, question: Question,
                known: Context) -> Decision:
        started = perf_counter() if self._log is not None else 0.0
        try:
            action, resource, given = question.action, question.resource, question.context
            if not resource.startswith("arn:"):
                resource = self._names.expand(resource, action)
            context = _with_given(known, given) if given else known
            decision = policies.evaluate(AuthorizationRequest(principal, action, resource, context,
                                                              question.resource_account, question.resource_policy))
        except Exception as error:
            return self._undecided(principal, question, error)
        if decision.error:
            _logger.error("could not decide %s: %s", plain(question.action), plain(decision.error))
        return self._finished(decision, started)

    def _undecided(self, principal: Principal, question: Question, error: Exception) -> Decision:
        """Deny because no answer could be found."""
        _logger.error("could not decide %s: %s", plain(question.action), plain(f"{type(error).__name__}: {error}"),
                      exc_info=not isinstance(error, UnavailableError))
        request = AuthorizationRequest(principal, question.action, question.resource)
        return self._finished(Decision(Verdict.IMPLICIT_DENY, ReasonType.EVALUATION_ERROR, request, self._nothing,
                                       error=f"{type(error).__name__}: {error}"), perf_counter())

    def _finished(self, decision: Decision, started: float) -> Decision:
        decision.id = self._new_id()
        if self._log is not None:
            latency = (perf_counter() - started) * 1e6
            caller = current_caller.get()
            request, route = (caller.request, caller.route) if caller else (None, "")
            self._record(decision.allowed, lambda: record_of_decision(
                decision, self._clock(), request=request, route=route, latency_us=latency))
        return decision

    def _record(self, allowed: bool, make: Callable[[], DecisionRecord]) -> None:
        """Record, and let no failure of the log change an answer."""
        try:
            if self._log is not None:
                self._log.record(allowed, make)
        except Exception:
            self.log_failures += 1
            _logger.exception("a decision could not be recorded")


def _caller() -> Caller:
    caller = current_caller.get()
    if caller is None:
        raise ConfigurationError(Fault("there is no current caller, so nothing can be allowed",
                                       "put IAMGuardMiddleware in front, or use act_as in a test"))
    return caller


def _with_given(known: Context, given: Mapping[str, ContextValue]) -> Context:
    """Add what a service says, except where it would speak for the principal, the request or the clock."""
    # As counts_of_the_service says, without a call for each key.
    return {**known, **{key: value for key, value in normalise_context(given).items()
                        if key.startswith(_OF_THE_RESOURCE) or not (key in known or key.startswith(_OF_THE_CALLER))}}


def counts_of_the_service(key: str, known: Context) -> bool:
    """Whether a service may state a condition key (lower case), given those that are known already."""
    return key.startswith(_OF_THE_RESOURCE) or not (key in known or key.startswith(_OF_THE_CALLER))
