"""Which requests go to which cluster, by the same rules that the gateway follows itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from iam_guard.gateway.envoy.shapes import Shape, seconds, typed
from iam_guard.gateway.settings import GatewaySettings, RouteRule, UpstreamSettings

#: An unreserved character that is percent-encoded. Envoy chooses a route by the path as it was sent, the guard decides
#: on what it means: with several routes such a path would go elsewhere than it says (threat G17).
_DISGUISED = ".*%(?:2[dDeE]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|7[eE]).*"
#: Told by clients about proxies before them; what the upstream hears of it is written anew.
_FORWARDED, _FORWARDED_HOST = "forwarded", "x-forwarded-host"
#: By it Envoy tells the guard which upstream it has chosen. The guard has it taken off again, like any such name.
UPSTREAM = "x-guard-upstream"
#: By it the guard tells Envoy how long a WebSocket or a stream may last: Envoy counts it as that of gRPC.
LASTING = "grpc-timeout"
#: Another server is asked while none has had a byte of the request: it cannot have done anything yet (threat G08).
_RETRIED = "connect-failure,reset-before-request"
#: Further tries at least, since a name may have several addresses; and how often a server is drawn for each, until it
#: is one that was not tried.
_TRIES, _DRAWS = 2, 20


def route_table(settings: GatewaySettings, secret: Iterable[str], clusters: Mapping[str, str],
                *, guard_tells: bool = False) -> Shape:
    """All rules. A host or a path that none names is answered by Envoy itself, and connects nowhere.

    Args:
        settings: The section ``gateway``.
        secret: Headers that carry credentials.
        clusters: What the cluster of each upstream is called.
        guard_tells: The guard itself tells upstreams where a request came from, and who the caller is for this one.
    """
    withheld = sorted(secret)

    def made(rule: RouteRule) -> Shape:
        upstream = settings.upstreams[rule.upstream]
        forwarded = (_FORWARDED,) if guard_tells else (_FORWARDED, _FORWARDED_HOST)
        removed = (*forwarded, *((LASTING,) if guard_tells else ()), *(() if upstream.credentials else withheld))
        made = _route(rule, upstream, clusters[rule.upstream])
        if guard_tells:
            made["typed_per_filter_config"] = {"envoy.filters.http.header_mutation": _told(rule)}
            made["route"]["max_stream_duration"] = {"grpc_timeout_header_max": "0s"}  # as it is told, however long
        return {**made, "request_headers_to_remove": [*removed]}

    hosts: dict[str, list[RouteRule]] = {}
    for rule in settings.rules:
        hosts.setdefault(rule.host, []).append(rule)
    tables = [{"name": host or "every other host", "domains": [host, f"{host}:*"] if host else ["*"],
               "routes": [*_refusals(rules), *map(made, _longest_first(rules))]} for host, rules in hosts.items()]
    return {"name": "rules", "virtual_hosts": tables if "" in hosts else [*tables, _misdirected()]}


def _misdirected() -> Shape:
    """A host that is not served here (RFC 9110 section 15.5.20)."""
    return {"name": "every other host", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 421}}]}


def _refusals(rules: Iterable[RouteRule]) -> list[Shape]:
    """What is refused where the path has a say in where a request goes."""
    if all(rule.path == "/" for rule in rules):
        return []
    return [{"match": {"safe_regex": {"regex": _DISGUISED}}, "direct_response": {"status": 400}}]


def _longest_first(rules: Iterable[RouteRule]) -> list[RouteRule]:
    """Envoy takes the first that fits."""
    return sorted(rules, key=lambda rule: -len([part for part in rule.path.split("/") if part]))


def _route(rule: RouteRule, upstream: UpstreamSettings, cluster: str) -> Shape:
    path = rule.path.rstrip("/")
    # How long a whole exchange may take is not bounded: a stream may live for hours while something is said.
    # A try is over when the answer begins, so its bound is that of thinking.
    action: Shape = {"cluster": cluster, "timeout": "0s", "idle_timeout": seconds(upstream.stall_seconds),
                     "retry_policy": {"retry_on": _RETRIED, "num_retries": max(_TRIES, len(upstream.servers) - 1),
                                      "per_try_timeout": seconds(upstream.head_seconds),
                                      "retry_host_predicate": [_ANOTHER_SERVER],
                                      "host_selection_retry_max_attempts": _DRAWS}}
    if upstream.host:
        action["host_rewrite_literal"] = upstream.host
    return {"match": {"path_separated_prefix": path} if path else {"prefix": "/"}, "route": action}


def _told(rule: RouteRule) -> Shape:
    name = quote(rule.upstream).replace("%", "%%")  # Envoy reads what stands after a '%' as a command
    header = {"header": {"key": UPSTREAM, "value": name}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return typed("envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
                 mutations={"request_mutations": [{"append": header}]})


_ANOTHER_SERVER: Shape = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")}
