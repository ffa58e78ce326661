"""What decisions and doors have to achieve, and whether they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.doors.load import Measured
from benchmarks.measure import Timed
from benchmarks.upkeep import Upkeep

#: Figures by engine and workload.
Figures = Mapping[str, Mapping[str, Timed]]


@dataclass(frozen=True)
class Target:
    """One line of the verdict.

    Attributes:
        what: The figure.
        value: What was measured.
        bound: What it must not pass.
        unit: Of both.
        at_least: Whether more is better.
    """

    what: str
    value: float
    bound: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def targets(figures: Figures, upkeep: Upkeep | None) -> list[Target]:
    """Every target that can be judged from what was measured."""
    return [*_decisions(figures), *(_upkeep(upkeep) if upkeep else ())]


def _decisions(figures: Figures) -> Iterator[Target]:
    ours = figures.get("ours", {})
    for name, bound in _COLD.items():
        for workload in ours:
            if workload.partition(" ")[0] == name and not workload.endswith("busy"):
                yield Target(f"{workload} cold", ours[workload].cold, bound, "µs")
                yield from _ratios(figures, workload, name)
    sizes = [workload for workload in ours if workload.startswith("W2 ") and not workload.endswith("busy")]
    if len(sizes) > 1:
        yield Target(f"{sizes[-1]} over {sizes[0]}, cold", ours[sizes[-1]].cold / ours[sizes[0]].cold, 1.5, "x")
    for workload, timed in ours.items():
        if workload in _HOT:
            yield Target(f"{workload} hot", timed.hot, 1, "µs")


def _ratios(figures: Figures, workload: str, name: str) -> Iterator[Target]:
    for (of, engine), bound in _TIMES_FASTER.items():
        peer = figures.get(engine, {}).get(workload)
        if of == name and peer:
            yield Target(f"{workload} cold, {_PEERS[engine]} over ours", peer.cold / figures["ours"][workload].cold,
                         bound, "x", at_least=True)


def _upkeep(upkeep: Upkeep) -> Iterator[Target]:
    yield Target("first decision of a (plan, action), 99th percentile, W1 and W2", upkeep.first_p99_us, 300, "µs")
    yield Target("first decision of the caller with 1,000 statements", upkeep.first_worst_ms, 20, "ms")
    if upkeep.stored < 100_000:
        return
    yield Target("load and index 100,000 statements", upkeep.load_ms, 3_000, "ms")
    yield Target("memory of a statement", upkeep.bytes_per_statement, 1_024, "bytes")
    yield Target("one policy changed among 100,000 statements, visible after", upkeep.change_ms, 10, "ms")


_COLD = {"W1": 4.0, "W2": 3.0, "W3": 15.0, "W3b": 60.0}
_HOT = ("W1", "W2 100k", "W2 10k")
_PEERS = {"cedar": "cedarpy at its best", "loop": "plain loop"}
_TIMES_FASTER = {("W1", "cedar"): 40, ("W1", "loop"): 8, ("W2", "cedar"): 25, ("W3", "cedar"): 200}


def door_targets(proxies: Mapping[str, Measured], decisions: Mapping[str, Measured], bodies: Mapping[str, Measured],
                 growth: Mapping[str, int]) -> list[Target]:
    """Every target of the doors that can be judged from what was measured.

    Args:
        proxies: By door, as ``benchmarks.doors`` calls them; CPU counts the proxy and whom it asks.
        decisions: By decision point.
        bodies: By door and direction.
        growth: By door and direction, bytes.
    """
    return [*_gateway(proxies), *_decision_points(decisions), *_bodies(bodies, growth)]


#: What doors are called, here and in the tables.
GATEWAY = "iam_guard gateway"
ASKS = "asks iam_guard"
ENVOY_ASKS, NGINX_ASKS = f"Envoy, HTTP, {ASKS}", f"nginx, {ASKS}"
#: A single client that asks for another page each time.
ALWAYS_ANOTHER = ", always another page"
AUTHZEN, EXT_AUTHZ = "iam_guard AuthZEN", "iam_guard ext_authz gRPC"
CERBOS = ("Cerbos, own API over HTTP", "Cerbos, AuthZEN")
CERBOS_GRPC = "Cerbos, gRPC"
PLAIN_JSON, PLAIN_GRPC = "raw ASGI and msgspec, nothing decided", "grpc.aio, nothing decided"


def _gateway(found: Mapping[str, Measured]) -> Iterator[Target]:
    for what in ("", ALWAYS_ANOTHER):
        ours, envoy, nginx = (found.get(name + what) for name in (GATEWAY, ENVOY_ASKS, NGINX_ASKS))
        if ours and envoy:
            yield Target(f"gateway: CPU over Envoy + ext_authz HTTP{what}", ours.cpu_us / envoy.cpu_us, 0.7, "x")
        if ours and nginx:
            yield Target(f"gateway: CPU over nginx + auth_request{what}", ours.cpu_us / nginx.cpu_us, 1, "x")
    ours, nginx = found.get(GATEWAY), found.get(NGINX_ASKS)
    if ours and nginx:
        yield Target("gateway: 99th percentile over nginx + auth_request", ours.p99_ms / nginx.p99_ms, 2, "x")


def _decision_points(found: Mapping[str, Measured]) -> Iterator[Target]:
    ours, plain = found.get(AUTHZEN), found.get(PLAIN_JSON)
    theirs = [found[name].rate for name in CERBOS if name in found]
    if ours and theirs:
        yield Target("AuthZEN: rate over Cerbos over HTTP, the faster way", ours.rate / max(theirs), 3, "x",
                     at_least=True)
    if ours and plain:
        yield Target("AuthZEN: rate over raw ASGI and msgspec", ours.rate / plain.rate, 0.667, "x", at_least=True)
    ours, plain = found.get(EXT_AUTHZ), found.get(PLAIN_GRPC)
    if ours and plain:
        yield Target("ext_authz gRPC: rate over grpc.aio that decides nothing", ours.rate / plain.rate, 2, "x",
                     at_least=True)


def _bodies(found: Mapping[str, Measured], growth: Mapping[str, int]) -> Iterator[Target]:
    for way in ("down", "up"):
        ours, nginx = found.get(f"{GATEWAY}, {way}"), found.get(f"{NGINX_ASKS}, {way}")
        if ours and nginx:
            yield Target(f"10 MB {way}: rate over nginx", ours.rate / nginx.rate, 0.7, "x", at_least=True)
        if (grown := growth.get(f"{GATEWAY}, {way}")) is not None:
            yield Target(f"10 MB {way}: memory grown by less than a body", grown / 1e6, 10, "MB")
