"""What happens to a request inside Envoy: the guard's headers are taken off, the guard is asked, and it is sent on."""

from __future__ import annotations

from collections.abc import Iterable

from iam_guard.gateway.envoy.bounding import bounding_filter
from iam_guard.gateway.envoy.clusters import GUARD
from iam_guard.gateway.envoy.routes import LASTING
from iam_guard.gateway.envoy.shapes import Shape, seconds, typed

#: What the guard drops whatever a client says (see :class:`iam_guard.http.edge.EdgeSettings`).
_OURS = ("x-guard-", "x-iam-")
#: By the last of them Envoy tells itself and others how to treat a request: for how long, and how often.
_RESERVED_PREFIXES = (*_OURS, "x-original-", "x-rewrite-", "x-envoy-")
_RESERVED = ("x-http-method", "x-http-method-override", "x-method-override")
#: What may stand between the words of a name; Envoy has made its letters small.
_SIGN = r"[!-/:-@\[-`{-~]"


def filters(own_headers: Iterable[str], *, guard: str = GUARD, body_bytes: int = 0, certificates: bool = False,
            seconds_to_decide: float = 2.0, max_body_bytes: int = 0, private: Iterable[Shape] = (),
            guard_tells: bool = False) -> list[Shape]:
    """The chain of a request. That of a WebSocket is the same without a bound on its body, which it has not.

    Args:
        own_headers: Names that the guard sets on requests.
        guard: The cluster of the guard.
        body_bytes: How much of a body the guard is handed over, for clients that sign theirs; 0 for nothing.
        certificates: Tell the guard the certificate of the client.
        seconds_to_decide: How long the guard may take.
        max_body_bytes: Longest body that passes; 0 for any.
        private: Keeps answers out of shared caches.
        guard_tells: The guard says how long a stream may last.
    """
    bounding = [bounding_filter(max_body_bytes)] if max_body_bytes else []
    asking = _asking(guard, body_bytes, certificates, seconds_to_decide, guard_tells)
    return [_taking_off(own_headers), asking, *bounding, *private,
            {"name": "envoy.filters.http.router",
             "typed_config": typed("envoy.extensions.filters.http.router.v3.Router", suppress_envoy_headers=True)}]


def before_routes() -> list[Shape]:
    """What is taken off before a route is chosen: no client says how long a stream lasts."""
    return [{"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": typed(
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[{"remove": LASTING}])}]


def _taking_off(own_headers: Iterable[str]) -> Shape:
    """Headers that belong to the guard: no client sends them, and no client sees those of an upstream (threat G10).

    It stands before the guard, since what routes take off is taken off after the guard has set its own.
    """
    own = sorted({name.lower() for name in own_headers if not name.lower().startswith(_OURS)})
    never = [_beginning(_RESERVED_PREFIXES), *map(_called, (*own, *_RESERVED))]
    return {"name": "envoy.filters.http.header_mutation", "typed_config": typed(
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={"request_mutations": [*map(_off, never)],
                   "response_mutations": [*map(_off, (_beginning(_OURS), *map(_called, own)))]})}


def _beginning(prefixes: Iterable[str]) -> str:
    """Every name that begins like this: ``x``, a word, and whatever follows."""
    words = "|".join(prefix.removeprefix("x-").removesuffix("-") for prefix in prefixes)
    return f"x{_SIGN}(?:{words}){_SIGN}.*"


def _called(name: str) -> str:
    """A name under every spelling that a CGI-style application would take for it."""
    return name.replace("-", _SIGN)


def _off(expression: str) -> Shape:
    return {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": expression}}}}


def _asking(guard: str, body_bytes: int, certificates: bool, patience: float, guard_tells: bool) -> Shape:
    more: Shape = {}
    if body_bytes:
        # A body that fills this counts as one that was cut, even when it ends there.
        more["with_request_body"] = {"max_request_bytes": body_bytes + 1, "allow_partial_message": True,
                                     "pack_as_bytes": True}
    return {"name": "envoy.filters.http.ext_authz", "typed_config": typed(
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", transport_api_version="V3", failure_mode_allow=False,
        status_on_error={"code": "ServiceUnavailable"},
        clear_route_cache=guard_tells,  # how long a stream may last is read where the route is chosen
        include_peer_certificate=certificates, encode_raw_headers=True,
        grpc_service={"envoy_grpc": {"cluster_name": guard}, "timeout": seconds(patience)}, **more)}
