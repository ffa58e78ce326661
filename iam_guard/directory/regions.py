"""What a statement speaks of, as a region of requests that can be held against other regions.

Not everything can be known beforehand: what a variable such as ``${aws:PrincipalTag/team}`` will stand for differs
from caller to caller. A statement is therefore read wider than it is, or narrower, whichever is the safe side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from iam_guard.directory.globs import EVERYTHING, Glob, Hole, Token, Wild, action_glob, covers, meets
from iam_guard.engine.arn import HEAD_FIELDS, split_fields
from iam_guard.model import ascii_lower
from iam_guard.policy.document import Condition, Statement
from iam_guard.policy.operators import Operator, Qualifier, read_operator
from iam_guard.policy.variables import Literal, Part, Variable, VariableSyntaxError, split_variables

#: Keys that tell callers apart, so that the same condition does not mean the same for two of them. Keys of the
#: account are not among them: regions are compared within one account.
_PERSONAL = ("aws:principalarn", "aws:principaltype", "aws:principaltag/", "aws:username", "aws:userid",
             "aws:federatedprovider", "aws:sourceidentity", "aws:rolesessionname", "sts:", "saml:")
_LOWER_FIELDS = 3


@dataclass(frozen=True, slots=True)
class Globs:
    """The texts that one of some patterns matches, or that none does.

    Attributes:
        globs: The patterns.
        negated: Whether it is those that none matches.
    """

    globs: tuple[Glob, ...]
    negated: bool = False

    def within(self, other: Globs) -> bool:
        """Whether all of these are surely among those of *other*."""
        match self.negated, other.negated:
            case False, False:
                return all(any(covers(wide, one) for wide in other.globs) for one in self.globs)
            case False, True:
                return not any(meets(one, left_out) for one in self.globs for left_out in other.globs)
            case True, True:
                return all(any(covers(mine, left_out) for mine in self.globs) for left_out in other.globs)
        return EVERYTHING in other.globs

    def is_apart(self, other: Globs) -> bool:
        """Whether surely none of these is among those of *other*."""
        if self.negated:
            return not other.negated and other.is_apart(self)
        if other.negated:
            return all(any(covers(left_out, one) for left_out in other.globs) for one in self.globs)
        return not any(meets(one, its) for one in self.globs for its in other.globs)

    def meet(self, other: Globs) -> Globs:
        """Texts among which all are that belong to both."""
        match self.negated, other.negated:
            case True, True:
                return Globs((*self.globs, *other.globs), negated=True)
            case True, False:
                return other.meet(self)
            case False, True:
                return Globs(tuple(one for one in self.globs if not any(covers(out, one) for out in other.globs)))
        return Globs(tuple(dict.fromkeys(_smaller(one, its) for one in self.globs for its in other.globs
                                         if meets(one, its))))

    def __str__(self) -> str:
        texts = sorted("".join(map(_written, glob)) for glob in self.globs)
        return ("everything but " if self.negated else "") + (", ".join(texts) or "nothing")

    def parts(self) -> Iterator[Globs]:
        """The same in pieces that are as small as they come."""
        if self.negated:
            yield self
        else:
            yield from (Globs((one,)) for one in self.globs)


def _written(token: Token) -> str:
    if isinstance(token, Hole):
        return f"${{{token.key}}}"
    return token if isinstance(token, str) else "?" if token in (Wild.ONE, Wild.FIELD_ONE) else "*"


def _smaller(one: Glob, other: Glob) -> Glob:
    return one if covers(other, one) else other


@dataclass(frozen=True, slots=True)
class Demand:
    """A condition in one spelling.

    Attributes:
        operator: In canonical case.
        key: In lower case.
        values: What the policy says.
        variables: Whether variables in them are filled in.
    """

    operator: Operator
    key: str
    values: frozenset[str]
    variables: bool

    def implies(self, other: Demand) -> bool:
        """Whether *other* surely holds where this does."""
        if self == other:
            return True
        if self.key != other.key or self.operator.comparison != other.operator.comparison:
            return False
        mine, its = self.operator, other.operator
        if (mine.qualifier is not its.qualifier or self.variables is not other.variables
                or (mine.if_exists and not its.if_exists)):
            return False
        if mine.comparison.name == "Null":
            return False
        if mine.comparison.negated:
            return mine.qualifier is Qualifier.NONE and self.values >= other.values
        return bool(self.values) and self.values <= other.values


@dataclass(frozen=True, slots=True)
class Region:
    """Requests that a statement speaks of.

    Attributes:
        actions: Which actions.
        resources: On what.
        demands: Under which conditions, all of them.
        guess: The statement, where it says something about who the caller is that had to be left open.
    """

    actions: Globs
    resources: Globs
    demands: frozenset[Demand] = frozenset()
    guess: Statement | None = None

    def within(self, other: Region) -> bool:
        """Whether all of it is surely part of *other*."""
        return (self.actions.within(other.actions) and self.resources.within(other.resources)
                and all(any(mine.implies(demand) for mine in self.demands) for demand in other.demands))

    def is_apart(self, other: Region) -> bool:
        """Whether surely nothing of it is part of *other*."""
        return self.actions.is_apart(other.actions) or self.resources.is_apart(other.resources)

    def meet(self, other: Region) -> Region:
        """A region of which everything that both have in common is part."""
        return replace(self, actions=self.actions.meet(other.actions), resources=self.resources.meet(other.resources),
                       demands=self.demands | other.demands)

    def parts(self) -> list[Region]:
        """The same, action by action and resource by resource."""
        return [replace(self, actions=action, resources=resource)
                for action in self.actions.parts() for resource in self.resources.parts()]


    def __str__(self) -> str:
        return f"{self.actions} on {self.resources}"


WHOLE = Region(Globs((EVERYTHING,)), Globs((EVERYTHING,)))


def plain(one: Statement) -> Statement:
    """A statement without its name and place, which mean nothing."""
    return replace(one, sid="", index=0)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads statements for one caller.

    Attributes:
        wider: Whether regions are to be too large rather than too small, where they cannot be exact.
        known: What is known of the caller's own keys, in lower case.
        personal: Further keys that tell callers apart: those that an identity provider speaks for.
    """

    wider: bool
    known: Mapping[str, str]
    personal: frozenset[str] = frozenset()

    def regions(self, statements: Iterable[Statement]) -> Iterator[Region]:
        """The regions of statements; those that speak of nothing are left out."""
        for one in statements:
            if (region := self.region(one)) is not None:
                yield region

    def region(self, one: Statement) -> Region | None:
        """The region of a statement; ``None`` when it speaks of nothing, or of nothing that is sure."""
        if _is_empty(one) or not (self.wider or _means_everybody(one)):
            return None
        demands = self._demands(one)
        resources = self._resources(one)
        if resources is None or (not self.wider and len(demands) < len(one.conditions)):
            return None
        guess = plain(one) if any(map(self._is_about_caller, _texts(one))) else None
        return Region(Globs(tuple(map(action_glob, one.actions)), one.not_action), resources, frozenset(demands), guess)

    def is_personal(self, one: Statement) -> bool:
        """Whether a statement says anything about who the caller is, be it known or not."""
        return any(self._is_personal(key) for text in _texts(one) for key in text.turns_on())

    def _demands(self, one: Statement) -> list[Demand]:
        """The conditions of which it is known what they mean."""
        return [demand for place, condition in enumerate(one.conditions)
                if place not in one.broken and not self._is_about_caller(_text_of(condition, one.variables))
                and (demand := _demand(condition, one.variables)) is not None]

    def _is_about_caller(self, text: Written) -> bool:
        """Whether a condition or resource turns on something of the caller's that is not known."""
        return any(self._is_personal(key) and (text.key != "" or key not in self.known) for key in text.turns_on())

    def _is_personal(self, key: str) -> bool:
        return key.startswith(_PERSONAL) or key in self.personal

    # --- resources ------------------------------------------------------------------------------------------

    def _resources(self, one: Statement) -> Globs | None:
        if one.resources is None:
            return Globs((EVERYTHING,))
        globs = [self._glob(text, one) for text in one.resources]
        if one.not_resource:
            unsure = None in globs
            if unsure and not self.wider:
                return None
            return Globs(tuple(glob for glob in globs if glob is not None), negated=True)
        return Globs(tuple(glob for glob in globs if glob is not None))

    def _glob(self, text: str, one: Statement) -> Glob | None:
        """One entry; ``None`` when it matches nothing that is sure."""
        if text == "*":
            return EVERYTHING
        parts = _parts(text, one.variables)
        if parts is None:
            return None if one.not_resource or not self.wider else EVERYTHING
        wide = one.is_deny is not one.not_resource
        fields = split_fields(parts)
        found: list[Token] = []
        for place, field in enumerate(fields):
            tokens = self._field(place, field, one.not_resource)
            if tokens is None:
                return None
            if place < HEAD_FIELDS and _ends_in_star(field) and (wide or place == len(fields) - 1):
                tokens[-1] = Wild.RUN
            found += [":"] if place else []
            found += tokens
        return tuple(found)

    def _field(self, place: int, field: list[Part], negated: bool) -> list[Token] | None:
        head = place < HEAD_FIELDS
        wild: dict[str, Token] = {"*": Wild.FIELD_RUN, "?": Wild.FIELD_ONE} if head else {"*": Wild.RUN, "?": Wild.ONE}
        tokens: list[Token] = []
        for part in field:
            if isinstance(part, Variable):
                filled = self._filled(part, head, negated)
                if filled is None:
                    return None
                tokens += filled
            elif isinstance(part, Literal):
                tokens += str(part)
            else:
                tokens += (wild.get(char, char) for char in (ascii_lower(part) if place < _LOWER_FIELDS else part))
        return tokens

    def _filled(self, variable: Variable, head: bool, negated: bool) -> list[Token] | None:
        """What a variable stands for; ``None`` when its entry matches nothing that is sure."""
        value = self.known.get(variable.key)
        if value is not None:
            return None if head and ":" in value else list(value)
        if negated:  # without a value such an entry leaves nothing out, or voids its statement
            return None
        if not self._is_personal(variable.key):
            return [Hole(variable.key, variable.default, in_field=head)]
        return [Wild.FIELD_RUN if head else Wild.RUN] if self.wider else None


