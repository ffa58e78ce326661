"""The whole configuration of an Envoy that does what the section ``gateway`` says."""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from iam_guard.asgi.listening import Address, read_address
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.gateway.envoy.clusters import guard_cluster, upstream_cluster, versioned
from iam_guard.gateway.envoy.filters import before_routes, filters
from iam_guard.gateway.envoy.privacy import privacy_filter
from iam_guard.gateway.envoy.refusing import not_done
from iam_guard.gateway.envoy.routes import route_table
from iam_guard.gateway.envoy.shapes import Shape, at, file, seconds, typed
from iam_guard.gateway.settings import GatewaySettings, LimitSettings, TLSSettings

#: Bytes of a connection that wait in Envoy at most; its default is meant for the inside of a network.
_BUFFER = 65_536
_HEADERS_KILOBYTES = 60
#: Under which name Envoy counts what clients do.
CLIENTS = "clients"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an Envoy has to know beside the section ``gateway``.

    Attributes:
        guard: Where the guard answers over gRPC.
        own_headers: Names that the guard sets on requests.
        secret: Headers that carry credentials; only upstreams that are to have them get them.
        body_bytes: How much of a body the guard is handed over; 0 for nothing.
        authorities: The file of the system's certificate authorities; by default the one that OpenSSL finds.
        workers: Threads that serve; 0 for what the settings say.
        guard_tells: The guard tells upstreams where requests came from, and signs who called for which of them.
        decision: The header in which the guard names its decision; answers to requests that have it are kept out of
            shared caches. Empty to leave them as they are.
        vary: Request headers that identify the caller.
        version: A name for what is written, which is to stand beside other versions: clusters get names that no other
            version of them has, and connections are counted under this one.
    """

    guard: Address
    own_headers: tuple[str, ...] = ()
    secret: tuple[str, ...] = ("authorization",)
    body_bytes: int = 0
    authorities: str = ""
    workers: int = 0
    guard_tells: bool = False
    decision: str = ""
    vary: tuple[str, ...] = ("Authorization",)
    version: str = ""


def envoy_config(settings: GatewaySettings, around: Surroundings) -> Shape:
    """The configuration, as its JSON and its YAML say it alike.

    Args:
        settings: The section ``gateway``, its paths resolved.
        around: Everything else.

    Raises:
        ConfigurationError: it asks for something that this Envoy does not do.
    """
    faults = list(not_done(settings, guard_tells=around.guard_tells))
    workers = around.workers or settings.workers
    clusters = _clusters(settings, around, workers, faults)
    if faults:
        raise ConfigurationError(faults)
    guard = guard_cluster(around.guard)
    if around.version:
        clusters, guard = {name: versioned(one) for name, one in clusters.items()}, versioned(guard)
    names = {name: one["name"] for name, one in clusters.items()}
    return {
        "node": {"id": "iam-guard", "cluster": "iam-guard"},
        "static_resources": {"listeners": [_listener(settings, around, names, guard["name"])],
                             "clusters": [*clusters.values(), guard]},
        "overload_manager": {"resource_monitors": [{
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": typed("envoy.extensions.resource_monitors.downstream_connections.v3"
                                  ".DownstreamConnectionsConfig",
                                  max_active_downstream_connections=settings.limits.max_connections * workers)}]},
    }


def connections(config: Shape) -> str:
    """What Envoy calls the number of connections of clients that a configuration serves.

    Args:
        config: As :func:`envoy_config` writes it.
    """
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return f"http.{manager['stat_prefix']}.downstream_cx_active"


def _clusters(settings: GatewaySettings, around: Surroundings, workers: int, faults: list[Fault]) -> dict[str, Shape]:
    authorities = around.authorities or ssl.get_default_verify_paths().cafile or ""
    made: dict[str, Shape] = {}
    for name, upstream in settings.upstreams.items():
        try:
            made[name] = upstream_cluster(name, upstream, authorities, workers)
        except ConfigurationError as refused:
            faults += [Fault(one.message, one.mend, f"/upstreams/{name}{one.pointer}") for one in refused.faults]
    return made


def _listener(settings: GatewaySettings, around: Surroundings, clusters: Mapping[str, str], guard: str) -> Shape:
    chain: Shape = {"filters": [{"name": "envoy.filters.network.http_connection_manager",
                                 "typed_config": _manager(settings, around, clusters, guard)}]}
    if settings.tls is not None:
        chain["transport_socket"] = _tls(settings.tls)
        chain["transport_socket_connect_timeout"] = seconds(settings.limits.head_seconds)
    place = read_address(settings.listen, "/listen")
    if place.host == "localhost":
        place = place._replace(host="127.0.0.1")  # Envoy listens at addresses only
    return {"name": "clients", "address": at(place), **_until_taken(settings.limits, place),
            "per_connection_buffer_limit_bytes": _BUFFER, "filter_chains": [chain]}


def _until_taken(limits: LimitSettings, place: Address) -> Shape:
    """How long the kernel keeps what a client does not take; it ends the connection then (RFC 5482), as Linux does.

    Connections inherit it from the socket that listens.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None or place.is_unix:
        return {}
    return {"socket_options": [{"level": socket.IPPROTO_TCP, "name": option,
                                "int_value": math.ceil(limits.write_seconds * 1000)}]}


