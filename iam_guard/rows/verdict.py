"""How the policies of all kinds come to one answer about rows: :mod:`iam_guard.engine.combine` with formulas."""

from __future__ import annotations

from iam_guard.engine.combine import Case, layers_in_order, principal_match
from iam_guard.engine.decision import ReasonType
from iam_guard.engine.index import Layer
from iam_guard.engine.principals import Match
from iam_guard.engine.statement import CompiledStatement
from iam_guard.model import PrincipalKind
from iam_guard.rows.conditions import Known, condition_span
from iam_guard.rows.resources import RowName, resource_span
from iam_guard.rows.span import Span, both, constant, either, not_

_ALONE = (PrincipalKind.SERVICE, PrincipalKind.ANONYMOUS, PrincipalKind.WEB_IDENTITY)


class Verdicts:
    """Which rows one request would be allowed for.

    Args:
        case: The request; the end of its resource's name does not count.
        row: The resource.
        known: What is known.
    """

    def __init__(self, case: Case, row: RowName, known: Known) -> None:
        self._case = case
        self._row = row
        self._known = known

    def allowed(self) -> Span:
        """Nothing denies, every ceiling allows, and somebody grants."""
        case, denied, levels = self._case, [], []
        for reason, _, layer in layers_in_order(case):
            denied.append(self._denied(layer))
            if reason is ReasonType.SCP:
                levels.append(self._allowed(layer))
        endpoint = constant(True) if case.endpoint is None else self._granted(case.endpoint, Match.ACCOUNT)
        return both(not_(either(*denied)), *levels, endpoint, self._sides())

    def _sides(self) -> Span:
        case, target = self._case, self._case.target
        anyhow, closely = self._granted(target.policy, Match.ACCOUNT), self._granted(target.policy, Match.DIRECT)
        if case.who.kind in _ALONE:
            return closely
        if case.who.kind is PrincipalKind.ROOT:
            return constant(True) if target.same_account and not target.decisive else anyhow
        own = self._allowed(case.subject.identity)
        if not target.same_account:
            return both(anyhow, own, self._not_withheld())
        as_parent = self._granted(target.policy, Match.PARENT)
        decided = anyhow if target.decisive else constant(True)
        return both(decided, either(closely, both(either(own, as_parent), self._not_withheld())))

    def _not_withheld(self) -> Span:
        """The ceilings over the caller's own policies allow."""
        case = self._case
        boundary = constant(True) if case.subject.boundary is None else self._allowed(case.subject.boundary)
        if case.session is None:
            return both(boundary, constant(case.who.kind is not PrincipalKind.FEDERATED_USER))
        return both(boundary, self._allowed(case.session))

    def _denied(self, layer: Layer) -> Span:
        return either(*(self._applies(one) for one in self._statements(layer) if one.deny and self._means(layer, one)))

    def _allowed(self, layer: Layer) -> Span:
        """Some Allow applies; one that names somebody is a grant, and not looked for here."""
        if layer.names_principals:
            return constant(False)
        return either(*(self._applies(one) for one in self._statements(layer) if not one.deny))

    def _granted(self, layer: Layer | None, least: Match) -> Span:
        """Some Allow applies that names the caller at least so closely."""
        return either(*(self._applies(one) for one in (self._statements(layer) if layer else ())
                        if not one.deny and principal_match(self._case, one) >= least))

    def _means(self, layer: Layer, one: CompiledStatement) -> bool:
        return not layer.names_principals or principal_match(self._case, one) is not Match.NONE

    def _statements(self, layer: Layer) -> list[CompiledStatement]:
        return layer.action(self._case.request.action).statements

    def _applies(self, one: CompiledStatement) -> Span:
        statement = one.statement
        span = both(resource_span(statement, self._row, self._known),
                    *(condition_span(condition, statement, index, self._known)
                      for index, condition in enumerate(statement.conditions)))
        where = f"{one.policy.id}, statement {statement.sid or statement.index}"
        return span._replace(why=tuple(f"{where}: {why}" for why in span.why))
