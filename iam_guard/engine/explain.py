"""The full story of a decision, made only when somebody asks for it.

The request is evaluated again, statement by statement and element by element, with a context that remembers
what was read from it. Nothing here can change an answer: it only repeats pure functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iam_guard.engine.combine import Case, layers_in_order, principal_match
from iam_guard.engine.decision import Decision, ReasonType, Verdict
from iam_guard.engine.index import Layer
from iam_guard.engine.principals import Match
from iam_guard.engine.statement import CompiledStatement, speaks_of_action
from iam_guard.engine.substitution import resolve
from iam_guard.model import ascii_lower
from iam_guard.policy.document import Condition, PolicyKind
from iam_guard.policy.operators import read_operator
from iam_guard.policy.variables import VariableSyntaxError, split_variables

if TYPE_CHECKING:
    from iam_guard.engine.policy_set import PolicySet

#: How many near misses are told.
MAX_NEAR_MISSES = 5


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One element of a statement that does not fit the request.

    Attributes:
        element: ``action``, ``resource``, ``principal`` or ``condition:OPERATOR/KEY``.
        wanted: What the statement says, variables filled in where they have a value.
        actual: What the request has.
    """

    element: str
    wanted: str
    actual: str

    def __str__(self) -> str:
        return f"{self.element}: wanted {self.wanted}, actual {self.actual}"


@dataclass(frozen=True, slots=True)
class StatementStory:
    """What one statement had to say about the request.

    Attributes:
        kind: What its policy is attached as.
        level: For organization policies, the level; otherwise -1.
        policy_id: Its policy.
        sid: Its name; empty when it has none.
        index: Its position in the policy.
        effect: ``Allow`` or ``Deny``.
        file: Where the policy was read from.
        line: The line in that file; 0 when unknown.
        mismatches: Elements that do not fit; none when the statement applies.
    """

    kind: ReasonType
    level: int
    policy_id: str
    sid: str
    index: int
    effect: str
    file: str
    line: int
    mismatches: tuple[Mismatch, ...]

    @property
    def applies(self) -> bool:
        """Whether everything fits."""
        return not self.mismatches

    @property
    def name(self) -> str:
        """Policy and statement, as one text."""
        return f"{self.policy_id}/{self.sid or self.index}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": str(self.kind), "level": self.level, "policy": self.policy_id, "sid": self.sid,
            "index": self.index, "effect": self.effect, "file": self.file, "line": self.line,
            "applies": self.applies,
            "mismatches": [{"element": one.element, "wanted": one.wanted, "actual": one.actual}
                           for one in self.mismatches],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that bore on a decision.

    Attributes:
        decision: What is explained.
        statements: Every statement that speaks of the action, in the order of evaluation.
        near_misses: For an implicit deny, the Allow statements that came closest, best first.
        consulted_keys: Condition keys that were read.
        missing_keys: Those that the context does not have.
    """

    decision: Decision
    statements: tuple[StatementStory, ...]
    near_misses: tuple[StatementStory, ...]
    consulted_keys: tuple[str, ...]
    missing_keys: tuple[str, ...]

    @property
    def matched(self) -> tuple[StatementStory, ...]:
        """The statements that apply."""
        return tuple(one for one in self.statements if one.applies)

    def __str__(self) -> str:
        ask = self.decision.request
        lines = [f"{self.decision.verdict}: {ask.action} on {ask.resource}", f"  {self.decision.reason}"]
        lines += [_line(one) for one in self.statements if one.applies or self.decision.allowed]
        if self.near_misses:
            lines.append("nearest misses:")
            lines += [line for one in self.near_misses for line in _near_miss_lines(one)]
        if self.missing_keys:
            lines.append(f"keys without a value: {', '.join(self.missing_keys)}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        decision, ask = self.decision, self.decision.request
        return {
            "verdict": str(decision.verdict), "reason": decision.reason, "reason_type": str(decision.reason_type),
            "message": decision.message, "revision": decision.revision, "principal": ask.principal.arn,
            "action": ask.action, "resource": ask.resource, "policy": decision.policy_id, "sid": decision.sid,
            "statement_index": decision.statement_index, "file": decision.file, "line": decision.source_line,
            "level": decision.level, "error": decision.error,
            "statements": [one.to_json() for one in self.statements],
            "near_misses": [one.to_json() for one in self.near_misses],
            "consulted_keys": list(self.consulted_keys), "missing_keys": list(self.missing_keys),
        }


def _line(story: StatementStory) -> str:
    fits = "applies" if story.applies else f"does not apply: {story.mismatches[0].element}"
    return f"  {story.effect:5} {story.name}  {fits}{_place(story)}"


def _near_miss_lines(story: StatementStory) -> Iterator[str]:
    yield f"  {story.effect:5} {story.name}{_place(story)}"
    for mismatch in story.mismatches:
        yield f"        {mismatch}"


def _place(story: StatementStory) -> str:
    return f"  ({story.file}:{story.line})" if story.file else ""


class _Recording(dict[str, str | tuple[str, ...]]):
    """A context that remembers which keys were asked for."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.asked: dict[str, None] = {}

    def get(self, key: str, default: Any = None) -> Any:
        self.asked[key] = None
        return super().get(key, default)


def explain(policies: PolicySet, decision: Decision) -> Explanation:
    """Tell the story of a decision that *policies* made."""
    request, who = decision.request, decision.request.principal
    context = _Recording(request.context)
    try:
        case = policies.case(request, who, policies.subject_of(who))._replace(context=context)
    except Exception:  # the decision itself already says what went wrong
        return Explanation(decision, (), (), (), ())
    told = [_Told(case, reason, level, one) for reason, level, layer in layers_in_order(case)
            for one in _statements(layer)]
    spoken = tuple(one.story() for one in told if one.speaks)
    consulted = tuple(sorted(context.asked))
    near = _near_misses(case, decision, told)
    return Explanation(decision, spoken, near, consulted, tuple(key for key in consulted if key not in context))


