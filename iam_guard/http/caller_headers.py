"""Caller headers: how the application behind a proxy learns who was let in.

They belong to the guard (promise S9): a copy that a client sends is dropped in every spelling, and each of them is
set on every request that passes, empty where there is nothing to say, since some proxies keep the client's own value
of a header that the guard leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

import msgspec

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.edge import EdgeSettings, canonical_name
from iam_guard.model import Principal, PrincipalKind

Fields = tuple[tuple[bytes, bytes], ...]

_TOKEN = re.compile(r"[A-Za-z0-9-]+")


class CallerHeaders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the headers are called.

    Attributes:
        principal: The ARN of the caller, percent-encoded where it is not printable ASCII; empty for nobody.
        account: The caller's account.
        decision: The id of the decision, under which the log has it.

    Raises:
        ConfigurationError: a name is no header name, or two are the same.
    """

    principal: str = "X-Guard-Principal"
    account: str = "X-Guard-Account"
    decision: str = "X-Guard-Decision-Id"

    def __post_init__(self) -> None:
        """Check the names."""
        faults = [Fault(f"'{name}' is no name for a header of the guard", "use letters, digits and '-'")
                  for name in self.names if not _TOKEN.fullmatch(name)]
        if len({name.lower() for name in self.names}) < len(self.names):
            faults.append(Fault("two headers of the guard have the same name", "give each its own"))
        if faults:
            raise ConfigurationError(faults)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, as they are written."""
        return (self.principal, self.account, self.decision)

    def for_caller(self, principal: Principal, decision_id: str) -> Fields:
        """The headers of one request that was allowed.

        Args:
            principal: Who asked.
            decision_id: Empty on a public route, where nothing was decided.
        """
        return (*self.of_caller(principal), self.of_decision(decision_id))

    def of_caller(self, principal: Principal) -> Fields:
        """Those of them that say who asked."""
        known = principal.kind is not PrincipalKind.ANONYMOUS
        return ((_lower(self.principal), _plain(principal.arn if known else "")),
                (_lower(self.account), _plain(principal.account if known else "")))

    def of_decision(self, decision_id: str) -> tuple[bytes, bytes]:
        """The one that names the decision."""
        return _lower(self.decision), _plain(decision_id)

    def to_remove(self, headers: Iterable[tuple[bytes, bytes]], edge: EdgeSettings) -> tuple[str, ...]:
        """Names, as sent, of headers that nobody outside may send: a proxy has to take them off the request.

        The guard's own names in the guard's own spelling are not among them, since it sets them anew.

        Args:
            headers: Of the client's request.
            edge: Which names are reserved.
        """
        ours = {_lower(name) for name in self.names}
        found = {name for name, _ in headers if name.lower() not in ours and edge.is_reserved(name)}
        return tuple(sorted(name.decode("latin-1") for name in found))


def with_caller_headers(edge: EdgeSettings, names: CallerHeaders) -> EdgeSettings:
    """*edge*, which also drops copies of *names* that a client sends."""
    known = {canonical_name(name.encode()) for name in edge.identity_headers}
    more = [name for name in names.names if canonical_name(name.encode()) not in known]
    return edge.with_identity_headers(more)


def _lower(name: str) -> bytes:
    return name.lower().encode("ascii")


def _plain(value: str) -> bytes:
    """A value that no proxy reads as several, or as the end of the header."""
    if value.isascii() and value.isprintable():
        return value.encode("ascii")
    return quote(value, safe=":/@+=,.-_*$!()' ").encode("ascii")
