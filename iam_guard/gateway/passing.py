"""What a request that was let in says to its upstream: who the caller is, where it came from, and no credentials."""

from __future__ import annotations

from collections.abc import Iterable

from iam_guard.asgi.types import Scope
from iam_guard.gateway.assertion import Assertions
from iam_guard.guard import InformedCaller
from iam_guard.http.caller_headers import CallerHeaders
from iam_guard.http.request import HTTPRequest

Fields = list[tuple[bytes, bytes]]

#: Parts of credentials that stand beside ``Authorization``.
_BESIDE = ("authorization", "dpop", "x-amz-security-token")
_FOR, _PROTO, _HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
_FORWARDED = frozenset({_FOR, _PROTO, _HOST, b"forwarded"})
_WEB = {"ws": "http", "wss": "https"}


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
        self._assertions = assertions
        self._assertion_header = assertion_header.lower().encode("ascii")
        self._secret = frozenset(name.lower().encode("ascii") for name in (*_BESIDE, *credentials)) - {b"cookie"}

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
        request = caller.request
        decision = caller.decisions[0].id if caller.decisions else ""
        gone = _FORWARDED if credentials else self._secret | _FORWARDED
        fields = [field for field in scope["headers"] if field[0].lower() not in gone]
        fields += self._names.for_caller(caller.principal, decision)
        if self._assertions is not None:
            fields.append((self._assertion_header, self._assertions.statement(caller.principal, upstream)))
        if request is not None:
            fields += _came_from(request)
        return {**scope, "headers": fields}


def _came_from(request: HTTPRequest) -> Fields:
    """Where the request came from; what a trusted proxy told of its own client is kept in front."""
    before = request.header_values("x-forwarded-for") if request.trusted else ()
    hops = ", ".join(one for one in (*before, request.client) if one)
    scheme = _WEB.get(request.scheme, request.scheme)
    return [(_FOR, hops.encode("latin-1")), (_PROTO, scheme.encode("ascii")), (_HOST, request.host.encode("ascii"))]
