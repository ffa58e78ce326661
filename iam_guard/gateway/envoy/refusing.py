"""What the section ``gateway`` can ask for and Envoy cannot do: refused with a reason, and never passed over."""

from __future__ import annotations

from collections.abc import Iterable

from iam_guard.asgi.listening import read_address
from iam_guard.errors import Fault
from iam_guard.gateway.envoy.shapes import is_address
from iam_guard.gateway.settings import GatewaySettings, UpstreamSettings

_OWN = "or use the engine 'own'"
_USUAL_MESSAGE = UpstreamSettings(servers=()).max_message_bytes


def not_done(settings: GatewaySettings, *, guard_tells: bool = True) -> Iterable[Fault]:
    """Everything that the settings ask for in vain.

    Args:
        settings: The section ``gateway``.
        guard_tells: The guard that Envoy asks is that of this gateway, which signs statements; a sidecar does not.
    """
    if settings.assertion is not None and not guard_tells:
        yield Fault("an Envoy that asks a sidecar sends no signed statements",
                    "remove 'assertion', or let 'iam-guard gateway --engine envoy' run Envoy", "/assertion")
    place = read_address(settings.listen, "/listen")
    if not place.is_unix and place.host != "localhost" and not is_address(place.host):
        yield Fault(f"Envoy listens at addresses, and '{place.host}' is a name", "write an address", "/listen")
    for name, upstream in settings.upstreams.items():
        yield from (Fault(one.message, one.mend, f"/upstreams/{name}{one.pointer}") for one in _in_vain(upstream))


def _in_vain(upstream: UpstreamSettings) -> Iterable[Fault]:
    if upstream.max_message_bytes != _USUAL_MESSAGE:
        yield Fault("Envoy passes the bytes of a WebSocket on and knows nothing of messages",
                    f"remove 'max_message_bytes', {_OWN}", "/max_message_bytes")
    if upstream.head_seconds > upstream.stall_seconds:
        yield Fault("Envoy ends an exchange in which nobody sends for 'stall_seconds', while the server thinks as well",
                    "let 'head_seconds' be no longer than 'stall_seconds'", "/head_seconds")
