"""Finds the statement that decides: by action, then by resource, then by conditions.

A few statements are simply gone through. Many are indexed: every distinct resource pattern is a bit, a
resource is turned into the set of patterns that match it (see :mod:`iam_guard.engine.probe`), and what then
has to be asked of the context is prepared once for each set that occurs. So the work of a decision follows
what could match and not what is stored.
"""

from __future__ import annotations

from collections.abc import Callable

from iam_guard.engine.arn import ResourcePattern, ResourceTest, Shape
from iam_guard.engine.memo import Memo
from iam_guard.engine.merge import Finder, merge
from iam_guard.engine.probe import Entry, make_probe
from iam_guard.engine.statement import CompiledPolicy, CompiledStatement, not_resource_test
from iam_guard.model import Context, ascii_lower

#: How many actions a layer keeps an index for, and how many sets of matching patterns an index knows.
MAX_ACTIONS = 1024
MAX_SETS = 1024
#: Up to so many statements are gone through: an index would cost more than it saves.
FEW = 16

#: Takes the resource key and the context, and gives a Deny that applies, else an Allow, else ``None``.
Find = Callable[[str, Context], CompiledStatement | None]


class ActionIndex:
    """The statements of a layer that speak of one action.

    Attributes:
        service: The action's prefix in lower case.
        statements: All of them, in the order of the documents.
        find: Finds the one that decides about a resource.
    """

    __slots__ = ("find", "service", "statements")

    def __init__(self, action: str, statements: list[CompiledStatement]) -> None:
        self.service = action.partition(":")[0]
        self.statements = statements
        self.find: Find = go_through(statements) if len(statements) <= FEW else LargeIndex(statements).find


# --- a few ----------------------------------------------------------------------------------------------


def go_through(statements: list[CompiledStatement]) -> Find:
    """Make a function that tries every pattern of every statement in a row, denials first."""
    denials_first = sorted(statements, key=lambda one: not one.deny)
    rows = [(text, test, one.conditions, one) for one in denials_first for text, test in _rows(one)]

    def find(key: str, context: Context) -> CompiledStatement | None:
        for beginning, test, conditions, one in rows:
            if key.startswith(beginning) and (test is None or test(key, context)):
                for holds in conditions:
                    if not holds(context):
                        break
                else:
                    return one
        return None

    return find


def _rows(one: CompiledStatement) -> list[tuple[str, ResourceTest | None]]:
    """What a statement's patterns begin with, and what else has to hold."""
    if one.statement.not_resource:
        return [("", not_resource_test(one))]
    return [(pattern.text, _exactly(pattern.text) if pattern.shape is Shape.EXACT else pattern.test)
            for _, pattern in one.resources()]


def _exactly(text: str) -> ResourceTest:
    return lambda key, context: key == text


# --- many -----------------------------------------------------------------------------------------------


class LargeIndex:
    """Many statements, by the patterns of their resources."""

    __slots__ = ("_allows", "_always", "_denies", "_finders", "_names", "_probe")

    def __init__(self, statements: list[CompiledStatement]) -> None:
        self._finders: Memo[int, Finder] = Memo(MAX_SETS)
        self._always = 0
        self._names: dict[str, int] = {}
        entries: list[Entry] = []
        placed = self._place(statements, entries)
        self._denies = [(bits, one) for bits, one in placed if one.deny]
        self._allows = [(bits, one) for bits, one in placed if not one.deny]
        self._probe = make_probe(entries)

    def _place(self, statements: list[CompiledStatement],
               entries: list[Entry]) -> list[tuple[int, CompiledStatement]]:
        """Give every distinct pattern a bit and a place to be found at; return each statement with its bits."""
        known: dict[object, int] = {}
        placed = []
        for one in statements:
            bits = 0
            if one.statement.not_resource:
                bits = known.setdefault(one, 1 << len(known))
                entries.append(Entry("", not_resource_test(one), bits))
            else:
                for text, pattern in one.resources():
                    bits |= self._place_pattern((text, one.reading), pattern, known, entries)
            placed.append((bits, one))
        return placed

    def _place_pattern(self, name: object, pattern: ResourcePattern, known: dict[object, int],
                       entries: list[Entry]) -> int:
        if name in known:
            return known[name]
        bit = known[name] = 1 << len(known)
        if pattern.shape is Shape.ANY:
            self._always |= bit
        elif pattern.shape is Shape.EXACT:
            self._names[pattern.text] = self._names.get(pattern.text, 0) | bit
        else:
            entries.append(Entry(pattern.text, pattern.test, bit))
        return bit

    def find(self, key: str, context: Context) -> CompiledStatement | None:
        """The statement that decides about the resource with this key."""
        hit = self._matching(key, context)
        if not hit:
            return None
        finder = (self._finders.get(hit) or self._finders.recall(hit)
                  or self._finders.keep(hit, self._make_finder(hit)))
        return finder(context)

    def _matching(self, key: str, context: Context) -> int:
        """The set of patterns that match, as bits."""
        hit = self._always | self._names.get(key, 0)
        node = self._probe
        while node is not None:
            length, branches = node
            branch = branches.get(key[:length])
            if branch is None:
                break
            bits, tests, entries, node = branch
            hit |= bits
            for test, bit in tests:
                if test(key, context):
                    hit |= bit
            for beginning, more, bit in entries:
                if key.startswith(beginning) and (more is None or more(key, context)):
                    hit |= bit
        return hit

    def _make_finder(self, hit: int) -> Finder:
        deny = merge([one for bits, one in self._denies if bits & hit])
        allow = merge([one for bits, one in self._allows if bits & hit])
        return lambda context: deny(context) or allow(context)


# --- layers ---------------------------------------------------------------------------------------------


class Layer:
    """Policies of one kind that count together: any Deny denies, any Allow allows.

    Args:
        policies: The policies.
        names_principals: Whether their statements say whom they are about.
    """

    __slots__ = ("actions", "names_principals", "policies")

    def __init__(self, policies: tuple[CompiledPolicy, ...], *, names_principals: bool = False) -> None:
        self.policies = policies
        self.names_principals = names_principals
        self.actions: Memo[str, ActionIndex] = Memo(MAX_ACTIONS)

    def action(self, name: str) -> ActionIndex:
        """The index of an action, however it is spelled; made when first needed."""
        found = self.actions.get(name) or self.actions.recall(name)
        if found is None:
            lower = ascii_lower(name)
            found = self.actions.get(lower) or ActionIndex(
                lower, [one for policy in self.policies for one in policy.for_action(lower)])
            self.actions.keep(name, found)
        return found


