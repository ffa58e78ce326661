"""Which requests go to which cluster, by the same rules that the gateway follows itself."""

from __future__ import annotations

from collections.abc import Iterable

from iam_guard.gateway.envoy.clusters import upstream_name
from iam_guard.gateway.envoy.shapes import Shape, seconds
from iam_guard.gateway.settings import GatewaySettings, RouteRule, UpstreamSettings

#: An unreserved character that is percent-encoded. Envoy chooses a route by the path as it was sent, the guard decides
#: on what it means: with several routes such a path would go elsewhere than it says (threat G17).
_DISGUISED = ".*%(?:2[dDeE]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|7[eE]).*"
#: Told by clients about proxies before them; what the upstream hears of it is written anew.
_FORWARDED = ("forwarded", "x-forwarded-host")


def route_table(settings: GatewaySettings, secret: Iterable[str]) -> Shape:
    """All rules. A host or a path that none names is answered by Envoy itself, and connects nowhere.

    Args:
        settings: The section ``gateway``.
        secret: Headers that carry credentials.
    """
    hosts: dict[str, list[RouteRule]] = {}
    for rule in settings.rules:
        hosts.setdefault(rule.host, []).append(rule)
    withheld = sorted(secret)
    return {"name": "rules", "virtual_hosts": [
        {"name": host or "every other host", "domains": [host, f"{host}:*"] if host else ["*"],
         "routes": [*_refusals(rules),
                    *(_route(rule, settings.upstreams[rule.upstream], withheld) for rule in _longest_first(rules))]}
        for host, rules in hosts.items()]}


def _refusals(rules: Iterable[RouteRule]) -> list[Shape]:
    """What is refused where the path has a say in where a request goes."""
    if all(rule.path == "/" for rule in rules):
        return []
    return [{"match": {"safe_regex": {"regex": _DISGUISED}}, "direct_response": {"status": 400}}]


def _longest_first(rules: Iterable[RouteRule]) -> list[RouteRule]:
    """Envoy takes the first that fits."""
    return sorted(rules, key=lambda rule: -len([part for part in rule.path.split("/") if part]))


def _route(rule: RouteRule, upstream: UpstreamSettings, secret: list[str]) -> Shape:
    path = rule.path.rstrip("/")
    # How long a whole exchange may take is not bounded: a stream may live for hours while something is said.
    action: Shape = {"cluster": upstream_name(rule.upstream), "timeout": "0s",
                     "idle_timeout": seconds(upstream.stall_seconds)}
    if upstream.host:
        action["host_rewrite_literal"] = upstream.host
    return {"match": {"path_separated_prefix": path} if path else {"prefix": "/"}, "route": action,
            "request_headers_to_remove": [*_FORWARDED, *(() if upstream.credentials else secret)]}
