"""ARNs: taking them apart, and the patterns of Resource elements (language specification, 2.3 and 2.4).

``arn:partition:service:region:account:name``: five colons separate, whatever follows the fifth belongs to
the name. The first three fields compare without case, the rest exactly. A star in the first five fields
stays inside its field; one that ends its field may be read as reaching further, and then only in the
direction that denies more (the *wide* reading).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from itertools import takewhile
from typing import NamedTuple

from iam_guard.engine.pattern import Pieces, Test, compile_glob, cut, matches
from iam_guard.engine.substitution import resolve
from iam_guard.model import Context, ascii_lower
from iam_guard.policy.variables import Literal, Part, Variable, VariableSyntaxError, split_variables

HEAD_FIELDS = 5


def resource_key(arn: str) -> str:
    """The form in which resources are compared: partition and service in lower case."""
    service_end = arn.find(":", arn.find(":", arn.find(":") + 1) + 1)
    if service_end < 0:
        return arn
    head = arn[:service_end]
    lower = ascii_lower(head)
    return arn if head == lower else lower + arn[service_end:]


def account_of(arn: str) -> str:
    """The account field of an ARN; empty when there is none."""
    fields = arn.split(":", HEAD_FIELDS)
    return fields[4] if len(fields) > HEAD_FIELDS else ""


#: Takes the resource key and the context; ``None`` means that a variable has no value.
ResourceTest = Callable[[str, Context], bool | None]


class Shape(Enum):
    """How a pattern can be found without trying it."""

    ANY = "any"
    EXACT = "exact"
    PREFIX = "prefix"
    TEST = "test"


class ResourcePattern(NamedTuple):
    """One compiled entry of Resource or NotResource.

    Attributes:
        shape: How to index it.
        text: The whole resource (EXACT), its beginning (PREFIX), or the literal beginning that every
            match has (TEST, possibly empty).
        test: For TEST only. It may rely on the key having the literal beginning, unless it has variables.
        variables: Whether the test has variables, and so may find that one has no value.
    """

    shape: Shape
    text: str
    test: ResourceTest | None = None
    variables: bool = False


def compile_resource(text: str, *, variables: bool, wide: bool, broken: bool | None) -> ResourcePattern:
    """Compile one entry.

    Args:
        text: As written in the policy.
        variables: Whether ``${...}`` is substituted.
        wide: Which reading of a star at the end of a field applies.
        broken: What an entry with a malformed variable does: match everything, nothing, or (``None``)
            count as a variable without a value.
    """
    if text == "*":
        return ResourcePattern(Shape.ANY, "")
    try:
        parts: list[Part] = split_variables(text) if variables and "${" in text else [text]
    except VariableSyntaxError:
        return ResourcePattern(Shape.TEST, "", lambda key, context: broken, variables=True)
    fields = split_fields(parts)
    lower = [[_lower(part) for part in field] for field in fields[:3]] + fields[3:]
    if any(isinstance(part, Variable) for part in parts):
        return _with_variables(lower, wide)
    return _without_variables([[str(part) if type(part) is str else Literal(str(part)) for part in field]
                               for field in lower], wide)


def _lower(part: Part) -> Part:
    return ascii_lower(part) if type(part) is str else part


def split_fields(parts: list[Part]) -> list[list[Part]]:
    """Cut the parts of a pattern at the first five colons that stand in the policy's own text."""
    fields: list[list[Part]] = [[]]
    for part in parts:
        if type(part) is not str:
            fields[-1].append(part)
            continue
        room = HEAD_FIELDS + 1 - len(fields)
        for index, run in enumerate(part.split(":", room) if room else [part]):
            if index:
                fields.append([])
            if run:
                fields[-1].append(run)
    return fields


def _is_literal(field: list[str]) -> bool:
    return all(isinstance(part, Literal) or ("*" not in part and "?" not in part) for part in field)


