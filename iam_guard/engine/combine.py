"""How the policies of all kinds come to one answer (language specification, sections 5.3 to 5.8).

Any Deny anywhere denies. Then every ceiling over the caller has to allow. Then the resource's own policy
may grant, or must; and what the caller's own policies grant, its boundary and session may still withhold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from iam_guard.engine.decision import Decision, ReasonType, Verdict
from iam_guard.engine.index import Layer
from iam_guard.engine.principals import Match
from iam_guard.engine.statement import CompiledStatement
from iam_guard.model import AuthorizationRequest, Context, Principal, PrincipalKind

if TYPE_CHECKING:
    from iam_guard.engine.policy_set import PolicySet


class Subject(NamedTuple):
    """What limits and what grants on the caller's side.

    Attributes:
        identity: The caller's own policies and those of its groups.
        boundary: Its permissions boundary, if any.
        scps: Levels of service control policies it is subject to, root first; empty when it is not.
        broken: Why the caller's policies are not complete; when not empty, nothing may be allowed.
        owner: The caller's account between colons, where the identity policies are all there is to look at
            on the caller's side; otherwise empty.
        gone: Whether the caller is nobody any more, which is a denial like any other and passes with no retry.
    """

    identity: Layer
    boundary: Layer | None = None
    scps: tuple[Layer, ...] = ()
    broken: str = ""
    owner: str = ""
    gone: bool = False


class Target(NamedTuple):
    """What limits and what grants on the resource's side.

    Attributes:
        policy: The resource's own policy, if any.
        reason: What to call it: resource or trust.
        rcps: Levels of resource control policies.
        decisive: Whether the resource's own policy has to allow.
        same_account: Whether caller and resource belong together.
    """

    policy: Layer | None
    reason: ReasonType
    rcps: tuple[Layer, ...]
    decisive: bool
    same_account: bool


class Case(NamedTuple):
    """One request and everything that bears on it."""

    policies: PolicySet
    request: AuthorizationRequest
    who: Principal
    key: str
    context: Context
    subject: Subject
    target: Target
    session: Layer | None
    endpoint: Layer | None

    def answer(self, verdict: Verdict, reason: ReasonType, by: CompiledStatement | None = None, *,
               level: int = -1, error: str = "") -> Decision:
        """Make the decision."""
        return Decision(verdict, reason, self.request, self.policies, by, level=level, error=error)

    def implicit(self, reason: ReasonType, level: int = -1) -> Decision:
        """Nothing of this kind allows it."""
        return self.answer(Verdict.IMPLICIT_DENY, reason, level=level)


def decide(case: Case) -> Decision:
    """Come to a decision."""
    own: dict[ReasonType, CompiledStatement | None] = {}
    unallowed_scp = -1
    for reason, level, layer in layers_in_order(case):
        found = find(case, layer)
        if found is not None and found.deny:
            return case.answer(Verdict.EXPLICIT_DENY, reason, found, level=level)
        if reason is ReasonType.SCP:
            unallowed_scp = level if found is None and unallowed_scp < 0 else unallowed_scp
        else:
            own[reason] = found
    if unallowed_scp >= 0:
        return case.implicit(ReasonType.SCP, unallowed_scp)
    if case.endpoint is not None and find_grant(case, case.endpoint)[0] is Match.NONE:
        return case.implicit(ReasonType.ENDPOINT)
    return _sides(case, own)


def _sides(case: Case, own: dict[ReasonType, CompiledStatement | None]) -> Decision:
    """What caller and resource say, nothing having denied and no ceiling being in the way."""
    match, grant = find_grant(case, case.target.policy)
    kind = case.who.kind
    if kind in (PrincipalKind.SERVICE, PrincipalKind.ANONYMOUS, PrincipalKind.WEB_IDENTITY):
        return _resource_alone(case, match, grant)
    if kind is PrincipalKind.ROOT:
        return _root(case, match, grant)
    if case.target.same_account:
        return _same_account(case, match, grant, own)
    return _cross_account(case, match, grant, own)


def layers_in_order(case: Case) -> Iterator[tuple[ReasonType, int, Layer]]:
    """Every layer that bears on the request, in the order in which an explicit deny is reported (5.11)."""
    for level, layer in enumerate(case.subject.scps):
        yield ReasonType.SCP, level, layer
    for level, layer in enumerate(case.target.rcps):
        yield ReasonType.RCP, level, layer
    yield ReasonType.IDENTITY, -1, case.subject.identity
    if case.subject.boundary is not None:
        yield ReasonType.BOUNDARY, -1, case.subject.boundary
    if case.session is not None:
        yield ReasonType.SESSION, -1, case.session
    if case.target.policy is not None:
        yield case.target.reason, -1, case.target.policy
    if case.endpoint is not None:
        yield ReasonType.ENDPOINT, -1, case.endpoint


def find(case: Case, layer: Layer) -> CompiledStatement | None:
    """A statement of this layer that applies: a Deny if there is one; an Allow only if nobody is named."""
    index = layer.action(case.request.action)
    if not layer.names_principals:
        return index.find(case.key, case.context)
    return next((one for one in index.statements if one.deny and applies(case, one)), None)


def find_grant(case: Case, layer: Layer | None) -> tuple[Match, CompiledStatement | None]:
    """The Allow of a layer with principals that names the caller most closely."""
    best: tuple[Match, CompiledStatement | None] = (Match.NONE, None)
    for one in layer.action(case.request.action).statements if layer else ():
        if not one.deny:
            match = principal_match(case, one)
            if match > best[0] and applies(case, one):
                best = (match, one)
    return best


def principal_match(case: Case, one: CompiledStatement) -> Match:
    """How closely a statement names the caller; a statement that names nobody matches nobody."""
    if one.principal is None:
        return Match.NONE
    return one.principal.match(case.who, deny=one.deny, has_boundary=case.subject.boundary is not None)


def applies(case: Case, one: CompiledStatement) -> bool:
    """Whether a statement with principals, already known to speak of the action, applies."""
    return (principal_match(case, one) is not Match.NONE
            and one.speaks_of_resource(case.key, case.context)
            and (one.holds is None or one.holds(case.context)))


def _resource_alone(case: Case, match: Match, grant: CompiledStatement | None) -> Decision:
    """Services, strangers and web identities have nothing but the resource's word."""
    if match is Match.DIRECT:
        return case.answer(Verdict.ALLOWED, case.target.reason, grant)
    return case.implicit(case.target.reason)


