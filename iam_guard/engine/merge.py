"""Statements of one sign that matched the same request but for their conditions, asked together.

Any of them may hold, so like conditions can be put to a key at once: texts it may equal become one look-up,
networks it may lie in one look-up a prefix length, and of several bounds only the loosest has to be tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from iam_guard.engine.conditions.compile import ConditionTest
from iam_guard.engine.statement import CompiledStatement
from iam_guard.model import Context, ascii_lower
from iam_guard.policy.document import Condition, Statement
from iam_guard.policy.operators import Family, Operator, Qualifier, read_operator
from iam_guard.policy.values import Network, read_address, read_instant, read_network, read_number

#: Finds a statement whose conditions hold.
Finder = Callable[[Context], CompiledStatement | None]


def merge(statements: Sequence[CompiledStatement]) -> Finder:
    """Make one finder of statements of one sign."""
    plain = next((one for one in statements if one.holds is None), None)
    if plain is not None:
        return lambda context: plain
    groups: dict[tuple[str, ...], list[CompiledStatement]] = {}
    singly: list[CompiledStatement] = []
    for one in _distinct(statements):
        like = _likeness(one.statement)
        if like is None:
            singly.append(one)
        else:
            groups.setdefault(like, []).append(one)
    finders = [_MERGERS[like[0]](members) for like, members in groups.items()]
    return _first_of(finders, [(one.holds, one) for one in singly if one.holds is not None])


def _distinct(statements: Sequence[CompiledStatement]) -> list[CompiledStatement]:
    """Of statements with equal conditions, the first."""
    found: dict[Any, CompiledStatement] = {}
    for one in statements:
        found.setdefault((one.statement.conditions, one.statement.variables, one.statement.broken), one)
    return list(found.values())


def _first_of(finders: list[Finder], singly: list[tuple[ConditionTest, CompiledStatement]]) -> Finder:
    def find(context: Context) -> CompiledStatement | None:
        for finder in finders:
            found = finder(context)
            if found is not None:
                return found
        for holds, one in singly:
            if holds(context):
                return one
        return None

    return find


def _likeness(statement: Statement) -> tuple[str, ...] | None:
    """What a statement's only condition can be merged by: a kind of merger, a key and what else must agree."""
    if len(statement.conditions) != 1 or statement.broken:
        return None
    condition = statement.conditions[0]
    operator = read_operator(condition.operator)
    if operator is None or operator.qualifier is not Qualifier.NONE or operator.if_exists or not condition.values:
        return None
    kind = _kind(operator, condition, statement.variables)
    return None if kind is None else (kind, ascii_lower(condition.key), operator.comparison.name)


def _kind(operator: Operator, condition: Condition, variables: bool) -> str | None:
    comparison = operator.comparison
    if comparison.negated:
        return None
    if comparison.family is Family.STRING and comparison.test == "equals":
        return None if variables and any("${" in value for value in condition.values) else "text"
    if comparison.family is Family.ADDRESS:
        return "address"
    if comparison.family in (Family.DATE, Family.NUMERIC) and comparison.test != "equals":
        return "bound"
    return None


def _merge_texts(members: list[CompiledStatement]) -> Finder:
    key, first = _key(members), members[0]
    table: dict[Any, CompiledStatement] = {}
    for one in members:
        for value in one.statement.conditions[0].values:
            table.setdefault(value, one)

    def find(context: Context) -> CompiledStatement | None:
        value = context.get(key)
        if value.__class__ is tuple:  # a set needs a set operator (section 3.5)
            return first if first.deny and value else None
        return table.get(value)

    return find


def _merge_addresses(members: list[CompiledStatement]) -> Finder:
    key, first = _key(members), members[0]
    tables: dict[tuple[int, int], dict[int, CompiledStatement]] = {}
    for one in members:
        for value in one.statement.conditions[0].values:
            network = read_network(value)
            if isinstance(network, Network):
                table = tables.setdefault((network.version, network.shift), {})
                table.setdefault(network.first >> network.shift, one)
    probes = [(version, shift, table) for (version, shift), table in tables.items()]

    def find(context: Context) -> CompiledStatement | None:
        value = context.get(key)
        if value is None:
            return None
        address = read_address(value) if isinstance(value, str) else None
        if address is None:  # not one address: nothing that can be compared
            return first if first.deny and value != () else None
        for version, shift, table in probes:
            if version == address[0]:
                found = table.get(address[1] >> shift)
                if found is not None:
                    return found
        return None

    return find


def _merge_bounds(members: list[CompiledStatement]) -> Finder:
    """Whatever a value is held against, it passes the loosest bound if it passes any."""
    operator = read_operator(members[0].statement.conditions[0].operator)
    assert operator is not None
    read: Callable[[str], Any] = read_instant if operator.comparison.family is Family.DATE else read_number
    loosest = max if operator.comparison.test in ("lt", "le") else min

    def bound(one: CompiledStatement) -> Any:
        return loosest(read(value) for value in one.statement.conditions[0].values)

    chosen = loosest(members, key=bound)
    holds = chosen.holds
    assert holds is not None
    return lambda context: chosen if holds(context) else None


def _key(members: list[CompiledStatement]) -> str:
    return ascii_lower(members[0].statement.conditions[0].key)


_MERGERS: dict[str, Callable[[list[CompiledStatement]], Finder]] = {
    "text": _merge_texts,
    "address": _merge_addresses,
    "bound": _merge_bounds,
}
