"""The rights of a principal, gathered from everything that is attached to it, ready to be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from iam_guard.directory.containment import Rights
from iam_guard.directory.regions import Reader, Region, plain
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.model import EMPTY, Principal, PrincipalKind
from iam_guard.policy.document import PolicyDocument, Statement

_WITH_IDENTITY = frozenset({PrincipalKind.USER, PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER})
#: What every caller with a token has, and what tells none from another.
_SHARED = ("aws:tokenissuetime", "aws:multifactor")


@dataclass(frozen=True)
class Bearing:
    """All statements that bear on what a caller may do within its account.

    Attributes:
        account: The caller's.
        known: The caller's own condition keys as far as they never change.
        everybody: Statements of identity policies that everybody has.
        own: Those of the caller and of its groups.
        ceilings: Statements of each ceiling over them.
        around: Statements that may deny and never grant: of the resources' side, and of their own policies.
    """

    account: str
    known: Mapping[str, str] = EMPTY
    everybody: tuple[Statement, ...] = ()
    own: tuple[Statement, ...] = ()
    ceilings: tuple[tuple[Statement, ...], ...] = ()
    around: tuple[Statement, ...] = ()

    @cached_property
    def denials(self) -> tuple[Statement, ...]:
        """Every Deny."""
        everything = (self.everybody, self.own, *self.ceilings, self.around)
        return tuple(one for statements in everything for one in statements if one.is_deny)

    def is_looser_than(self, before: Bearing) -> bool:
        """Whether something that limited the caller before may not limit it now."""
        here = set(map(plain, self.denials))
        ceilings = [set(map(plain, allowed(ceiling))) for ceiling in self.ceilings]
        return (any(plain(one) not in here for one in before.denials)
                or any(set(map(plain, allowed(ceiling))) not in ceilings for ceiling in before.ceilings))

    def is_personal(self, reader: Reader) -> bool:
        """Whether any of it turns on who the caller is."""
        everything = (self.everybody, self.own, *self.ceilings, self.around)
        return any(reader.is_personal(one) for statements in everything for one in statements)


def bearing_on(attachments: Attachments, who: Principal, around: Iterable[Statement] = ()) -> Bearing:
    """What bears on a caller.

    Args:
        attachments: What is attached to whom.
        who: The caller, with its groups and session.
        around: What the policies of resources deny.
    """
    holder = attachments.holders.get(who.role_arn or who.user_arn or who.arn) or Holder(who.arn)
    if who.kind not in _WITH_IDENTITY or holder.broken:
        return Bearing(who.account)
    groups = dict.fromkeys((*holder.groups, *(who.groups or ())))
    own = (*holder.policies, *(policy for group in groups for policy in attachments.groups.get(group, ())))
    return _bearing(attachments, who.account, _known(who), own, (*_boundary(holder), *_session(who)), around)


def bearing_of_group(attachments: Attachments, account: str, arn: str, around: Iterable[Statement] = ()) -> Bearing:
    """What bears on somebody of whom nothing is known but being in a group."""
    return _bearing(attachments, account, {"aws:principalaccount": account}, attachments.groups.get(arn, ()), (),
                    around)


def _bearing(attachments: Attachments, account: str, known: Mapping[str, str], own: Iterable[Policy],
             ceilings: Iterable[tuple[Statement, ...]], around: Iterable[Statement]) -> Bearing:
    rails = attachments.guardrails.get(account)
    bound = rails is not None and not rails.is_management
    scps = rails.scps or () if rails is not None and bound else ()
    rcps = rails.rcps if rails is not None and bound else ()
    edge = () if attachments.endpoint is None else (attachments.endpoint,)
    return Bearing(account, known, _statements(attachments.everyone), _statements(own),
                   (*ceilings, *map(_statements, (*scps, *edge))),
                   (*around, *(one for level in rcps for one in _statements(level))))


def _statements(policies: Iterable[Policy]) -> tuple[Statement, ...]:
    return tuple(one for policy in policies for one in policy.document.statements)


def _boundary(holder: Holder) -> tuple[tuple[Statement, ...], ...]:
    return (holder.boundary.document.statements,) if holder.boundary else ()


def _session(who: Principal) -> tuple[tuple[Statement, ...], ...]:
    """A federated user has nothing that its session was not given."""
    documents: tuple[PolicyDocument, ...] | None = who.session_policies
    if documents is None:
        return ((),) if who.kind is PrincipalKind.FEDERATED_USER else ()
    return (tuple(one for document in documents for one in document.statements),)


def _known(who: Principal) -> dict[str, str]:
    known = {"aws:principalaccount": who.account, "aws:principalarn": who.role_arn or who.arn}
    if who.kind is PrincipalKind.USER:
        known["aws:username"] = who.name
    return known


def allowed(statements: Iterable[Statement]) -> list[Statement]:
    """The statements that allow."""
    return [one for one in statements if not one.is_deny]


def keys_of_provider(who: Principal) -> frozenset[str]:
    """Condition keys that an identity provider speaks for, and that tell its callers apart."""
    return frozenset(key for key in map(str.lower, who.attributes) if not key.startswith(_SHARED))


def rights(bearing: Bearing, *, wider: bool, personal: frozenset[str] = frozenset()) -> Rights:
    """Rights, read wider than they are where they cannot be read exactly, or narrower.

    Args:
        bearing: All statements.
        wider: Which.
        personal: Keys that tell callers apart, beside those of the language itself.
    """
    granting = Reader(wider, bearing.known, personal)
    denying = Reader(not wider, bearing.known, personal)
    everybody = allowed(bearing.everybody)
    shared = [one for one in everybody if not granting.is_personal(one)]
    assured = [one for one in everybody if granting.is_personal(one)]
    grants: tuple[Region, ...] = tuple(granting.regions((*allowed(bearing.own), *shared)))
    return Rights(bearing.account, grants, tuple(denying.regions(bearing.denials)),
                  tuple(tuple(granting.regions(allowed(ceiling))) for ceiling in bearing.ceilings),
                  tuple(granting.regions(assured)))
