"""Every field of the section ``gateway`` means something to Envoy, or is refused: none is passed over.

What Envoy calls each of them is what its reference of the configuration says.
"""

from __future__ import annotations

import importlib
import ssl
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from iam_guard.asgi.listening import Address
from iam_guard.errors import ConfigurationError
from iam_guard.gateway import settings as gateway
from iam_guard.gateway.envoy.engine import refuse_lasting
from iam_guard.gateway.envoy.process import options
from iam_guard.gateway.envoy.refusing import not_done
from iam_guard.gateway.envoy.writer import Surroundings, envoy_config
from iam_guard.gateway.settings import GatewaySettings

BASE: dict[str, Any] = {
    "upstreams": {"app": {"servers": ["https://10.0.0.1:8443"], "health": {"path": "/healthz"},
                          "cert_file": "/own.pem", "key_file": "/own.key"},
                  "other": {"servers": ["http://10.0.0.2:80"]}},
    "routes": [{"upstream": "app"}],
    "tls": {"cert_file": "/c.pem", "key_file": "/c.key", "client_ca_file": "/ca.pem"},
}
LISTENER = "static_resources.listeners.0"
CHAIN = f"{LISTENER}.filter_chains.0"
MANAGER = f"{CHAIN}.filters.0.typed_config"
HOST = f"{MANAGER}.route_config.virtual_hosts.0"
ROUTE = f"{HOST}.routes.0"
TLS = f"{CHAIN}.transport_socket.typed_config"
SHOWN = f"{TLS}.common_tls_context.tls_certificates.0"
CLUSTER = "static_resources.clusters.0"
CHECK = f"{CLUSTER}.health_checks.0"
ALONE = f"{CLUSTER}.outlier_detection"
SERVER_TLS = f"{CLUSTER}.transport_socket.typed_config"
APP = "upstreams.app"


class Written(NamedTuple):
    """A change of the settings, and what Envoy is told for it."""

    at: str
    value: Any
    where: str
    expected: Any


class Told(NamedTuple):
    """A change of the settings, and what stands on Envoy's command line for it."""

    at: str
    value: Any
    option: str
    expected: str


class Refused(NamedTuple):
    """A change of the settings that is refused with this pointer."""

    at: str
    value: Any
    pointer: str


class Kept(NamedTuple):
    """What the guard or the command does, which a test with traffic shows."""

    test: str


class Parts(NamedTuple):
    """A section whose fields are in this table, too."""

    struct: type


