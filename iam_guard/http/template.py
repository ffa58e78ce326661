"""Path templates and how two of them relate: ``/items/{id}``, ``/num/{n:int}``, ``/files/{p:path}``.

The converters are those of Starlette's router. Which of two templates wins is never a matter of order: one
must be narrower than the other at every position, or the pair is refused when the guard is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.path import has_control, has_dot_segment, has_lookalike

_CONVERTERS = {
    "str": r"[^/]+",
    "int": r"[0-9]+",
    "float": r"[0-9]+(?:\.[0-9]+)?",
    "uuid": r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
}
_GAP = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?\}")
# Signs that the author meant a pattern; a template is text and whole-segment placeholders.
_LOOKS_LIKE_A_PATTERN = re.compile(r"[*?^|\\\[\]#;{}]|\$\Z|%[0-9A-Fa-f]{2}")


class Relation(Enum):
    """How the paths of one template stand to those of another."""

    DISJOINT = "no path matches both"
    EQUAL = "the same paths match both"
    NARROWER = "every path of the first matches the second"
    WIDER = "every path of the second matches the first"
    CROSSING = "some paths match both, and each has paths of its own"


class Segment(NamedTuple):
    """One part between slashes.

    Attributes:
        prefix: Literal text; of a literal segment the whole.
        name: Of the placeholder; ``""`` for a literal segment.
        kind: Its converter; ``""`` for a literal segment.
        suffix: Literal text behind the placeholder.
    """

    prefix: str
    name: str = ""
    kind: str = ""
    suffix: str = ""

    @property
    def is_literal(self) -> bool:
        """Nothing but text."""
        return not self.kind

    @property
    def is_free(self) -> bool:
        """Any text that is not empty."""
        return self.shape == ("", "str", "")

    @property
    def shape(self) -> tuple[str, str, str]:
        """What it matches, without the name."""
        return self.prefix, self.kind, self.suffix

    @property
    def pattern(self) -> re.Pattern[str]:
        """A regular expression for the whole segment; linear, since at most one gap is inside."""
        inside = _CONVERTERS[self.kind] if self.kind else ""
        return re.compile(re.escape(self.prefix) + inside + re.escape(self.suffix))


class PathTemplate:
    """A parsed template.

    Args:
        text: As in a route map.

    Raises:
        ConfigurationError: it is not a template.

    Attributes:
        segments: What stands between the slashes, without a final ``{name:path}``.
        tail: Name of the final ``{name:path}``, which matches any rest, the empty one included; or ``None``.
        names: All placeholders.
    """

    __slots__ = ("names", "segments", "tail", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        if not text.startswith("/"):
            raise _fault(text, "does not start with '/'")
        *first, last = text[1:].split("/")
        found = _GAP.fullmatch(last)
        self.tail = found[1] if found and found[2] == "path" else None
        self.segments = tuple(_segment(part, text) for part in (first if self.tail else [*first, last]))
        if any(not segment.shape[0] and segment.is_literal for segment in self.segments[: len(first)]):
            raise _fault(text, "holds an empty segment")
        self.names = (*(one.name for one in self.segments if one.name), *([self.tail] if self.tail else []))
        if len(set(self.names)) != len(self.names):
            raise _fault(text, "names two placeholders alike")

    @property
    def shape(self) -> tuple[object, ...]:
        """Equal for templates that match the same paths."""
        return (*(segment.shape for segment in self.segments), self.tail is not None)

    @property
    def literals(self) -> tuple[int, ...]:
        """Positions of the literal segments."""
        return tuple(index for index, segment in enumerate(self.segments) if segment.is_literal)

    @property
    def rank(self) -> tuple[int, int, int]:
        """Larger for a narrower template, where one of two is narrower."""
        patterns = sum(1 for one in self.segments if not one.is_literal and not one.is_free)
        return len(self.literals), patterns, len(self.segments)

    def is_public_shape(self) -> bool:
        """An exact path, or a tree under a literal prefix: what may be open to everybody (promise S5)."""
        return len(self.literals) == len(self.segments) and (self.tail is None or bool(self.segments))

    def relation(self, other: PathTemplate) -> Relation:
        """Compare the sets of paths."""
        mine, theirs = len(self.segments), len(other.segments)
        if self.tail is None and other.tail is None and mine != theirs:
            return Relation.DISJOINT
        if (other.tail and not self.tail and mine <= theirs) or (self.tail and not other.tail and theirs <= mine):
            return Relation.DISJOINT
        positions = [_compare(one, two) for one, two in zip(self.segments, other.segments, strict=False)]
        if other.tail is not None and (self.tail is None or mine > theirs):
            positions.append(Relation.NARROWER)
        elif self.tail is not None and (other.tail is None or theirs > mine):
            positions.append(Relation.WIDER)
        return _together(positions)

    def common(self, other: PathTemplate) -> tuple[object, ...] | None:
        """The shape of a template for exactly the paths that match both; ``None`` when none says that."""
        longer, shorter = (self, other) if len(self.segments) >= len(other.segments) else (other, self)
        shapes: list[object] = []
        for index, one in enumerate(longer.segments):
            two = shorter.segments[index] if index < len(shorter.segments) else one
            how = _compare(one, two)
            if how in (Relation.CROSSING, Relation.DISJOINT):
                return None
            shapes.append(two.shape if how is Relation.WIDER else one.shape)
        return (*shapes, longer.tail is not None and shorter.tail is not None)


def _segment(part: str, text: str) -> Segment:
    gaps = list(_GAP.finditer(part))
    if len(gaps) > 1:
        raise _fault(text, "has two placeholders in one segment")
    found = gaps[0] if gaps else None
    prefix, suffix = (part[:found.start()], part[found.end():]) if found else (part, "")
    literal = prefix + suffix
    if _LOOKS_LIKE_A_PATTERN.search(literal):
        raise _fault(text, f"holds '{part}', which is not plain text and not a placeholder")
    if has_control(literal) or has_lookalike(literal) or has_dot_segment(part):
        raise _fault(text, "holds something that is never let into a path")
    if found is None:
        return Segment(part)
    kind = found[2] or "str"
    if kind == "path":
        raise _fault(text, "has ':path' elsewhere than in a whole last segment")
    if kind not in _CONVERTERS:
        raise _fault(text, f"uses the converter '{kind}'")
    return Segment(prefix, found[1], kind, suffix)


def _fault(text: str, what: str) -> ConfigurationError:
    return ConfigurationError(Fault(f"the template '{text}' {what}",
                                    "write it like '/items/{id}', '/num/{n:int}' or '/files/{p:path}'"))


def _compare(one: Segment, two: Segment) -> Relation:
    if one.shape == two.shape:
        return Relation.EQUAL
    if one.is_literal and two.is_literal:
        return Relation.DISJOINT
    if one.is_literal:
        return Relation.NARROWER if two.pattern.fullmatch(one.prefix) else Relation.DISJOINT
    if two.is_literal:
        return Relation.WIDER if one.pattern.fullmatch(two.prefix) else Relation.DISJOINT
    if one.is_free or two.is_free:
        return Relation.WIDER if one.is_free else Relation.NARROWER
    return Relation.DISJOINT if _apart(one, two) else Relation.CROSSING


def _apart(one: Segment, two: Segment) -> bool:
    """Two texts that must start, or end, differently; or a number against a UUID."""
    starts = one.prefix.startswith(two.prefix) or two.prefix.startswith(one.prefix)
    ends = one.suffix.endswith(two.suffix) or two.suffix.endswith(one.suffix)
    bare = not (one.prefix or one.suffix or two.prefix or two.suffix)
    return not starts or not ends or (bare and {one.kind, two.kind} == {"int", "uuid"})


def _together(positions: Iterable[Relation]) -> Relation:
    found = set(positions) - {Relation.EQUAL}
    if Relation.DISJOINT in found:
        return Relation.DISJOINT
    if len(found) > 1 or Relation.CROSSING in found:
        return Relation.CROSSING
    return found.pop() if found else Relation.EQUAL
