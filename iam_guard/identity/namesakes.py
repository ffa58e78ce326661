"""No two ways to say who can make the same name (threat catalogue, S13)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.issuer import can_meet

#: Who makes names, in words; and which names they can be.
Namer = tuple[str, ClaimMapping]


def check_namesakes(namers: Iterable[Namer], *, beside: Iterable[Namer] = ()) -> None:
    """Make sure that everybody's names are their own.

    Args:
        namers: Compared with each other.
        beside: Compared with *namers*, and not among themselves.

    Raises:
        ConfigurationError: two of them can name one principal or group, and neither says that this is meant.
    """
    named = list(namers)
    pairs = [*combinations(named, 2), *((one, other) for one in named for other in beside)]
    if faults := [_fault(one, other) for (one, mine), (other, theirs) in pairs
                  if not (mine.shares_names or theirs.shares_names) and can_meet(mine, theirs)]:
        raise ConfigurationError(faults)


def _fault(one: str, other: str) -> Fault:
    return Fault(f"{one} and {other} can make the same names in one account",
                 "give each its own account, role or 'name_prefix', or set 'shares_names' in its claims")
