"""Numeric, date, boolean, binary and address operators (section 3.6)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from iam_guard.model import Context
from iam_guard.policy.operators import Comparison, Family, Operator
from iam_guard.policy.values import (
    Network,
    read_address,
    read_boolean,
    read_bytes,
    read_instant,
    read_network,
    read_number,
)

ValueTest = Callable[[str, Context], bool | None]

# Of several bounds only the loosest counts, as any of them may match.
_LOOSEST: dict[str, tuple[Callable[[Any, Any], bool], Callable[..., Any]]] = {
    "lt": (operator.lt, max),
    "le": (operator.le, max),
    "gt": (operator.gt, min),
    "ge": (operator.ge, min),
}


def ordered_test(comparison: Comparison, values: tuple[str, ...], variables: bool) -> ValueTest:
    """Make the test for the Numeric and Date operators."""
    read: Callable[[str], Any] = read_instant if comparison.family is Family.DATE else read_number
    wanted = frozenset(read(value) for value in values)
    if comparison.test == "equals":
        return lambda value, context: None if (found := read(value)) is None else found in wanted
    if not wanted:
        return lambda value, context: None if read(value) is None else False
    compare, loosest = _LOOSEST[comparison.test]
    bound = loosest(wanted)
    return lambda value, context: None if (found := read(value)) is None else compare(found, bound)


def boolean_test(comparison: Comparison, values: tuple[str, ...], variables: bool) -> ValueTest:
    """Make the test for Bool; text that is no boolean equals neither (it is no type error)."""
    wanted = frozenset(read_boolean(value) for value in values) - {None}
    return lambda value, context: read_boolean(value) in wanted


def binary_test(comparison: Comparison, values: tuple[str, ...], variables: bool) -> ValueTest:
    """Make the test for BinaryEquals."""
    wanted = frozenset(read_bytes(value) for value in values)
    return lambda value, context: None if (found := read_bytes(value)) is None else found in wanted


def address_test(comparison: Comparison, values: tuple[str, ...], variables: bool) -> ValueTest:
    """Make the test for IpAddress and NotIpAddress."""
    networks = [network for value in values if (network := read_network(value))]
    if len(networks) == 1:
        return _one_network(networks[0])

    def test(value: str, context: Context) -> bool | None:
        address = read_address(value)
        return None if address is None else any(network.holds(address) for network in networks)

    return test


def quick_typed(key: str, values: tuple[str, ...], operator: Operator, *,
                deny: bool) -> Callable[[Context], bool] | None:
    """Dates before or after a bound, booleans, and addresses in one network, as one function each."""
    comparison = operator.comparison
    if operator.if_exists or not values:
        return None
    if comparison.family is Family.DATE and comparison.test in _LOOSEST:
        compare, loosest = _LOOSEST[comparison.test]
        bounds = [found for value in values if (found := read_instant(value)) is not None]
        return _against_bound(key, compare, loosest(bounds), deny) if bounds else None
    if comparison.family is Family.ADDRESS and len(values) == 1:
        network = read_network(values[0])
        return None if network is None else _in_network(key, network, deny)
    if comparison.family is Family.BOOL:
        return _is_boolean(key, frozenset(map(read_boolean, values)) - {None}, deny)
    return None


def _is_boolean(key: str, wanted: frozenset[bool | None], deny: bool) -> Callable[[Context], bool]:
    def holds(context: Context) -> bool:
        value = context.get(key)
        if value.__class__ is not str:
            return deny and bool(value)
        return read_boolean(value) in wanted

    return holds


def _against_bound(key: str, compare: Callable[[Any, Any], bool], bound: int,
                   deny: bool) -> Callable[[Context], bool]:
    def holds(context: Context) -> bool:
        value = context.get(key)
        if value.__class__ is not str:
            return deny and bool(value)
        found = read_instant(value)
        return deny if found is None else compare(found, bound)

    return holds


def _in_network(key: str, network: Network, deny: bool) -> Callable[[Context], bool]:
    version, shift = network.version, network.shift
    first = network.first >> shift

    def holds(context: Context) -> bool:
        value = context.get(key)
        if value.__class__ is not str:
            return deny and bool(value)
        found = read_address(value)
        return deny if found is None else found[0] == version and found[1] >> shift == first

    return holds


def _one_network(network: Network) -> ValueTest:
    version, shift = network.version, network.shift
    first = network.first >> shift

    def test(value: str, context: Context) -> bool | None:
        address = read_address(value)
        return None if address is None else address[0] == version and address[1] >> shift == first

    return test
