"""What passes the gateway, in both directions, and what never does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_origin import Origin, origin
from gateway_world import Gateway, bearer, running, section


@pytest.fixture(scope="module")
def behind() -> Iterator[Origin]:
    with origin() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(behind: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("forwards"), section(behind.url)) as started:
        yield started


def test_who_may_gets_the_answer_of_the_upstream(gateway: Gateway, behind: Origin) -> None:
    reply = gateway.call("GET", "/items/1?a=%2F&b=c%20d", bearer("alice"))
    assert (reply.status, reply.body) == (200, b"body of 0\n")
    assert behind.seen[-1].target == b"/items/1?a=%2F&b=c%20d"


@pytest.mark.parametrize(("who", "target", "status"), [
    ("anon", "/items/1", 401), ("alice", "/items/secret1", 403), ("root", "/forgot", 403), ("anon", "/health", 200)])
def test_others_are_answered_by_the_guard(gateway: Gateway, behind: Origin, who: str, target: str, status: int) -> None:
    before = len(behind.seen)
    assert gateway.call("GET", target, bearer(who)).status == status
    assert len(behind.seen) - before == (1 if status == 200 else 0)