def _without_variables(fields: list[list[str]], wide: bool) -> ResourcePattern:
    heads = fields[:HEAD_FIELDS]
    if len(fields) > HEAD_FIELDS and all(map(_is_literal, heads)):
        return _whole_text([":".join("".join(head) for head in heads) + ":", *fields[HEAD_FIELDS]])
    last = fields[-1]
    if len(fields) <= HEAD_FIELDS and last == ["*"] and all(map(_is_literal, heads[:-1])):
        return ResourcePattern(Shape.PREFIX, ":".join("".join(head) for head in heads[:-1]) + ":")
    by_field = _by_field(fields) if len(fields) > HEAD_FIELDS else None
    by_text = Automaton(fields, wide=wide) if by_field is None or wide else None
    prefix = _literal_beginning(fields)
    return ResourcePattern(Shape.TEST, prefix, _either(by_field, by_text, sum(_colons(field) for field in fields)
                                                       + len(fields) - 1))


def _either(by_field: ResourceTest | None, by_text: Automaton | None, colons: int) -> ResourceTest:
    """Try field by field; try the wide reading only where it can differ, on texts with surplus colons."""
    if by_text is None:
        assert by_field is not None
        return by_field
    if by_field is None:
        return lambda key, context: by_text.matches(key)
    return lambda key, context: by_field(key, context) or (key.count(":") > colons and by_text.matches(key))


def _colons(field: list[str]) -> int:
    return sum(part.count(":") for part in field)


def _literal_beginning(fields: list[list[str]]) -> str:
    beginning = ""
    for index, field in enumerate(fields):
        beginning += ":" if index else ""
        for part in field:
            if not isinstance(part, Literal):
                cuts = [at for at in (part.find("*"), part.find("?")) if at >= 0]
                if cuts:
                    return beginning + part[: min(cuts)]
            beginning += part
    return beginning


def _whole_text(parts: list[str]) -> ResourcePattern:
    """A pattern whose first five fields are literal: a star can only stand in the name and reach anywhere."""
    pieces = cut([Literal(parts[0]), *parts[1:]])
    if len(pieces) == 1 and isinstance(pieces[0], str):
        return ResourcePattern(Shape.EXACT, pieces[0])
    if len(pieces) == 2 and isinstance(pieces[0], str) and pieces[1] == "":
        return ResourcePattern(Shape.PREFIX, pieces[0])
    beginning = pieces[0] if isinstance(pieces[0], str) else parts[0]
    return ResourcePattern(Shape.TEST, beginning, _glob_after(pieces, len(beginning)))


def _glob_after(pieces: Pieces, start: int) -> ResourceTest:
    """The test of a glob whose literal beginning is already known to fit."""
    last = pieces[-1]
    middle = [piece for piece in pieces[1:-1] if piece]
    if not isinstance(last, str) or not all(isinstance(piece, str) for piece in pieces):
        return lambda key, context: matches(pieces, key)
    tail = len(last)

    def test(key: str, context: Context) -> bool:
        if not key.endswith(last):
            return False
        at, end = start, len(key) - tail
        for piece in middle:
            at = key.find(piece, at, end)  # type: ignore[arg-type]
            if at < 0:
                return False
            at += len(piece)  # type: ignore[arg-type]
        return at <= end

    return test


def _by_field(fields: list[list[str]]) -> ResourceTest:
    """The narrow reading: six fields, each with its own glob, the literal beginning being known to fit.

    Fields that are a lone star, or belong to the beginning, need no test. The name tells most and comes first.
    """
    known = len(list(takewhile(_is_literal, fields)))
    name = fields[HEAD_FIELDS]
    tests = [(index, compile_glob(field)) for index, field in enumerate(fields[:HEAD_FIELDS])
             if index >= known and field != ["*"]]
    return _tested_by_field(compile_glob(name), tests) if tests else _tested_by_name(name)


def _tested_by_field(name: Test, tests: list[tuple[int, Test]]) -> ResourceTest:
    def test(key: str, context: Context) -> bool:
        found = key.split(":", HEAD_FIELDS)
        if len(found) <= HEAD_FIELDS or not name(found[HEAD_FIELDS]):
            return False
        return all(field_test(found[index]) for index, field_test in tests)

    return test


def _tested_by_name(parts: list[str]) -> ResourceTest:
    """The commonest form, ``arn:app:docs:*:*:document/*``, has a test of one step."""
    pieces = cut(parts)
    beginning = pieces[0]
    if len(pieces) == 2 and isinstance(beginning, str) and pieces[1] == "":
        def begins(key: str, context: Context) -> bool:
            found = key.split(":", HEAD_FIELDS)
            return len(found) > HEAD_FIELDS and found[HEAD_FIELDS].startswith(beginning)

        return begins
    name = compile_glob(parts)

    def test(key: str, context: Context) -> bool:
        found = key.split(":", HEAD_FIELDS)
        return len(found) > HEAD_FIELDS and name(found[HEAD_FIELDS])

    return test