def _manager(settings: GatewaySettings, around: Surroundings, clusters: Mapping[str, str], guard: str) -> Shape:
    limits, tls = settings.limits, settings.tls
    private = [privacy_filter(around.decision, around.vary)] if around.decision else []
    chain = partial(filters, around.own_headers, guard=guard, body_bytes=around.body_bytes, private=private,
                    guard_tells=around.guard_tells,
                    certificates=bool(tls and tls.client_ca_file))
    return typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=f"{CLIENTS}.{around.version}" if around.version else CLIENTS,
        codec_type="AUTO" if tls else "HTTP1", server_header_transformation="PASS_THROUGH",
        use_remote_address=True, internal_address_config={"unix_sockets": False},  # nobody is one of us by address
        scheme_header_transformation={"scheme_to_overwrite": "https" if tls else "http"},
        # The path goes on as it came, and the guard refuses every one that could be read in two ways.
        normalize_path=False, merge_slashes=False, path_with_escaped_slashes_action="KEEP_UNCHANGED",
        strip_trailing_host_dot=True, generate_request_id=False, max_request_headers_kb=_HEADERS_KILOBYTES,
        request_headers_timeout=seconds(limits.head_seconds), request_timeout=seconds(limits.body_seconds),
        stream_idle_timeout=seconds(max(one.stall_seconds for one in settings.upstreams.values())),
        stream_flush_timeout=seconds(limits.write_seconds),
        drain_timeout=seconds(min(limits.drain_seconds, 5.0)),
        common_http_protocol_options={"idle_timeout": seconds(limits.keep_seconds),
                                      "headers_with_underscores_action": "DROP_HEADER"},
        upgrade_configs=[{"upgrade_type": "websocket", **({"filters": chain()} if limits.max_body_bytes else {})}],
        early_header_mutation_extensions=before_routes() if around.guard_tells else [],
        route_config=route_table(settings, around.secret, clusters, guard_tells=around.guard_tells),
        http_filters=chain(max_body_bytes=limits.max_body_bytes))


def _tls(tls: TLSSettings) -> Shape:
    common: Shape = {
        "tls_params": {"tls_minimum_protocol_version": f"TLSv{tls.minimum.replace('.', '_')}"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificates": [{"certificate_chain": file(tls.cert_file), "private_key": file(tls.key_file)}]}
    if tls.client_ca_file:
        common["validation_context"] = {"trusted_ca": file(tls.client_ca_file)}
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed(
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", common_tls_context=common,
        require_client_certificate=tls.client_required)}
