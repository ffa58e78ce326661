"""A policy set read twice for somebody who does not know everything about a request.

Conditions on keys that nobody can tell beforehand (an address, a time, a second factor) are read in favour of
access once and against it once. What is denied even by the favourable reading is denied whatever the request
brings; what is allowed even by the other one is allowed whatever it brings; the rest depends on those keys.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.engine.memo import Memo
from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import ascii_lower
from iam_guard.policy.document import Condition, PolicyDocument, Statement
from iam_guard.policy.operators import read_operator
from iam_guard.policy.variables import Literal, Variable, VariableSyntaxError, split_variables

Value = TypeVar("Value")
Other = TypeVar("Other")

_KEPT = 65_536
#: What is known of a caller who is in the directory, whatever it sends. A session's own name is not.
_OF_THE_CALLER = ("aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:principalorg",
                  "aws:principalisawsservice", "aws:principalservicename", "aws:principaltag/", "aws:username")


class Readings(NamedTuple):
    """Both readings of a policy set.

    Attributes:
        widest: Unknown conditions are read in favour of access.
        narrowest: ... and against it.
    """

    widest: PolicySet
    narrowest: PolicySet


def read_twice(attachments: Attachments, known: Collection[str] = ()) -> Readings:
    """Both readings, made policy by policy as they are needed.

    Args:
        attachments: What is attached to whom.
        known: Condition keys, in lower case, that the request is known to have or known not to have, besides
            those of the caller.
    """
    return Readings(*(PolicySet(_Reader(frozenset(known), favourable).attachments(attachments))
                      for favourable in (True, False)))


def is_known(key: str, known: Collection[str] = ()) -> bool:
    """Whether a condition key has a value, or is known to have none, before anybody sends a request."""
    lower = ascii_lower(key)
    return lower in known or lower.startswith(_OF_THE_CALLER)


class _Reader:
    """Rewrites documents for one reading.

    Args:
        known: Keys that need no guess.
        favourable: Whether guesses are in favour of access.
    """

    def __init__(self, known: Collection[str], favourable: bool) -> None:
        self._known, self._favourable = known, favourable
        self._policies: Memo[int, tuple[Policy, Policy]] = Memo(_KEPT)

    def attachments(self, one: Attachments) -> Attachments:
        """The same attachments, read so."""
        return replace(
            one, everyone=self._all(one.everyone), holders=_Mapped(one.holders, self._holder),
            groups=_Mapped(one.groups, self._all), resources=_Mapped(one.resources, self.policy),
            guardrails=_Mapped(one.guardrails, self._guardrails),
            endpoint=None if one.endpoint is None else self._all(one.endpoint))

    def _holder(self, holder: Holder) -> Holder:
        boundary = self.policy(holder.boundary) if holder.boundary else None
        return replace(holder, policies=self._all(holder.policies), boundary=boundary)

    def _guardrails(self, rails: Guardrails) -> Guardrails:
        return replace(rails, scps=None if rails.scps is None else tuple(map(self._all, rails.scps)),
                       rcps=tuple(map(self._all, rails.rcps)))

    def _all(self, policies: Iterable[Policy]) -> tuple[Policy, ...]:
        return tuple(map(self.policy, policies))

    def policy(self, policy: Policy) -> Policy:
        """One policy; the same object gives the same object, as the compiler wants it."""
        found = self._policies.get(id(policy)) or self._policies.recall(id(policy))
        if found is None or found[0] is not policy:
            found = self._policies.keep(id(policy), (policy, Policy(policy.id, self._document(policy.document))))
        return found[1]

    def _document(self, document: PolicyDocument) -> PolicyDocument:
        return replace(document, statements=tuple(filter(None, map(self._statement, document.statements))))

    def _statement(self, one: Statement) -> Statement | None:
        """The statement, read wider or narrower; ``None`` when nothing of it can be relied on."""
        wider = self._favourable is not one.is_deny
        guessed = [place for place, condition in enumerate(one.conditions)
                   if not self._can_tell(condition, one.variables)]
        if guessed and not wider:
            return None
        kept = [place for place in range(len(one.conditions)) if place not in guessed]
        resources, negated = self._resources(one, wider)
        if resources == ():
            return None
        return replace(one, conditions=tuple(one.conditions[place] for place in kept), resources=resources,
                       not_resource=negated,
                       broken=tuple(kept.index(place) for place in one.broken if place in kept))

    def _can_tell(self, condition: Condition, variables: bool) -> bool:
        operator = read_operator(condition.operator)
        filled = variables and operator is not None and operator.comparison.family.takes_variables
        return self._is_known(condition.key) and not (
            filled and any(_unknown(text, self._is_known) for text in condition.values))

    def _resources(self, one: Statement, wider: bool) -> tuple[tuple[str, ...] | None, bool]:
        """Resources, with what is not known left open or left out; whether they are negated."""
        if one.resources is None or not one.variables:
            return one.resources, one.not_resource
        opens = wider is not one.not_resource
        read = [_opened(text, self._is_known) if opens else text for text in one.resources
                if opens or not _unknown(text, self._is_known)]
        if one.not_resource and not read:
            return ("*",), False
        return tuple(read), one.not_resource

    def _is_known(self, key: str) -> bool:
        return is_known(key, self._known)


def _unknown(text: str, known: Callable[[str], bool]) -> bool:
    """Whether a text has a variable that nobody can fill in yet."""
    return any(isinstance(part, Variable) and not known(part.key) for part in _parts(text))


def _opened(text: str, known: Callable[[str], bool]) -> str:
    """The text with a star for every variable that nobody can fill in yet."""
    if not _unknown(text, known):
        return text
    return "".join(_written(part, known) for part in _parts(text))


def _written(part: str | Variable, known: Callable[[str], bool]) -> str:
    if isinstance(part, Literal):
        return f"${{{part}}}"
    if isinstance(part, Variable):
        if not known(part.key):
            return "*"
        return f"${{{part.key}}}" if part.default is None else f"${{{part.key}, '{part.default}'}}"
    return part


def _parts(text: str) -> list[str | Variable]:
    try:
        return list(split_variables(text)) if "${" in text else [text]
    except VariableSyntaxError:
        return [text]  # the engine knows what becomes of it


class _Mapped(Mapping[str, Value]):
    """A mapping whose values are made when they are looked up."""

    __slots__ = ("_inner", "_make")

    def __init__(self, inner: Mapping[str, Value], make: Callable[[Value], Value]) -> None:
        self._inner, self._make = inner, make

    def __getitem__(self, key: str) -> Value:
        return self._make(self._inner[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._inner)

    def __len__(self) -> int:
        return len(self._inner)
