"""row_filter: the rows that somebody may see, as a filter for a query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from iam_guard.engine.arn import HEAD_FIELDS
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.guard import Guard, counts_of_the_service
from iam_guard.model import AuthorizationRequest, Principal, ascii_lower
from iam_guard.rows.conditions import Known
from iam_guard.rows.formula import NO, YES, Formula, holds, present, same
from iam_guard.rows.resources import RowName
from iam_guard.rows.span import Span, both, constant, either, exactly, not_, unknown
from iam_guard.rows.sql import SQL, Dialect, Writer
from iam_guard.rows.table import Rows, as_text
from iam_guard.rows.verdict import Verdicts

#: Resources with policies of their own, among the rows, that a filter tells apart.
MAX_OWN_POLICIES = 64
_PLACEHOLDERS: dict[Dialect, Callable[[int], str]] = {"sqlite": lambda at: "?", "postgresql": lambda at: "%s"}


@dataclass(frozen=True, slots=True)
class RowFilter:
    """The rows on which somebody may perform an action, as far as a query can tell.

    Attributes:
        formula: Holds for no row on which it is not allowed.
        why: What the query cannot tell, so that allowed rows may be left out; empty when it admits exactly the rows
            that are allowed.
        revision: Of the policies.
    """

    formula: Formula
    why: tuple[str, ...]
    revision: str

    @property
    def is_exact(self) -> bool:
        """Whether it admits every row that is allowed."""
        return not self.why

    @property
    def is_nothing(self) -> bool:
        """Whether no row at all is admitted, so that there is no need to ask the database."""
        return self.formula == NO

    @property
    def is_everything(self) -> bool:
        """Whether every row is admitted."""
        return self.formula == YES

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row, by the names of its columns, is admitted."""
        return holds(self.formula, row, as_text)

    def sql(self, dialect: Dialect, *, placeholder: Callable[[int], str] | None = None) -> SQL:
        """The filter as a condition for ``WHERE``.

        Args:
            dialect: ``sqlite`` or ``postgresql``. Collations of other databases may not tell letters apart.
            placeholder: Writes the placeholder of the parameter at a position, counted from 0; by default ``?`` for
                SQLite and ``%s`` for PostgreSQL.
        """
        return Writer(dialect, placeholder or _PLACEHOLDERS[dialect]).write(self.formula)


def row_filter(guard: Guard, principal: Principal, action: str, rows: Rows) -> RowFilter:
    """The rows on which *principal* may perform *action*, by the policies of this moment.

    Nothing is recorded: no row has been asked for yet. Make a filter for every query; it knows the caller, the
    request and the time.

    Args:
        guard: Whose policies decide.
        principal: Who asks.
        action: ``service:Name``.
        rows: How rows become resources.

    Raises:
        ConfigurationError: a column stands in one of the first five fields of the ARN.
        UnavailableError: there are no policies, or the caller's session has expired.
    """
    policies, context = guard.outlook(principal)
    name = _row_name(rows, guard.names.expand(rows.resource, action))
    columns = {key: column for key, column in rows.columns().items() if counts_of_the_service(key, context)}
    if shadowed := columns.keys() & context.keys():
        raise ConfigurationError(Fault(f"'{min(shadowed)}' is known already, and cannot come from a column as well"))
    span = _span(policies, principal, action, name, Known(context, columns))
    admitted = both(exactly(present(name.name)), span)
    return RowFilter(admitted.under, admitted.why, policies.revision)


def _row_name(rows: Rows, arn: str) -> RowName:
    expression = rows.expression(arn)
    fields = arn.split(":", HEAD_FIELDS)
    if len(fields) <= HEAD_FIELDS or "{" in "".join(fields[:HEAD_FIELDS]):
        raise ConfigurationError(Fault(f"'{arn}' is no ARN whose last part alone differs from row to row",
                                       "ask once for each account, or write a whole ARN"))
    head = ":".join(fields[:HEAD_FIELDS]) + ":"
    first = str(expression[0])[len(head):]
    return RowName(head, (*((first,) if first else ()), *expression[1:]))


def _span(policies: PolicySet, who: Principal, action: str, row: RowName, known: Known) -> Span:
    subject = policies.subject_of(who)
    if subject.broken or (who.groups is None and policies.speaks_of_groups):
        return constant(False)  # whatever is asked, there is no answer
    if ascii_lower(action) == "sts:getcalleridentity":
        return constant(True)

    def allowed(resource: str) -> Span:
        request = AuthorizationRequest(who, action, resource, known.context)
        return Verdicts(policies.case(request, who, subject), row, known).allowed()

    own = [arn for arn in policies.attachments.resources if arn.startswith(row.head)]
    named = [(arn, name) for arn in own if (name := same(row.name, arn.removeprefix(row.head))) != NO]
    if len(named) > MAX_OWN_POLICIES:
        return unknown(f"{len(named)} of the resources may have policies of their own")
    special = (both(exactly(name), allowed(arn)) for arn, name in named)
    return either(*special, both(not_(either(*(exactly(name) for _, name in named))), allowed(row.head + "\0")))
