"""Who a Principal or NotPrincipal element means (language specification, sections 2.5 and 2.6)."""

from __future__ import annotations

import re
from enum import IntEnum

from iam_guard.model import Principal, PrincipalKind, ascii_lower
from iam_guard.policy.document import PrincipalElement

_ROOT = re.compile(r"arn:[^:]*:iam::([^:*?]+):root\Z")
_ACCOUNT = re.compile(r"[0-9]{12}\Z")


class Match(IntEnum):
    """How closely an element names the caller; a grant is worth more the closer it names (section 5.4)."""

    NONE = 0
    #: The caller's account: the resource's side agrees, the caller's own policies still have to grant.
    ACCOUNT = 1
    #: The role of a session, or the user behind a federated session: as good as an identity policy.
    PARENT = 2
    #: The caller, or everybody: a grant in itself.
    DIRECT = 3


class PrincipalTest:
    """A compiled Principal or NotPrincipal element."""

    __slots__ = ("accounts", "anybody", "federated", "names", "negated", "services", "signed_anybody")

    def __init__(self, element: PrincipalElement) -> None:
        self.negated = element.negated
        self.anybody = ("*", "*") in element.entries
        aws = [text for kind, text in element.entries if kind == "AWS"]
        self.signed_anybody = self.anybody or "*" in aws
        self.accounts = frozenset(account for text in aws if (account := _account(text)))
        self.names = frozenset(text for text in aws if not _account(text) and text != "*")
        self.services = frozenset(ascii_lower(text) for kind, text in element.entries if kind == "Service")
        self.federated = frozenset(text for kind, text in element.entries if kind == "Federated")

    def match(self, who: Principal, *, deny: bool, has_boundary: bool = False) -> Match:
        """How closely the element means *who*; for NotPrincipal, DIRECT when it does at all."""
        if not self.negated:
            # A web identity is only ever granted to by name, but a Deny for everybody means it too.
            everybody = deny and self.anybody and who.kind is PrincipalKind.WEB_IDENTITY
            return Match.DIRECT if everybody else self.named(who)
        if deny:
            return Match.NONE if not has_boundary and self._spares(who) else Match.DIRECT
        return Match.DIRECT if self.named(who) is Match.NONE else Match.NONE

    def named(self, who: Principal) -> Match:
        """How closely the entries name *who*."""
        kind = who.kind
        if kind is PrincipalKind.WEB_IDENTITY:
            return Match.DIRECT if who.arn in self.federated else Match.NONE
        if kind is PrincipalKind.SERVICE:
            return Match.DIRECT if self.anybody or ascii_lower(who.arn) in self.services else Match.NONE
        if self.signed_anybody:
            return Match.DIRECT
        if kind is PrincipalKind.ANONYMOUS:
            return Match.NONE
        return self._named_in_account(who)

    def _named_in_account(self, who: Principal) -> Match:
        if self.names and self._names_itself(who):
            return Match.DIRECT
        if self.names and self._names_parent(who):
            return Match.PARENT
        if who.account in self.accounts:
            return Match.DIRECT if who.kind is PrincipalKind.ROOT else Match.ACCOUNT
        return Match.NONE

    def _names_itself(self, who: Principal) -> bool:
        by_id = who.kind is PrincipalKind.USER and who.unique_id in self.names
        return who.arn in self.names or by_id

    def _names_parent(self, who: Principal) -> bool:
        if who.kind is PrincipalKind.FEDERATED_USER:
            return who.user_arn in self.names
        if who.kind is not PrincipalKind.ROLE_SESSION:
            return False
        if who.role_arn in self.names or (who.unique_id and who.unique_id in self.names):
            return True
        return not who.role_path_known and any(_same_role(who.role_arn, name) for name in self.names)

    def _spares(self, who: Principal) -> bool:
        """Whether a Deny leaves the caller alone: only when every level of the caller is listed."""
        if self.signed_anybody or who.kind in (PrincipalKind.SERVICE, PrincipalKind.WEB_IDENTITY,
                                               PrincipalKind.ANONYMOUS):
            return self.named(who) is not Match.NONE
        if who.account not in self.accounts:
            return False
        if who.kind is PrincipalKind.ROLE_SESSION:
            return who.arn in self.names and self._names_parent(who)
        return who.kind is PrincipalKind.ROOT or self._names_itself(who)


def _account(text: str) -> str:
    if _ACCOUNT.match(text):
        return text
    found = _ROOT.match(text)
    return found[1] if found else ""


def _same_role(arn: str, name: str) -> bool:
    """Whether two role ARNs agree in everything but the path."""
    head, _, role = arn.partition(":role/")
    other_head, _, other = name.partition(":role/")
    return bool(other) and head == other_head and role.rsplit("/", 1)[-1] == other.rsplit("/", 1)[-1]
