"""RouteTable: the mask hash of one method."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from iam_guard.http.route import CompiledRoute
from iam_guard.http.template import PathTemplate

Getter = Callable[[list[str]], Any]


class Entry:
    """A route in the table, and how to read its placeholders off the segments of a path."""

    __slots__ = ("_plain", "_tail", "_trimmed", "compiled", "patterns")

    def __init__(self, compiled: CompiledRoute) -> None:
        self.compiled = compiled
        path = compiled.path
        gaps = [(index, one) for index, one in enumerate(path.segments, 1) if not one.is_literal]
        self.patterns: tuple[tuple[int, re.Pattern[str]], ...] = tuple(
            (index, one.pattern) for index, one in gaps if not one.is_free)
        self._plain = tuple((one.name, index) for index, one in gaps if not one.prefix and not one.suffix)
        self._trimmed = tuple((one.name, index, one.prefix, one.suffix) for index, one in gaps
                              if one.prefix or one.suffix)
        self._tail = (path.tail, len(path.segments) + 1) if path.tail else None

    def accepts(self, segments: Sequence[str]) -> bool:
        """Say whether the segments that have a pattern fit it."""
        return all(pattern.fullmatch(segments[index]) for index, pattern in self.patterns)

    def params(self, segments: Sequence[str]) -> dict[str, str]:
        """The values of the placeholders."""
        found = {}
        for name, index in self._plain:
            found[name] = segments[index]
        for name, index, prefix, suffix in self._trimmed:
            found[name] = segments[index].removeprefix(prefix).removesuffix(suffix)
        if self._tail is not None:
            name, start = self._tail
            found[name] = "/".join(segments[start:])
        return found


#: One dict to probe: how to take its key from the segments, and what is in it.
Probe = tuple[Getter, dict[Any, tuple[Entry, ...]]]


class RouteTable:
    """All templates of one method, for look-up by path.

    Args:
        routes: Checked before: of two templates that match one path, one is narrower.
    """

    __slots__ = ("_exact", "_fixed", "_tails")

    def __init__(self, routes: Iterable[CompiledRoute]) -> None:
        entries = [Entry(one) for one in routes]
        self._exact: dict[str, CompiledRoute] = {}
        fixed: dict[int, list[Entry]] = defaultdict(list)
        tails: dict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            path = entry.compiled.path
            if not path.names:
                self._exact[path.text] = entry.compiled
            elif path.tail is None:
                fixed[_length(path)].append(entry)
            else:
                tails[len(path.segments)].append(entry)
        self._fixed = {length: [probe for _, probe in _probes(group)] for length, group in fixed.items()}
        ranked = [(rank, length + 2, probe) for length, group in tails.items() for rank, probe in _probes(group)]
        self._tails = [(least, *probe) for _, least, probe in sorted(ranked, key=itemgetter(0), reverse=True)]

    def find(self, path: str) -> tuple[CompiledRoute, dict[str, str]] | None:
        """Find the narrowest template of a canonical path, and the values of its placeholders."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact, {}
        segments = path.split("/")
        count = len(segments)
        for getter, bucket in self._fixed.get(count if segments[-1] else -count, ()):
            for entry in bucket.get(getter(segments), ()):
                if not entry.patterns or entry.accepts(segments):
                    return entry.compiled, entry.params(segments)
        for least, getter, bucket in self._tails:
            if count >= least:
                for entry in bucket.get(getter(segments), ()):
                    if not entry.patterns or entry.accepts(segments):
                        return entry.compiled, entry.params(segments)
        return None


def _length(path: PathTemplate) -> int:
    """Segments as ``str.split`` counts them, negative with a trailing slash: a placeholder is never empty."""
    count = len(path.segments) + 1
    return count if path.segments[-1].shape != ("", "", "") else -count


def _probes(group: Iterable[Entry]) -> list[tuple[tuple[int, int, int], Probe]]:
    """One dict for each set of literal positions (and number of patterns), the narrowest first."""
    by_mask: dict[tuple[tuple[int, int, int], tuple[int, ...]], list[Entry]] = defaultdict(list)
    for entry in group:
        by_mask[entry.compiled.path.rank, entry.compiled.path.literals].append(entry)
    found = []
    for (rank, literals), entries in sorted(by_mask.items(), key=itemgetter(0), reverse=True):
        getter = _getter(literals)
        bucket: dict[Any, tuple[Entry, ...]] = defaultdict(tuple)
        for entry in entries:
            key = getter(["", *(segment.prefix for segment in entry.compiled.path.segments)])
            bucket[key] += (entry,)
        found.append((rank, (getter, dict(bucket))))
    return found


def _getter(literals: tuple[int, ...]) -> Getter:
    """Take the literal segments out of a split path, whose first item is empty."""
    return itemgetter(*(index + 1 for index in literals)) if literals else _nothing


def _nothing(_: list[str]) -> str:
    return ""