def _root(case: Case, match: Match, grant: CompiledStatement | None) -> Decision:
    if case.target.same_account and not (case.target.decisive and match is Match.NONE):
        return case.answer(Verdict.ALLOWED, ReasonType.ROOT)
    if not case.target.same_account and match is not Match.NONE:
        return case.answer(Verdict.ALLOWED, case.target.reason, grant)
    return case.implicit(case.target.reason)


def _same_account(case: Case, match: Match, grant: CompiledStatement | None,
                  own: dict[ReasonType, CompiledStatement | None]) -> Decision:
    if case.target.decisive and match is Match.NONE:
        return case.implicit(case.target.reason)
    if match is Match.DIRECT:
        return case.answer(Verdict.ALLOWED, case.target.reason, grant)
    allow = own[ReasonType.IDENTITY]
    if allow is None and match is not Match.PARENT:
        return case.implicit(ReasonType.IDENTITY)
    withheld = _withheld(case, own)
    if withheld is not None:
        return case.implicit(withheld)
    if allow is None:
        return case.answer(Verdict.ALLOWED, case.target.reason, grant)
    return case.answer(Verdict.ALLOWED, ReasonType.IDENTITY, allow)


def _cross_account(case: Case, match: Match, grant: CompiledStatement | None,
                   own: dict[ReasonType, CompiledStatement | None]) -> Decision:
    """Both sides have to say yes."""
    if match is Match.NONE:
        return case.implicit(case.target.reason)
    if own[ReasonType.IDENTITY] is None:
        return case.implicit(ReasonType.IDENTITY)
    withheld = _withheld(case, own)
    if withheld is not None:
        return case.implicit(withheld)
    return case.answer(Verdict.ALLOWED, ReasonType.CROSS_ACCOUNT, grant)


def _withheld(case: Case, own: dict[ReasonType, CompiledStatement | None]) -> ReasonType | None:
    """The ceiling over the caller's own policies that does not allow, if one does not."""
    if case.subject.boundary is not None and own[ReasonType.BOUNDARY] is None:
        return ReasonType.BOUNDARY
    if case.session is None:
        return ReasonType.SESSION if case.who.kind is PrincipalKind.FEDERATED_USER else None
    return ReasonType.SESSION if own[ReasonType.SESSION] is None else None
