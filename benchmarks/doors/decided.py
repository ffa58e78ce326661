"""Questions to decision points: the guard, Cerbos, and servers that decide nothing."""

from __future__ import annotations

import http.client
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import grpc

from benchmarks.doors.guarded import Guarded
from benchmarks.doors.load import LoadError, Measured, Work, in_the_middle, measure
from benchmarks.doors.peers import ACTION, authzen, cerbos, cerbos_grpc, cerbos_http, ext_authz, grpc_aio, uvicorn
from benchmarks.doors.processes import Program
from benchmarks.doors.world import World
from benchmarks.targets import AUTHZEN, CERBOS, CERBOS_GRPC, EXT_AUTHZ, PLAIN_GRPC, PLAIN_JSON


class Point(NamedTuple):
    """A decision point, up and running.

    Attributes:
        name: For the tables.
        program: Whose processor time it costs.
        work: A question that it allows.
        denied: One that it denies; nothing for those that decide nothing.
    """

    name: str
    program: Program
    work: Work
    denied: Work | None = None


def decisions(world: World, guard: Guarded, seconds: float, rounds: int,
              tell: Callable[[str], None]) -> dict[str, Measured]:
    """Ask everybody in turns."""
    found = defaultdict(list)
    with ExitStack() as stack:
        asked = points(world, guard, stack)
        for point in asked:
            see_it_decide(point)
        for turn in range(rounds):
            for point in asked:
                tell(f"{point.name}, round {turn + 1} of {rounds}")
                found[point.name].append(measure(point.work, [point.program], seconds))
    return {name: in_the_middle(one) for name, one in found.items()}


def points(world: World, guard: Guarded, stack: ExitStack) -> Sequence[Point]:
    """Start everybody; Cerbos only where it is installed."""
    plain, port = stack.enter_context(uvicorn("benchmarks.doors.plain_apps:decide_nothing", world.folder))
    bare, bare_port = stack.enter_context(grpc_aio(world.folder))
    found = [Point(PLAIN_JSON, plain, authzen(port, "user")),
             Point(PLAIN_GRPC, bare, ext_authz(bare_port, world.allowed))]
    if guard.authzen:
        found.append(Point(AUTHZEN, guard.program, authzen(guard.authzen, "user", headers=world.allowed),
                           authzen(guard.authzen, "user", document="secret/1", headers=world.allowed)))
    if guard.grpc:
        found.append(Point(EXT_AUTHZ, guard.program, ext_authz(guard.grpc, world.allowed),
                           ext_authz(guard.grpc, world.denied)))
    if (theirs := stack.enter_context(cerbos(world.folder))) is not None:
        program, http_port, grpc_port = theirs
        found += [Point(CERBOS[0], program, cerbos_http(http_port), cerbos_http(http_port, "secret/1")),
                  Point(CERBOS[1], program, authzen(http_port, "reader"),
                        authzen(http_port, "reader", document="secret/1")),
                  Point(CERBOS_GRPC, program, cerbos_grpc(grpc_port), cerbos_grpc(grpc_port, "secret/1"))]
    return found


def see_it_decide(point: Point) -> None:
    """Compare the answers to a question that is allowed and to one that is denied.

    Raises:
        LoadError: there is no difference, so nothing was decided.
    """
    if point.denied is None:
        return
    allowed, denied = (_verdict(work) for work in (point.work, point.denied))
    if not allowed or denied:
        raise LoadError(f"{point.name} allows what is denied, or denies what is allowed")


def _verdict(work: Work) -> bool:
    address, _, path = work.url.removeprefix("http://").partition("/")
    if work.http2:
        return _grpc_verdict(address, "/" + path, work.body[5:])
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("POST", "/" + path, work.body, dict(work.headers))
        answer = connection.getresponse()
        said = answer.read().replace(b" ", b"")
    finally:
        connection.close()
    if answer.status != 200:
        raise LoadError(f"{work.url} answers {answer.status}: {said[:500]!r}")
    return b'"decision":true' in said or b"EFFECT_ALLOW" in said


def _grpc_verdict(address: str, method: str, message: bytes) -> bool:
    """Whether a check answers with the code 0, or Cerbos with the effect 1."""
    with grpc.insecure_channel(address) as channel:
        said: bytes = channel.unary_unary(method)(message, timeout=30)
    if "cerbos" in method:
        return b"\x0a%c%s\x10\x01" % (len(ACTION), ACTION.encode()) in said
    # field 1 is the status; its field 1, the code, is left out when it is 0
    return said[:1] == b"\x0a" and (said[1] == 0 or said[2] != 0x08)
