"""Containment: is whatever one caller may do, by these policies, also allowed to another by those?

A yes is a proof; a no may also mean that the proof was not found. Nothing is tried out: statements are held
against statements, patterns against patterns, conditions against conditions that are the same or stronger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from iam_guard.directory.globs import action_glob, meets
from iam_guard.directory.regions import WHOLE, Region

#: The permission to grant more than one has. It has to be held by name: whoever was given "everything but" was
#: not given this.
BEYOND = "iam-guard:GrantBeyondOwn"
_BEYOND = action_glob(BEYOND)
_BY_NAME = action_glob("iam-guard:")
#: A statement in more pieces than this is not looked at piece by piece.
_MOST_PIECES = 4_096

Ceiling = tuple[Region, ...]


@dataclass(frozen=True)
class Rights:
    """What a caller may do within its account: what is granted, less what is denied, under every ceiling.

    Attributes:
        account: Whose resources this is about.
        grants: What identity policies allow.
        denials: What any policy denies.
        ceilings: What a boundary, a session's policies and each level of the organization allow.
        assured: What everybody is granted in terms of who they are, as far as nothing limits it.
    """

    account: str
    grants: tuple[Region, ...] = ()
    denials: tuple[Region, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()
    assured: tuple[Region, ...] = ()

    @cached_property
    def is_unlimited(self) -> bool:
        """Whether everything is allowed in the account, whatever the circumstances."""
        return (WHOLE in self.grants and not self.denials and all(WHOLE in ceiling for ceiling in self.ceilings))


def contained(inner: Rights, outer: Rights) -> bool:
    """Whether everything that *inner* allows is surely allowed by *outer*, under the same circumstances.

    Args:
        inner: Read wider than it is, where it could not be read exactly.
        outer: Read narrower.
    """
    return not excess(inner, outer)


def excess(inner: Rights, outer: Rights, among: Iterable[Region] | None = None) -> tuple[Region, ...]:
    """The grants of *inner* that *outer* is not sure to be allowed.

    Args:
        inner: As for :func:`contained`.
        outer: As for :func:`contained`.
        among: Only these grants are of interest; by default all of them.
    """
    wanted = (*inner.grants, *inner.assured) if among is None else tuple(among)
    if not wanted or (outer.is_unlimited and inner.account == outer.account):
        return ()
    proof = _Proof(inner, outer)
    return tuple(one for one in wanted if inner.account != outer.account or not proof.holds_for(one))


class _Proof:
    """Holds grants of one against the rights of another."""

    def __init__(self, inner: Rights, outer: Rights) -> None:
        self._inner, self._outer = inner, outer
        self._limits = tuple(ceiling for ceiling in outer.ceilings
                             if not any(_is_below(mine, ceiling) for mine in inner.ceilings))
        own = frozenset(inner.denials)  # most denials bind both alike
        self._denials = tuple(denial for denial in outer.denials
                              if denial not in own and not any(denial.within(mine) for mine in inner.denials))
        self._ceilings = tuple(ceiling for ceiling in inner.ceilings if WHOLE not in ceiling)

    def holds_for(self, grant: Region) -> bool:
        """Whether the outer side is allowed all of a grant, as far as the inner side is."""
        return self._is_allowed(grant) or self._in_pieces(grant, self._ceilings)

    def _in_pieces(self, region: Region, ceilings: Sequence[Ceiling]) -> bool:
        """Whether all pieces of a region are allowed, at least as far as the ceilings of the inner side reach."""
        pieces = region.parts()
        if len(pieces) > _MOST_PIECES:
            return False
        return all(self._is_allowed(piece) or self._below(piece, ceilings) for piece in pieces)

    def _below(self, piece: Region, ceilings: Sequence[Ceiling]) -> bool:
        for place, ceiling in enumerate(ceilings):
            rest = ceilings[place + 1:]
            common = [piece.meet(one) for one in ceiling if not piece.is_apart(one)]
            if all(self._is_allowed(one) or self._in_pieces(one, rest) for one in common):
                return True
        return False

    def _is_allowed(self, piece: Region) -> bool:
        return (self._is_granted(piece) and all(any(map(piece.within, limit)) for limit in self._limits)
                and all(piece.is_apart(denial) for denial in self._denials))

    def _is_granted(self, piece: Region) -> bool:
        if piece in self._inner.assured and piece not in self._inner.grants:
            return True
        needs_name = names_beyond(piece)
        return any(piece.within(grant) for grant in self._outer.grants if not needs_name or names_beyond(grant))


def _is_below(lower: Ceiling, upper: Ceiling) -> bool:
    return all(any(map(one.within, upper)) for one in lower)


def names_beyond(region: Region) -> bool:
    """Whether a region has the permission to grant more than one has, and by name."""
    return not region.actions.negated and any(
        glob[: len(_BY_NAME)] == _BY_NAME and meets(glob, _BEYOND) for glob in region.actions.globs)
