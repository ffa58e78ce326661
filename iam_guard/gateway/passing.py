"""What a request that was let in says to its upstream: who the caller is, where it came from, and no credentials."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from iam_guard.asgi.admissions import HEAD_KEY
from iam_guard.asgi.types import Scope
from iam_guard.engine.memo import Memo
from iam_guard.gateway.assertion import Assertions
from iam_guard.gateway.upstream.request import LAST_FIELD
from iam_guard.guard import InformedCaller
from iam_guard.http.caller_headers import CallerHeaders
from iam_guard.http.request import HTTPRequest
from iam_guard.model import Principal

Fields = list[tuple[bytes, bytes]]

#: Parts of credentials that stand beside ``Authorization``.
_BESIDE = ("authorization", "dpop", "x-amz-security-token")
_FOR, _PROTO, _HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
_FORWARDED = frozenset({_FOR, _PROTO, _HOST, b"forwarded"})
#: Callers whose headers are remembered, and heads that are.
_REMEMBERED, _HEADS = 4096, 512
_WEB = {"ws": "http", "wss": "https"}


class _Head(NamedTuple):
    request: HTTPRequest
    upstream: str
    fields: Fields


class Passing:
    """Makes the header fields of requests for upstreams.

    Args:
        names: Of the headers that tell who the caller is.
        assertions: Makes signed statements; ``None`` for none.
        assertion_header: What those stand in.
        credentials: Headers that callers send credentials in, besides the usual ones.
    """

    def __init__(self, names: CallerHeaders, assertions: Assertions | None = None, assertion_header: str = "",
                 credentials: Iterable[str] = ()) -> None:
        self._names = names
        self._decision = names.decision.lower().encode("ascii")
        self._known: Memo[int, tuple[Principal, Fields]] = Memo(_REMEMBERED)
        self._heads: Memo[int, _Head] = Memo(_HEADS)
        self._assertions = assertions
        self._assertion_header = assertion_header.lower().encode("ascii")
        secret = frozenset(name.lower().encode("ascii") for name in (*_BESIDE, *credentials)) - {b"cookie"}
        self._secret = secret | _FORWARDED

    @property
    def own_headers(self) -> tuple[str, ...]:
        """Names that no client may send, and none may remove by naming them in ``Connection``."""
        more = (self._assertion_header.decode("ascii"),) if self._assertions else ()
        return (*self._names.names, *more)

    def scope(self, caller: InformedCaller, scope: Scope, upstream: str, *, credentials: bool) -> Scope:
        """The scope of a request for an upstream.

        Args:
            caller: Who was let in.
            scope: As the guard has cleaned it.
            upstream: Name of the upstream.
            credentials: Leave the caller's credentials in.

        Raises:
            UnavailableError: a statement cannot be signed.
        """
        decision = caller.decisions[0].id.encode("ascii") if caller.decisions else b""
        fields = self._fields(caller, scope, upstream, credentials)
        return {**scope, "headers": fields, LAST_FIELD: (self._decision, decision)}

    def _fields(self, caller: InformedCaller, scope: Scope, upstream: str, credentials: bool) -> Fields:
        """Every field but that of the decision; remembered for a head that comes again, and never changed."""
        request = caller.request
        if self._assertions is not None or request is None or HEAD_KEY not in (scope.get("extensions") or ()):
            return self._made(caller, scope, upstream, credentials)
        known = self._heads.get(id(request))
        if known is None or known.request is not request or known.upstream != upstream:
            made = self._made(caller, scope, upstream, credentials)
            known = self._heads.keep(id(request), _Head(request, upstream, made))
        return known.fields

    def _made(self, caller: InformedCaller, scope: Scope, upstream: str, credentials: bool) -> Fields:
        gone = _FORWARDED if credentials else self._secret
        fields = [field for field in scope["headers"] if field[0].lower() not in gone]
        fields += self._of_principal(caller.principal)
        if self._assertions is not None:
            fields.append((self._assertion_header, self._assertions.statement(caller.principal, upstream)))
        if caller.request is not None:
            fields += came_from(caller.request)
        return fields

    def _of_principal(self, principal: Principal) -> Fields:
        """What the headers say of a caller, whatever was decided; remembered, since callers come back."""
        known = self._known.get(id(principal))
        if known is None or known[0] is not principal:
            said = [field for field in self._names.for_caller(principal, "") if field[0] != self._decision]
            known = self._known.keep(id(principal), (principal, said))
        return known[1]


def came_from(request: HTTPRequest) -> Fields:
    """Where the request came from; what a trusted proxy told of its own client is kept in front."""
    hops = request.client
    if request.trusted:
        hops = ", ".join(one for one in (*request.header_values("x-forwarded-for"), hops) if one)
    scheme = _WEB.get(request.scheme, request.scheme)
    return [(_FOR, hops.encode("latin-1")), (_PROTO, scheme.encode("ascii")), (_HOST, request.host.encode("ascii"))]
