"""Finds, among many literal beginnings, those that a text begins with.

A tree by length: each node cuts the text once and looks the cut up, so only the one branch that the text
follows is ever visited, and a branch with few beginnings is tried in a row instead of being cut further.
"""

from __future__ import annotations

from typing import NamedTuple

from iam_guard.engine.arn import ResourceTest

#: Beginnings that are tried in a row rather than cut and looked up.
IN_A_ROW = 4


class Entry(NamedTuple):
    """A beginning, what more has to hold, and the bit that stands for both.

    Attributes:
        beginning: What the text has to begin with.
        test: What more has to hold; ``None`` when nothing has to.
        bit: What is found.
    """

    beginning: str
    test: ResourceTest | None
    bit: int


class Branch(NamedTuple):
    """What to do with a text whose cut was found.

    Attributes:
        bits: What is found already.
        tests: What is found if a test holds, the beginning being known to fit.
        entries: Longer beginnings to try in a row.
        next: Where to look further; ``None`` when there is nothing more.
    """

    bits: int
    tests: tuple[tuple[ResourceTest, int], ...]
    entries: tuple[Entry, ...]
    next: Node | None


class Node(NamedTuple):
    """Where to cut, and the branches by what is cut off."""

    length: int
    branches: dict[str, Branch]


def make_probe(entries: list[Entry]) -> Node | None:
    """Build the tree; ``None`` when there are no entries."""
    if not entries:
        return None
    length = min(len(entry.beginning) for entry in entries)
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.beginning[:length], []).append(entry)
    return Node(length, {cut: _branch(cut, group) for cut, group in groups.items()})


def _branch(cut: str, group: list[Entry]) -> Branch:
    bits = 0
    tests: list[tuple[ResourceTest, int]] = []
    longer: list[Entry] = []
    for entry in group:
        if entry.beginning != cut:
            longer.append(entry)
        elif entry.test is None:
            bits |= entry.bit
        else:
            tests.append((entry.test, entry.bit))
    if len(longer) <= IN_A_ROW:
        return Branch(bits, tuple(tests), tuple(longer), None)
    return Branch(bits, tuple(tests), (), make_probe(longer))