def _statements(layer: Layer) -> Iterator[CompiledStatement]:
    for policy in layer.policies:
        yield from policy.all_statements()


class _Told:
    """One statement held against the request."""

    def __init__(self, case: Case, reason: ReasonType, level: int, one: CompiledStatement) -> None:
        self.case = case
        self.reason = reason
        self.level = level
        self.one = one
        self.speaks = speaks_of_action(one.statement, ascii_lower(case.request.action))
        # Conditions are read where action and resource fit, so that "consulted" means what evaluation means.
        fits = self.speaks and one.speaks_of_resource(case.key, case.context)
        conditions = self._conditions() if fits else []
        self.mismatches = [*self._action(), *self._resource(), *self._principal(), *conditions]

    def near(self) -> list[Mismatch]:
        """All mismatches, conditions included even where something else did not fit."""
        conditions = [one for one in self.mismatches if one.element.startswith("condition:")]
        return self.mismatches if conditions or not self.mismatches else [*self.mismatches, *self._conditions()]

    def story(self, mismatches: list[Mismatch] | None = None) -> StatementStory:
        """As a value."""
        policy, statement = self.one.policy, self.one.statement
        return StatementStory(self.reason, self.level, policy.id, statement.sid, statement.index, str(statement.effect),
                              policy.document.file, policy.document.line_of(statement.index),
                              tuple(self.mismatches if mismatches is None else mismatches))

    def _action(self) -> Iterator[Mismatch]:
        if not self.speaks:
            yield Mismatch("action", _listed(self.one.statement.actions, self.one.statement.not_action),
                           self.case.request.action)

    def _resource(self) -> Iterator[Mismatch]:
        statement = self.one.statement
        if not self.one.speaks_of_resource(self.case.key, self.case.context):
            wanted = tuple(self._filled(text) for text in statement.resources or ())
            yield Mismatch("resource", _listed(wanted, statement.not_resource), self.case.request.resource)

    def _principal(self) -> Iterator[Mismatch]:
        if self.one.kind in _NAMING and principal_match(self.case, self.one) is Match.NONE:
            element = self.one.statement.principals
            wanted = tuple(text for _, text in element.entries) if element else ()
            yield Mismatch("principal", _listed(wanted, bool(element and element.negated)),
                           self.case.who.arn or "anonymous")

    def _conditions(self) -> list[Mismatch]:
        pairs = zip(self.one.statement.conditions, self.one.conditions, strict=True)
        return [self._condition(condition) for condition, test in pairs if not test(self.case.context)]

    def _condition(self, condition: Condition) -> Mismatch:
        value = self.case.request.context.get(ascii_lower(condition.key))
        actual = "absent" if value is None else repr(value) if isinstance(value, str) else _listed(value, False)
        operator = read_operator(condition.operator)
        fills = operator is not None and operator.comparison.family.takes_variables
        values = tuple(self._filled(text) if fills else text for text in condition.values)
        return Mismatch(f"condition:{condition.operator}/{condition.key}", _listed(values, False), actual)

    def _filled(self, text: str) -> str:
        if not self.one.statement.variables or "${" not in text:
            return text
        try:
            found = resolve(split_variables(text), self.case.request.context)
        except VariableSyntaxError:
            return text
        return text if found is None else "".join(found)


_NAMING = frozenset({PolicyKind.RESOURCE, PolicyKind.TRUST, PolicyKind.ENDPOINT})


def _listed(texts: tuple[str, ...], negated: bool) -> str:
    shown = ", ".join(texts[:8]) + (f" and {len(texts) - 8} more" if len(texts) > 8 else "")
    return f"{'none of ' if negated else ''}{shown or 'nothing'}"


def _near_misses(case: Case, decision: Decision, told: list[_Told]) -> tuple[StatementStory, ...]:
    if decision.verdict is not Verdict.IMPLICIT_DENY or decision.reason_type is ReasonType.EVALUATION_ERROR:
        return ()
    kinds = _could_have_granted(case, decision)
    ranked = sorted(((_distance(case, one), place, one) for place, one in enumerate(told)
                     if not one.one.deny and (one.reason, one.level) in kinds and one.mismatches),
                    key=lambda entry: entry[:2])
    return tuple(one.story(one.near()) for _, _, one in ranked[:MAX_NEAR_MISSES])


def _could_have_granted(case: Case, decision: Decision) -> set[tuple[ReasonType, int]]:
    """The layers in which one more Allow would have turned the answer."""
    kinds = {(decision.reason_type, decision.level)}
    if decision.reason_type is ReasonType.IDENTITY and case.target.same_account:
        kinds.add((case.target.reason, -1))
    return kinds


_ORDER = {"condition": 0, "resource": 1, "principal": 2, "action": 3}


def _distance(case: Case, told: _Told) -> tuple[bool, int, int, int]:
    """How far a statement is from applying: another action, how many elements differ, the worst, by how much."""
    mismatches = told.near()
    worst = max(_ORDER[one.element.partition(":")[0]] for one in mismatches)
    statement = told.one.statement
    alike = max((_common(text.lower(), case.request.action.lower()) for text in statement.actions), default=0)
    alike += max((_common(text, case.key) for text in statement.resources or ()), default=0)
    return not told.speaks, len(mismatches), worst, -alike


def _common(one: str, other: str) -> int:
    """How many letters two texts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))
