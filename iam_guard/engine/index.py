"""Finds the statements of one action that apply to a resource, by the literal parts of their patterns.

Every distinct pattern is a bit. A resource is turned into the set of patterns that match it: whole names are
looked up, beginnings are probed by length, and only patterns with a wildcard in the middle are tried, and
then only those whose literal beginning fits. What has to be asked of the context then depends on that set
alone; where many statements are concerned it is prepared once for each set that occurs. So the work of a
decision follows what could match and not what is stored.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from iam_guard.engine.arn import ResourcePattern, Shape
from iam_guard.engine.memo import Memo
from iam_guard.engine.merge import Finder, merge
from iam_guard.engine.probe import Entry, make_probe
from iam_guard.engine.statement import CompiledPolicy, CompiledStatement, not_resource_test
from iam_guard.model import Context, ascii_lower

#: How many actions a layer keeps an index for, and how many sets of matching patterns an index knows.
MAX_ACTIONS = 1024
MAX_SETS = 1024
#: Up to so many statements are simply asked one after the other: preparing would cost more than it saves.
FEW = 16

class ActionIndex:
    """The statements of a layer that speak of one action.

    Attributes:
        service: The action's prefix in lower case.
        statements: All of them, in the order of the documents.
    """

    __slots__ = ("_allow_bits", "_allows", "_always", "_denies", "_deny_bits", "_finders", "_names", "_probe",
                 "service", "statements")

    def __init__(self, action: str, statements: list[CompiledStatement]) -> None:
        self.service = action.partition(":")[0]
        self.statements = statements
        self._finders: Memo[int, Finder] | None = Memo(MAX_SETS) if len(statements) > FEW else None
        self._always = 0
        self._names: dict[str, int] = {}
        entries: list[Entry] = []
        placed = self._place(statements, entries)
        self._denies = [(bits, one.holds, one) for bits, one in placed if one.deny]
        self._allows = [(bits, one.holds, one) for bits, one in placed if not one.deny]
        self._deny_bits = reduce(or_, (bits for bits, one in placed if one.deny), 0)
        self._allow_bits = reduce(or_, (bits for bits, one in placed if not one.deny), 0)
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

    def find(self, key: str, fields: list[str], context: Context) -> CompiledStatement | None:
        """A statement that applies: a Deny if there is one, otherwise an Allow, otherwise ``None``.

        Args:
            key: The resource, as :func:`iam_guard.engine.arn.resource_key` writes it.
            fields: The same, cut at its first five colons.
            context: The request's context.
        """
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
                if test(key, fields, context):
                    hit |= bit
            for beginning, more, bit in entries:
                if key.startswith(beginning) and (more is None or more(key, fields, context)):
                    hit |= bit
        if not hit:
            return None
        if self._finders is not None:
            finder = self._finders.get(hit) or self._finders.keep(hit, self._make_finder(hit))
            return finder(context)
        if hit & self._deny_bits:
            for bits, holds, one in self._denies:
                if bits & hit and (holds is None or holds(context)):
                    return one
        if hit & self._allow_bits:
            for bits, holds, one in self._allows:
                if bits & hit and (holds is None or holds(context)):
                    return one
        return None

    def _make_finder(self, hit: int) -> Finder:
        deny = merge([one for bits, _, one in self._denies if bits & hit])
        allow = merge([one for bits, _, one in self._allows if bits & hit])
        return lambda context: deny(context) or allow(context)


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
        found = self.actions.get(name)
        if found is None:
            lower = ascii_lower(name)
            found = self.actions.get(lower) or ActionIndex(
                lower, [one for policy in self.policies for one in policy.for_action(lower)])
            self.actions.keep(name, found)
        return found
