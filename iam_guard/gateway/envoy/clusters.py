"""Upstreams, and the guard itself, as Envoy calls them: clusters."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from iam_guard.asgi.listening import Address
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.gateway.envoy.shapes import Shape, at, file, http1, http2, is_address, seconds, typed
from iam_guard.gateway.settings import HealthSettings, UpstreamSettings
from iam_guard.gateway.upstream.settings import ServerAddress

#: The cluster of the guard; a name that no upstream of the settings gets.
GUARD = "iam-guard:authorizer"
#: Requests to a server that wait for a connection.
_WAITING = 1024
#: The longest time between two looks at servers that were left alone.
_LOOK_SECONDS = 1.0


def upstream_name(name: str) -> str:
    """What the cluster of an upstream is called."""
    return f"upstream:{name}"


def versioned(cluster: Shape) -> Shape:
    """The same cluster, named by what it says as well, so that another version of it can stand beside it.

    Args:
        cluster: Whose files exist.
    """
    said = hashlib.sha256(msgspec.json.encode(cluster))
    for name in sorted(_files(cluster)):
        said.update(Path(name).read_bytes())
    name = f"{cluster['name']}@{said.hexdigest()[:16]}"
    return {**cluster, "name": name, "load_assignment": {**cluster["load_assignment"], "cluster_name": name}}


def _files(shape: object) -> set[str]:
    """Files that a configuration reads."""
    if isinstance(shape, dict):
        named = {shape["filename"]} if "filename" in shape else set()
        return named.union(*map(_files, shape.values()))
    return set().union(*map(_files, shape)) if isinstance(shape, list) else set()


def guard_cluster(place: Address, connect: float = 1.0) -> Shape:
    """The cluster of the guard.

    Args:
        place: Where it answers over gRPC.
        connect: Seconds that connecting may take.
    """
    return {"name": GUARD, "type": "STATIC" if place.path or is_address(place.host) else "STRICT_DNS",
            "connect_timeout": seconds(connect), "typed_extension_protocol_options": http2(),
            "load_assignment": _endpoints(GUARD, [at(place)])}


def upstream_cluster(name: str, upstream: UpstreamSettings, authorities: str, workers: int = 1) -> Shape:
    """The cluster of an upstream.

    Args:
        name: As the settings call it.
        upstream: What they say.
        authorities: The file of the system's certificate authorities; empty for none.
        workers: How many threads share what is bounded for each.

    Raises:
        ConfigurationError: its servers cannot be one cluster.
    """
    servers = [ServerAddress.from_url(url) for url in upstream.servers]
    if len({server.secure for server in servers}) > 1:
        raise ConfigurationError(Fault("Envoy speaks to all servers of an upstream with TLS, or to none",
                                       "write http:// or https:// for all", "/servers"))
    places = [Address(path=one.path) if one.path else Address(one.host, one.port) for one in servers]
    named = any(not place.path and not is_address(place.host) for place in places)
    if named and any(place.path for place in places):
        raise ConfigurationError(Fault("Envoy takes no Unix sockets beside host names", "write addresses", "/servers"))
    cluster = upstream_name(name)
    made: Shape = {
        "name": cluster, "type": "STRICT_DNS" if named else "STATIC", "lb_policy": "LEAST_REQUEST",
        "dns_lookup_family": "ALL",  # a name may have addresses of both families, and a server listen at one
        "connect_timeout": seconds(upstream.connect_seconds),
        "typed_extension_protocol_options": http1(upstream.idle_seconds),
        "load_assignment": _endpoints(cluster, [at(place) for place in places]),
        # Without it, Envoy would ask servers that do not work as soon as most of them do not.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": _bounds(upstream.max_connections * workers, len(servers)),
        "outlier_detection": _left_alone(upstream.health),
    }
    if upstream.health.path:
        made["health_checks"] = [_health_check(upstream)]
    if servers[0].secure:
        if not upstream.ca_file and not authorities:
            raise ConfigurationError(Fault("this system has no file of authorities that would vouch for the servers",
                                           "name one", "/ca_file"))
        made["transport_socket"] = _tls(upstream, servers[0].host, authorities)
    return made


def _bounds(connections: int, servers: int) -> Shape:
    """How many connections there are, and how many requests they carry or will carry."""
    together = connections * servers
    return {"thresholds": [{"max_connections": together, "max_requests": together + _WAITING,
                            "max_pending_requests": _WAITING, "max_retries": together}],
            "per_host_thresholds": [{"max_connections": connections}]}


def _left_alone(health: HealthSettings) -> Shape:
    """When a server that fails requests is left alone, and for how long: what it answers is no failure."""
    rest = seconds(health.rest_seconds)
    return {"consecutive_5xx": health.bad, "enforcing_consecutive_5xx": 0, "enforcing_success_rate": 0,
            "consecutive_gateway_failure": health.bad, "enforcing_consecutive_gateway_failure": 0,
            "consecutive_local_origin_failure": health.bad, "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_local_origin_success_rate": 0, "split_external_local_origin_errors": True,
            "max_ejection_percent": 100, "base_ejection_time": rest, "max_ejection_time": rest,
            "interval": seconds(min(health.rest_seconds, _LOOK_SECONDS))}


def _endpoints(cluster: str, addresses: list[Shape]) -> Shape:
    return {"cluster_name": cluster,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}} for address in addresses]}]}


def _health_check(upstream: UpstreamSettings) -> Shape:
    health = upstream.health
    often = seconds(health.every_seconds)
    return {"timeout": seconds(health.timeout_seconds), "interval": often, "no_traffic_interval": often,
            "unhealthy_threshold": health.bad, "healthy_threshold": health.good,
            "http_health_check": {"path": health.path, "host": health.host,
                                  "expected_statuses": [{"start": 200, "end": 400}]}}


def _tls(upstream: UpstreamSettings, host: str, authorities: str) -> Shape:
    name = upstream.server_name or host
    common: Shape = {"validation_context": {
        "trusted_ca": file(upstream.ca_file or authorities),
        "match_typed_subject_alt_names": [{"san_type": "IP_ADDRESS" if is_address(name) else "DNS",
                                           "matcher": {"exact": name}}]}}
    if upstream.cert_file:
        common["tls_certificates"] = [{"certificate_chain": file(upstream.cert_file),
                                       "private_key": file(upstream.key_file or upstream.cert_file)}]
    more = {} if is_address(name) else {"sni": name}
    return {"name": "envoy.transport_sockets.tls",
            "typed_config": typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                                  common_tls_context=common, **more)}
