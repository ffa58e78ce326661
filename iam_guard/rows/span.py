"""A question about rows whose answer is known within bounds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from iam_guard.rows.formula import NO, YES, Formula, all_of, always, any_of, opposite


class Span(NamedTuple):
    """Two formulas with the truth between them.

    Attributes:
        under: Holds for no row for which the truth does not.
        over: Holds for every row for which it does.
        why: Why they differ; empty when they do not.
    """

    under: Formula
    over: Formula
    why: tuple[str, ...] = ()


def exactly(formula: Formula) -> Span:
    """The truth itself."""
    return Span(formula, formula)


def constant(holds: bool) -> Span:
    """The same for every row."""
    return exactly(always(holds))


def unknown(why: str) -> Span:
    """No query can tell."""
    return Span(NO, YES, (why,))


def between(under: Formula, over: Formula, why: str) -> Span:
    """Somewhere between two formulas."""
    return Span(under, over, () if under == over else (why,))


def not_(span: Span) -> Span:
    """The opposite."""
    return Span(opposite(span.over), opposite(span.under), span.why)


def both(*spans: Span) -> Span:
    """Whether all hold."""
    return _joined(spans, all_of(one.under for one in spans), all_of(one.over for one in spans))


def either(*spans: Span) -> Span:
    """Whether one holds."""
    return _joined(spans, any_of(one.under for one in spans), any_of(one.over for one in spans))


def _joined(spans: Iterable[Span], under: Formula, over: Formula) -> Span:
    """What became certain needs no excuse."""
    reasons = () if under == over else tuple(dict.fromkeys(why for one in spans for why in one.why))
    return Span(under, over, reasons)
