"""One statement made ready to be asked: does it speak of this action, this resource, in this context?"""

from __future__ import annotations

from collections.abc import Callable

from iam_guard.engine.arn import ResourcePattern, ResourceTest, Shape, compile_resource
from iam_guard.engine.attachments import Policy
from iam_guard.engine.conditions.compile import ConditionTest, compile_conditions
from iam_guard.engine.pattern import compile_glob
from iam_guard.engine.principals import PrincipalTest
from iam_guard.model import Context, ascii_lower
from iam_guard.policy.document import PolicyKind, Statement


class CompiledStatement:
    """A statement of an attached policy.

    Attributes:
        policy: Where it stands.
        kind: What that policy is attached as.
        statement: What it says.
        deny: Its sign.
        patterns: Compiled entries of Resource or NotResource; ``None`` when it has neither, and then it
            speaks of whatever its policy is attached to.
        conditions: Compiled conditions, in order.
        holds: All conditions as one test; ``None`` when there are none.
        principal: Compiled Principal or NotPrincipal; ``None`` when it has neither.
    """

    __slots__ = ("conditions", "deny", "holds", "kind", "patterns", "policy", "principal", "statement")

    def __init__(self, policy: Policy, kind: PolicyKind, statement: Statement) -> None:
        self.policy = policy
        self.kind = kind
        self.statement = statement
        self.deny = statement.is_deny
        self.patterns = _patterns(statement)
        self.conditions = compile_conditions(statement)
        self.holds = _all_of(self.conditions)
        self.principal = PrincipalTest(statement.principals) if statement.principals else None

    @property
    def reading(self) -> tuple[bool, bool]:
        """What, besides its text, decides how a pattern of this statement matches."""
        return self.deny, self.statement.variables

    def resources(self) -> list[tuple[str, ResourcePattern]]:
        """The entries of Resource, as written and compiled; without any, whatever the policy is attached to."""
        if self.patterns is None or self.statement.resources is None:
            return [("*", _ANYTHING)]
        return list(zip(self.statement.resources, self.patterns, strict=True))

    def speaks_of_resource(self, key: str, context: Context) -> bool:
        """Whether the resource with this key is meant."""
        if self.patterns is None:
            return True
        if self.statement.not_resource:
            return bool(not_resource_test(self)(key, context))
        return any(pattern_matches(pattern, key, context) for pattern in self.patterns)


_ANYTHING = ResourcePattern(Shape.ANY, "")


def _patterns(statement: Statement) -> tuple[ResourcePattern, ...] | None:
    if statement.resources is None:
        return None
    deny = statement.is_deny
    wide = deny is not statement.not_resource
    broken = None if statement.not_resource else deny
    return tuple(compile_resource(text, variables=statement.variables, wide=wide, broken=broken)
                 for text in statement.resources)


def pattern_matches(pattern: ResourcePattern, key: str, context: Context) -> bool | None:
    """Whether one pattern matches; ``None`` when one of its variables has no value."""
    match pattern.shape:
        case Shape.ANY:
            return True
        case Shape.EXACT:
            return key == pattern.text
        case Shape.PREFIX:
            return key.startswith(pattern.text)
    assert pattern.test is not None
    if pattern.variables or key.startswith(pattern.text):
        return pattern.test(key, context)
    return False


def not_resource_test(compiled: CompiledStatement) -> ResourceTest:
    """The test of a NotResource: no entry matches.

    An entry whose variable has no value excludes nothing. In an Allow that would grant more than was
    meant, so there the statement does not apply; an empty list is treated alike (sections 1.5, 2.4).
    """
    patterns, deny = compiled.patterns or (), compiled.deny

    def test(key: str, context: Context) -> bool:
        found = [pattern_matches(pattern, key, context) for pattern in patterns]
        return not any(found) and (deny or (bool(found) and None not in found))

    return test


def _all_of(conditions: tuple[ConditionTest, ...]) -> ConditionTest | None:
    if not conditions:
        return None
    if len(conditions) == 1:
        return conditions[0]
    if len(conditions) == 2:
        first, second = conditions
        return lambda context: first(context) and second(context)
    return lambda context: all(condition(context) for condition in conditions)


class CompiledPolicy:
    """A policy's statements by the actions they speak of; each is compiled when first needed."""

    __slots__ = ("_compiled", "_exact", "_kind", "_other", "_wild", "policy")

    def __init__(self, policy: Policy, kind: PolicyKind) -> None:
        self.policy = policy
        self._kind = kind
        self._compiled: list[CompiledStatement | None] = [None] * len(policy.document.statements)
        self._exact: dict[str, list[int]] = {}
        self._wild: dict[str, list[tuple[Callable[[str], bool], int]]] = {}
        self._other: list[tuple[Callable[[str], bool], int]] = []
        for place, statement in enumerate(policy.document.statements):
            self._place(place, statement)

    def _place(self, place: int, statement: Statement) -> None:
        if statement.not_action:
            self._other.append((_not_action_test(statement), place))
            return
        for text in statement.actions:
            action = ascii_lower(text)
            service = action.partition(":")[0]
            if "*" not in action and "?" not in action:
                self._exact.setdefault(action, []).append(place)
            elif "*" in service or "?" in service:
                self._other.append((action_test(action), place))
            else:
                self._wild.setdefault(service, []).append((action_test(action), place))

    def for_action(self, action: str) -> list[CompiledStatement]:
        """The statements that speak of *action* (lower case), in the order they were written."""
        places = set(self._exact.get(action, ()))
        for test, place in self._wild.get(action.partition(":")[0], ()):
            if test(action):
                places.add(place)
        for test, place in self._other:
            if test(action):
                places.add(place)
        return [self.statement(place) for place in sorted(places)]

    def statement(self, place: int) -> CompiledStatement:
        """The compiled statement at a position."""
        found = self._compiled[place]
        if found is None:
            found = CompiledStatement(self.policy, self._kind, self.policy.document.statements[place])
            self._compiled[place] = found
        return found

    def all_statements(self) -> list[CompiledStatement]:
        """Every statement, compiled."""
        return [self.statement(place) for place in range(len(self._compiled))]


def action_test(pattern: str) -> Callable[[str], bool]:
    """The test of one action pattern, both sides in lower case."""
    return (lambda action: True) if pattern == "*" else compile_glob([pattern])


def _not_action_test(statement: Statement) -> Callable[[str], bool]:
    tests = [action_test(ascii_lower(text)) for text in statement.actions]
    if not tests:
        return lambda action: statement.is_deny
    return lambda action: not any(test(action) for test in tests)


def speaks_of_action(statement: Statement, action: str) -> bool:
    """Whether a statement speaks of *action* (lower case); for explanations."""
    if statement.not_action:
        return _not_action_test(statement)(action)
    return any(action_test(ascii_lower(text))(action) for text in statement.actions)
