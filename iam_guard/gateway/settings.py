"""What the gateway is told: where it listens, which servers stand behind it, and how patient it is.

    gateway:
      listen: 127.0.0.1:8080
      upstreams:
        orders: {servers: ["http://127.0.0.1:9000"]}
      routes:
        - {host: shop.example, path: /orders, upstream: orders}
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

import msgspec

from iam_guard.asgi.tls import TLSSettings as TLSSettings
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.gateway.upstream.settings import Count, Seconds, ServerOptions

_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*+|\[[0-9a-f:.]+\]")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
#: Characters of a path that nobody reads in two ways.
_PATH = re.compile(r"(?:/[A-Za-z0-9_~.-]+)+/?|/")


class HealthSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it is found out which servers work.

    Attributes:
        path: Asked of each server again and again; any answer below 400 is a good one. Empty to ask nothing, and to
            learn from requests alone.
        host: What ``Host`` says there.
        every_seconds: How often.
        timeout_seconds: How long the answer may take.
        good: Good answers in a row after which a server is used again.
        bad: Failures in a row after which it is not used any more, those of requests included.
        rest_seconds: How long a server that failed requests is left alone, where no path is asked.
    """

    path: str = ""
    host: str = "localhost"
    every_seconds: Seconds = 5.0
    timeout_seconds: Seconds = 2.0
    good: Count = 2
    bad: Count = 3
    rest_seconds: Seconds = 10.0


class UpstreamSettings(ServerOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Servers that do the same, and how they are spoken to.

    Attributes:
        servers: Each ``http://HOST:PORT``, ``https://HOST:PORT`` or ``unix:PATH``.
        credentials: Pass the caller's credentials on. They stay here otherwise: who the caller is stands in headers
            of the guard.
        health: How it is found out which servers work.
    """

    servers: tuple[str, ...]
    credentials: bool = False
    health: HealthSettings = HealthSettings()


class RouteRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests go to which upstream.

    Attributes:
        upstream: Its name.
        host: Host name, without port; empty for every one that no other rule names.
        path: Whole segments that the path begins with; the rule with the longest one counts.
    """

    upstream: str
    host: str = ""
    path: str = "/"


class AssertionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signed statement of who the caller is, for upstreams that do not trust the network.

    Attributes:
        keys: The file with the signing keys (``iam-guard token keys --new`` makes one).
        issuer: The gateway's name, ``iss``. The audience is the name of the upstream.
        header: The header it stands in.
        seconds: How long it counts.
    """

    keys: str
    issuer: str
    header: str = "X-Guard-Assertion"
    seconds: Annotated[int, msgspec.Meta(ge=10, le=3600)] = 60


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much, and how slow, a client may be.

    Attributes:
        head_seconds: From the first byte of a request, or the opening of a connection, to the end of its header.
        body_seconds: From the end of that header to the end of the body.
        keep_seconds: How long a connection without a request is kept.
        write_seconds: How long a client may leave untaken what was written for it; then its connection is cut, and
            whatever serves it is free.
        max_body_bytes: Longest request body; 0 for any.
        max_connections: Connections of clients to each worker at once; more are answered 503.
        drain_seconds: How long requests that are running may go on after the gateway was told to stop.
        linger_seconds: How long requests and WebSockets may go on after a reload has replaced the settings that they
            began with.
        settle_seconds: How long a gateway that was told to stop still takes requests, while it says that it is not
            ready and ends each connection with its next answer.
    """

    head_seconds: Seconds = 10.0
    body_seconds: Seconds = 3600.0
    keep_seconds: Seconds = 65.0
    write_seconds: Seconds = 60.0
    max_body_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    max_connections: Count = 10_000
    drain_seconds: Seconds = 30.0
    linger_seconds: Seconds = 300.0
    settle_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section ``gateway``.

    Attributes:
        upstreams: Servers by name.
        routes: Which requests go where; without any, all go to the one upstream.
        listen: ``HOST:PORT`` or ``unix:PATH``.
        status: Where health, readiness and the key set of assertions are served; empty for nowhere. It is for
            operators and upstreams, so keep it off the outside.
        workers: Processes.
        tls: TLS where it listens.
        assertion: Send a signed statement of who the caller is.
        limits: How much, and how slow, a client may be.

    Raises:
        ConfigurationError: a rule names no upstream, or says what another one says.
    """

    upstreams: dict[str, UpstreamSettings]
    routes: tuple[RouteRule, ...] = ()
    listen: str = "127.0.0.1:8080"
    status: str = "127.0.0.1:8081"
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    tls: TLSSettings | None = None
    assertion: AssertionSettings | None = None
    limits: LimitSettings = LimitSettings()

    def __post_init__(self) -> None:
        """Check what one value alone does not tell."""
        if faults := [*_faulty_upstreams(self), *_faulty_routes(self), *_faulty_assertion(self.assertion)]:
            raise ConfigurationError(faults)

    @property
    def rules(self) -> tuple[RouteRule, ...]:
        """The rules, that of a single upstream included."""
        return self.routes or tuple(RouteRule(upstream=name) for name in self.upstreams)


def _faulty_upstreams(settings: GatewaySettings) -> Iterable[Fault]:
    if not settings.upstreams:
        yield Fault("there is no upstream", "add 'NAME: {servers: [\"http://HOST:PORT\"]}'", "/upstreams")
    for name, upstream in settings.upstreams.items():
        at = f"/upstreams/{name}"
        if not upstream.servers:
            yield Fault(f"the upstream '{name}' has no server", "add 'http://HOST:PORT'", f"{at}/servers")
        if len(set(upstream.servers)) < len(upstream.servers):
            yield Fault(f"the upstream '{name}' has a server twice", "remove one", f"{at}/servers")
        if upstream.health.path and not upstream.health.path.startswith("/"):
            yield Fault("a path starts with a slash", f"write '/{upstream.health.path}'", f"{at}/health/path")


def _faulty_routes(settings: GatewaySettings) -> Iterable[Fault]:
    seen: set[tuple[str, str]] = set()
    for number, rule in enumerate(settings.routes):
        at = f"/routes/{number}"
        if rule.upstream not in settings.upstreams:
            yield Fault(f"there is no upstream '{rule.upstream}'", "name one of 'upstreams'", f"{at}/upstream")
        if rule.host and not _HOST.fullmatch(rule.host):
            yield Fault(f"'{rule.host}' is not a host name", "write it in small letters, without port", f"{at}/host")
        if not _PATH.fullmatch(rule.path):
            yield Fault(f"'{rule.path}' is not the beginning of a path", "write it like '/orders'", f"{at}/path")
        place = rule.host, rule.path.rstrip("/")
        if place in seen:
            yield Fault("another rule stands for the same host and path", "remove one", at)
        seen.add(place)
    if not settings.routes and len(settings.upstreams) > 1:
        yield Fault("there are several upstreams and no rule", "add 'routes'", "/routes")


def _faulty_assertion(assertion: AssertionSettings | None) -> Iterable[Fault]:
    if assertion is not None and not _HEADER.fullmatch(assertion.header):
        yield Fault(f"'{assertion.header}' is no name for a header of the guard", "use letters, digits and '-'",
                    "/assertion/header")