class Written(NamedTuple):
    """A condition, or an entry of a resource, taken apart.

    Attributes:
        key: The condition's key, in lower case; empty for a resource.
        parts: What stands in it.
    """

    key: str
    parts: tuple[Part, ...]

    def turns_on(self) -> list[str]:
        """Keys whose values it turns on."""
        own = [self.key] if self.key else []
        return own + [part.key for part in self.parts if isinstance(part, Variable)]


def _texts(one: Statement) -> Iterator[Written]:
    for text in one.resources or ():
        yield Written("", tuple(_parts(text, one.variables) or ()))
    for condition in one.conditions:
        yield _text_of(condition, one.variables)


def _text_of(condition: Condition, variables: bool) -> Written:
    return Written(ascii_lower(condition.key),
                   tuple(part for text in condition.values for part in _parts(text, variables) or ()))


def _parts(text: str, variables: bool) -> list[Part] | None:
    """A text, split at its variables; ``None`` when one is malformed."""
    try:
        return split_variables(text) if variables and "${" in text else [text]
    except VariableSyntaxError:
        return None


def _ends_in_star(field: list[Part]) -> bool:
    return bool(field) and type(field[-1]) is str and field[-1].endswith("*")


def _is_empty(one: Statement) -> bool:
    """An empty list speaks of nothing; of everything only in a Deny that is negated."""
    return ((not one.actions and not (one.is_deny and one.not_action))
            or (one.resources == () and not (one.is_deny and one.not_resource)))


def _means_everybody(one: Statement) -> bool:
    who = one.principals
    return who is None or (not who.negated and any(text == "*" for _, text in who.entries))


def _demand(condition: Condition, variables: bool) -> Demand | None:
    operator = read_operator(condition.operator)
    if operator is None:
        return None
    filled = variables and any("${" in text for text in condition.values)
    return Demand(operator._replace(exact=True), ascii_lower(condition.key), frozenset(condition.values), filled)