# --- patterns with variables ---------------------------------------------------------------------------


def _with_variables(fields: list[list[Part]], wide: bool) -> ResourcePattern:
    if any(isinstance(part, Variable) for field in fields[:3] for part in field):
        return ResourcePattern(Shape.TEST, "", lambda key, context: None, variables=True)
    heads: list[list[str]] = [[part if isinstance(part, str) else "*" for part in field] for field in fields]
    beginning = _literal_beginning(heads)
    if len(fields) > HEAD_FIELDS and not any(_is_open(field) for field in fields[:HEAD_FIELDS]):
        return ResourcePattern(Shape.TEST, beginning, _variable_name(fields), variables=True)

    def test(key: str, context: Context) -> bool | None:
        found = [resolve(field, context, forbid_colon=index < HEAD_FIELDS) for index, field in enumerate(fields)]
        if any(field is None for field in found):
            return None
        literal = [field for field in found if field is not None]
        return Automaton(literal, wide=wide).matches(key)

    return ResourcePattern(Shape.TEST, beginning, test, variables=True)


def _is_open(field: list[Part]) -> bool:
    return any(isinstance(part, Variable) or (type(part) is str and ("*" in part or "?" in part)) for part in field)


def _variable_name(fields: list[list[Part]]) -> ResourceTest:
    """The common form: five literal fields and a name with variables."""
    head = Literal(":".join("".join(str(part) for part in field) for field in fields[:HEAD_FIELDS]) + ":")
    name = fields[HEAD_FIELDS]

    def test(key: str, context: Context) -> bool | None:
        found = resolve(name, context)
        if found is None:
            return None
        pieces: Pieces = cut([head, *found])
        return matches(pieces, key)

    return test


# --- the rule itself -----------------------------------------------------------------------------------


class Automaton:
    """The matching rule of section 2.3 taken literally, as a set of states kept in the bits of a number.

    Used where the quick forms do not apply: ARNs with fewer than six fields, and the wide reading.
    Time is the length of the text times the length of the pattern, over the width of a machine word.
    """

    def __init__(self, fields: list[list[str]], *, wide: bool) -> None:
        self._letters: dict[str, int] = {}
        self._any = self._inside = self._stars = self._open_stars = 0
        self._size = 0
        for index, field in enumerate(fields):
            if index:
                self._letter(":")
            self._field(field, index, last_field=index == len(fields) - 1, wide=wide)

    def _field(self, field: list[str], index: int, *, last_field: bool, wide: bool) -> None:
        in_name = index >= HEAD_FIELDS
        tokens = [(char, not isinstance(part, Literal)) for part in field for char in part]
        for place, (char, special) in enumerate(tokens):
            ends_field = place == len(tokens) - 1
            if special and char == "*":
                self._star(open_ended=in_name or (ends_field and (wide or last_field)))
            elif special and char == "?":
                self._any |= (1 << self._size) if in_name else 0
                self._inside |= 0 if in_name else (1 << self._size)
                self._size += 1
            else:
                self._letter(char)

    def _letter(self, char: str) -> None:
        self._letters[char] = self._letters.get(char, 0) | (1 << self._size)
        self._size += 1

    def _star(self, *, open_ended: bool) -> None:
        before = 1 << (self._size - 1) if self._size else 0
        if self._stars & before:  # two stars in a row are one, as wide as the wider
            self._open_stars |= before if open_ended else 0
            return
        self._stars |= 1 << self._size
        self._open_stars |= (1 << self._size) if open_ended else 0
        self._size += 1

    def matches(self, text: str) -> bool:
        """Whether the whole of *text* fits."""
        states = 1
        states |= (states & self._stars) << 1
        for char in text:
            steps = self._letters.get(char, 0) | self._any
            stays = self._open_stars
            if char != ":":
                steps |= self._inside
                stays = self._stars
            states = ((states & steps) << 1) | (states & stays)
            states |= (states & self._stars) << 1
            if not states:
                return False
        return bool(states >> self._size & 1)
