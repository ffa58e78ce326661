"""The section ``sidecar`` of the settings file: which doors there are, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import msgspec

from iam_guard.asgi.listening import check_address
from iam_guard.asgi.tls import TLSSettings
from iam_guard.errors import ConfigurationError
from iam_guard.sidecar.authzen.settings import AuthzenDoor
from iam_guard.sidecar.ext_authz.settings import GrpcDoor, HttpDoor
from iam_guard.sidecar.forward.settings import ForwardDoor, check_doors

#: Where decisions are asked for, and where the sidecar itself is looked after.
DECISIONS, CONTROL = "127.0.0.1:8181", "127.0.0.1:8182"


class ForwardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Doors for forward authorization.

    Attributes:
        doors: One for each kind of proxy.
        listen: A listener of their own; without it, the one that doors share.
        tls: TLS on the listener of their own.
    """

    doors: tuple[ForwardDoor, ...]
    listen: str = ""
    tls: TLSSettings | None = None

    def __post_init__(self) -> None:
        """Check the address and the paths."""
        check_address(self.listen, "/listen")
        _check_paths(self.doors, "/doors")


class ControlSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the sidecar is looked after: health, metrics, status and reload.

    Attributes:
        listen: Its listener, which no door shares.
        name: Of this sidecar: its resource is ``iam-guard:sidecar/NAME``.
        hosts: Host names by which it is called, besides ``localhost``, the loopback addresses and its own address.
        open_metrics: Anybody who reaches the listener may read the metrics; otherwise policies say who.
        tls: TLS on its listener.
    """

    listen: str = CONTROL
    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "default"
    hosts: tuple[str, ...] = ()
    open_metrics: bool = False
    tls: TLSSettings | None = None

    def __post_init__(self) -> None:
        """Check the address."""
        check_address(self.listen or "?", "/listen")


class SidecarSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Doors for proxies and programs that ask for decisions.

    Attributes:
        listen: The listener that doors share: ``HOST:PORT`` or ``unix:PATH``.
        tls: TLS on that listener.
        workers: Processes.
        forward: Doors for forward authorization; a list is ``doors``.
        authzen: The door for programs that ask for decisions by AuthZEN's Authorization API.
        ext_authz_grpc: The door for Envoy's external authorization over gRPC, at a listener of its own.
        ext_authz_http: The same over HTTP, at a listener of its own.
        control: Where the sidecar is looked after.
        grace_seconds: How long calls that are under way may take when it stops, or when others take its settings'
            place.
    """

    listen: str = DECISIONS
    tls: TLSSettings | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    forward: tuple[ForwardDoor, ...] | ForwardSettings = ()
    authzen: AuthzenDoor | None = None
    ext_authz_grpc: GrpcDoor | None = None
    ext_authz_http: HttpDoor | None = None
    control: ControlSettings = ControlSettings()
    grace_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10

    def __post_init__(self) -> None:
        """Check the addresses and the paths."""
        check_address(self.listen or "?", "/listen")
        if self.authzen is not None:
            check_address(self.authzen.listen, "/authzen/listen")
        for name, door in (("ext_authz_grpc", self.ext_authz_grpc), ("ext_authz_http", self.ext_authz_http)):
            if door is not None:
                check_address(door.listen or "?", f"/{name}/listen")
        if isinstance(self.forward, tuple):
            _check_paths(self.forward, "/forward")

    @property
    def forward_doors(self) -> ForwardSettings:
        """Doors for forward authorization, whichever way they are written."""
        return self.forward if isinstance(self.forward, ForwardSettings) else ForwardSettings(doors=self.forward)


def _check_paths(doors: tuple[ForwardDoor, ...], at: str) -> None:
    try:
        check_doors(doors)
    except ConfigurationError as refused:
        raise ConfigurationError(replace(one, pointer=at + one.pointer) for one in refused.faults) from None
