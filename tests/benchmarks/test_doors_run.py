"""The doors of the benchmark decide, every one of them, before anybody times them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from benchmarks.doors.decided import points, see_it_decide
from benchmarks.doors.guarded import Guarded, sidecar
from benchmarks.doors.proxied import application, doors
from benchmarks.doors.world import World, make_world
from benchmarks.targets import ASKS, AUTHZEN, ENVOY_ASKS, EXT_AUTHZ, GATEWAY, NGINX_ASKS, PLAIN_GRPC, PLAIN_JSON


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def guard(world: World) -> Iterator[Guarded]:
    with sidecar(world) as guard:
        yield guard


def test_decision_points_allow_one_question_and_deny_another(world: World, guard: Guarded) -> None:
    with ExitStack() as stack:
        found = points(world, guard, stack)
        assert {PLAIN_JSON, PLAIN_GRPC, AUTHZEN, EXT_AUTHZ} <= {one.name for one in found}
        for one in found:
            see_it_decide(one)


def test_doors_let_one_caller_in_and_keep_others_out(world: World, guard: Guarded) -> None:
    """Starting them compares their answers; here it is seen that none is missing."""
    with ExitStack() as stack:
        names = [door.name for door in doors(world, application(world, stack), guard, stack)]
    assert len(set(names)) == len(names)
    assert {GATEWAY, NGINX_ASKS, ENVOY_ASKS} <= set(names)
    asked = {name.removesuffix(f", {ASKS}") for name in names if name.endswith(ASKS)}
    installed = {"HAProxy"} if shutil.which("haproxy") else set()
    assert asked == {"nginx", "Caddy", "Traefik", "Envoy, HTTP", "Envoy, gRPC"} | installed