Case = Written | Told | Refused | Kept | Parts
CASES: dict[type, dict[str, Case]] = {
    gateway.GatewaySettings: {
        "upstreams": Parts(gateway.UpstreamSettings), "routes": Parts(gateway.RouteRule),
        "listen": Written("listen", "[::1]:8443", f"{LISTENER}.address.socket_address",
                          {"address": "::1", "port_value": 8443}),
        "status": Kept("test_envoy_tells.test_the_status_tells_that_it_serves"),
        "workers": Told("workers", 3, "--concurrency", "3"),
        "tls": Parts(gateway.TLSSettings), "assertion": Parts(gateway.AssertionSettings),
        "limits": Parts(gateway.LimitSettings)},
    gateway.RouteRule: {
        "upstream": Written("routes.0.upstream", "other", f"{ROUTE}.route.cluster", "upstream:other"),
        "host": Written("routes.0.host", "shop.example", f"{HOST}.domains", ["shop.example", "shop.example:*"]),
        "path": Written("routes.0.path", "/orders", f"{HOST}.routes.1.match", {"path_separated_prefix": "/orders"})},
    gateway.UpstreamSettings: {
        "servers": Written(f"{APP}.servers", ["https://10.0.0.9:9"],
                           f"{CLUSTER}.load_assignment.endpoints.0.lb_endpoints.0.endpoint.address.socket_address",
                           {"address": "10.0.0.9", "port_value": 9}),
        "host": Written(f"{APP}.host", "inner.example", f"{ROUTE}.route.host_rewrite_literal", "inner.example"),
        "credentials": Written(f"{APP}.credentials", True, f"{ROUTE}.request_headers_to_remove",
                               ["forwarded", "x-forwarded-host"]),
        "health": Parts(gateway.HealthSettings),
        "ca_file": Written(f"{APP}.ca_file", "/our.pem",
                           f"{SERVER_TLS}.common_tls_context.validation_context.trusted_ca", {"filename": "/our.pem"}),
        "cert_file": Written(f"{APP}.cert_file", "/ours.pem",
                             f"{SERVER_TLS}.common_tls_context.tls_certificates.0.certificate_chain",
                             {"filename": "/ours.pem"}),
        "key_file": Written(f"{APP}.key_file", "/ours.key",
                            f"{SERVER_TLS}.common_tls_context.tls_certificates.0.private_key",
                            {"filename": "/ours.key"}),
        "server_name": Written(f"{APP}.server_name", "in.example", f"{SERVER_TLS}.sni", "in.example"),
        "max_connections": Written(f"{APP}.max_connections", 7,
                                   f"{CLUSTER}.circuit_breakers.per_host_thresholds.0.max_connections", 7),
        "idle_seconds": Written(
            f"{APP}.idle_seconds", 1.5, f"{CLUSTER}.typed_extension_protocol_options."
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.common_http_protocol_options.idle_timeout", "1.5s"),
        "connect_seconds": Written(f"{APP}.connect_seconds", 0.25, f"{CLUSTER}.connect_timeout", "0.25s"),
        "head_seconds": Written(f"{APP}.head_seconds", 9, f"{ROUTE}.route.retry_policy.per_try_timeout", "9s"),
        "stall_seconds": Written(f"{APP}.stall_seconds", 90, f"{ROUTE}.route.idle_timeout", "90s"),
        "max_message_bytes": Refused(f"{APP}.max_message_bytes", 5, "/upstreams/app/max_message_bytes")},
    gateway.HealthSettings: {
        "path": Written(f"{APP}.health.path", "/up", f"{CHECK}.http_health_check.path", "/up"),
        "host": Written(f"{APP}.health.host", "up.example", f"{CHECK}.http_health_check.host", "up.example"),
        "every_seconds": Written(f"{APP}.health.every_seconds", 7, f"{CHECK}.interval", "7s"),
        "timeout_seconds": Written(f"{APP}.health.timeout_seconds", 3, f"{CHECK}.timeout", "3s"),
        "good": Written(f"{APP}.health.good", 5, f"{CHECK}.healthy_threshold", 5),
        "bad": Written(f"{APP}.health.bad", 6, f"{ALONE}.consecutive_local_origin_failure", 6),
        "rest_seconds": Written(f"{APP}.health.rest_seconds", 8, f"{ALONE}.base_ejection_time", "8s")},
    gateway.TLSSettings: {
        "cert_file": Written("tls.cert_file", "/d.pem", f"{SHOWN}.certificate_chain", {"filename": "/d.pem"}),
        "key_file": Written("tls.key_file", "/d.key", f"{SHOWN}.private_key", {"filename": "/d.key"}),
        "client_ca_file": Written("tls.client_ca_file", "/all.pem",
                                  f"{TLS}.common_tls_context.validation_context.trusted_ca", {"filename": "/all.pem"}),
        "client_required": Written("tls.client_required", True, f"{TLS}.require_client_certificate", True),
        "minimum": Written("tls.minimum", "1.3",
                           f"{TLS}.common_tls_context.tls_params.tls_minimum_protocol_version", "TLSv1_3")},
    gateway.AssertionSettings: dict.fromkeys(
        ("keys", "issuer", "header", "seconds"),
        Kept("test_envoy_tells.test_an_upstream_gets_a_statement_that_is_for_it_and_can_be_checked")),
    gateway.LimitSettings: {
        "head_seconds": Written("limits.head_seconds", 3, f"{MANAGER}.request_headers_timeout", "3s"),
        "body_seconds": Written("limits.body_seconds", 33, f"{MANAGER}.request_timeout", "33s"),
        "keep_seconds": Written("limits.keep_seconds", 5, f"{MANAGER}.common_http_protocol_options.idle_timeout", "5s"),
        "write_seconds": Written("limits.write_seconds", 2.5, f"{LISTENER}.socket_options.0.int_value", 2500),
        "max_body_bytes": Written("limits.max_body_bytes", 9, f"{MANAGER}.http_filters.2.name",
                                  "envoy.filters.http.wasm"),
        "max_connections": Written("limits.max_connections", 11,
                                   "overload_manager.resource_monitors.0.typed_config"
                                   ".max_active_downstream_connections", 11),
        "drain_seconds": Kept("test_envoy_stops.test_it_settles_and_then_ends_what_takes_too_long"),
        "settle_seconds": Kept("test_envoy_stops.test_it_settles_and_then_ends_what_takes_too_long"),
        "linger_seconds": Told("limits.linger_seconds", 12.5, "--drain-time-s", "13")},
}
FIELDS = [(struct, name) for struct, cases in CASES.items() for name in cases]


def structs(kind: Any) -> set[type]:
    """Sections within a type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {kind}.union(*(structs(field.type) for field in msgspec.structs.fields(kind)))
    return set().union(*map(structs, getattr(kind, "__args__", ())))


def test_no_field_is_missing_here() -> None:
    assert structs(GatewaySettings) == set(CASES)
    for struct, cases in CASES.items():
        assert {field.name for field in msgspec.structs.fields(struct)} == set(cases), struct.__name__


def changed(at: str, value: Any) -> GatewaySettings:
    made = deepcopy(BASE)
    *folders, name = at.split(".")
    place: Any = made
    for folder in folders:
        place = place[int(folder)] if folder.isdigit() else place.setdefault(folder, {})
    place[name] = value
    return msgspec.convert(made, GatewaySettings)


def found(config: Any, where: str) -> Any:
    """What stands somewhere; names with dots in them are found, too."""
    if not where:
        return config
    if isinstance(config, list):
        number, _, rest = where.partition(".")
        return found(config[int(number)], rest) if int(number) < len(config) else None
    for name in sorted(config or {}, key=len, reverse=True):
        if where == name or where.startswith(f"{name}."):
            return found(config[name], where[len(name) + 1:])
    return None


def written(settings: GatewaySettings) -> dict[str, Any]:
    return envoy_config(settings, Surroundings(Address("127.0.0.1", 1), authorities="/etc/authorities.pem"))


@pytest.mark.parametrize(("struct", "name"), FIELDS, ids=lambda one: getattr(one, "__name__", one))
def test_a_field_is_followed_or_refused(struct: type, name: str) -> None:
    case = CASES[struct][name]
    base = msgspec.convert(BASE, GatewaySettings)
    match case:
        case Written():
            assert found(written(base), case.where) != case.expected
            assert found(written(changed(case.at, case.value)), case.where) == case.expected
        case Told():
            settings = changed(case.at, case.value)
            told = options(settings.workers, settings.limits.linger_seconds)
            assert told[told.index(case.option) + 1] == case.expected
            assert case.expected not in options(base.workers, base.limits.linger_seconds)
        case Refused():
            assert list(not_done(base)) == []
            with pytest.raises(ConfigurationError) as refused:
                written(changed(case.at, case.value))
            assert [fault.pointer for fault in refused.value.faults] == [case.pointer]
        case Kept():
            module, _, test = case.test.partition(".")
            assert callable(getattr(importlib.import_module(module), test))
        case Parts():
            assert case.struct in CASES


@pytest.mark.parametrize(("at", "value"), [
    ("listen", "127.0.0.1:1"), ("status", ""), ("workers", 2), ("limits.max_connections", 5),
    ("limits.linger_seconds", 5), ("limits.write_seconds", 5)])
def test_what_envoy_reads_at_its_start_does_not_change_later(at: str, value: Any) -> None:
    """The process, the socket that listens, and the bootstrap: what is in none of the files that Envoy follows."""
    base = msgspec.convert(BASE, GatewaySettings)
    with pytest.raises(ConfigurationError) as refused:
        refuse_lasting(base, changed(at, value))
    assert [fault.pointer for fault in refused.value.faults] == [f"/gateway/{at.replace('.', '/')}"]


def test_what_may_change_later_is_in_the_files_that_envoy_follows() -> None:
    """The other way round: every other field changes nothing of what Envoy reads only when it starts."""
    base = msgspec.convert(BASE, GatewaySettings)
    for struct, cases in CASES.items():
        for name, case in cases.items():
            if not isinstance(case, Written):
                continue
            settings = changed(case.at, case.value)
            try:
                refuse_lasting(base, settings)
            except ConfigurationError:
                continue
            assert _lasting(written(settings)) == _lasting(written(base)), f"{struct.__name__}.{name}"


def _lasting(config: dict[str, Any]) -> dict[str, Any]:
    listener = config["static_resources"]["listeners"][0]
    return {**{name: part for name, part in config.items() if name != "static_resources"},
            **{name: part for name, part in listener.items() if name != "filter_chains"}}


@pytest.mark.parametrize("workers", [1, 4])
def test_what_is_bounded_for_each_worker_is_told_for_all(workers: int) -> None:
    config = written(changed("workers", workers))
    assert found(config, "overload_manager.resource_monitors.0.typed_config.max_active_downstream_connections") == \
        10_000 * workers
    assert found(config, f"{CLUSTER}.circuit_breakers.per_host_thresholds.0.max_connections") == 1024 * workers


def test_authorities_are_those_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings, around = msgspec.convert(BASE, GatewaySettings), Surroundings(Address("127.0.0.1", 1))
    named = ssl.get_default_verify_paths()
    (tmp_path / "all.pem").touch()
    monkeypatch.setenv(named.openssl_cafile_env, str(tmp_path / "all.pem"))
    assert found(envoy_config(settings, around), f"{SERVER_TLS}.common_tls_context.validation_context.trusted_ca") == {
        "filename": str(tmp_path / "all.pem")}
    monkeypatch.setenv(named.openssl_cafile_env, str(tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError) as refused:
        envoy_config(settings, around)
    assert [fault.pointer for fault in refused.value.faults] == ["/upstreams/app/ca_file"]
