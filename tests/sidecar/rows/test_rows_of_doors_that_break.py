"""Rows about a guard that breaks, about callers beside each other and about counting, at every door of the sidecar."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Iterator

import grpc
import pytest
from check_requests import Told
from door_calls import DOORS, FAMILIES, call_of, known, message_of
from sidecar_doors import port_of, sidecar
from sidecar_process import Running
from threat_faults import ERRORS
from threat_rows import UPGRADE, Row
from threat_world import exchange, statuses

CHECK = "/envoy.service.auth.v3.Authorization/Check"
GOOD = Row("", "alice", b"GET /items/1", 200, b"/items/1")


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sidecar(tmp_path_factory.mktemp("broken"), faulty=True) as found:
        yield found


def ask(guard: Running, door: str, row: Row) -> list[int]:
    return statuses(exchange(port_of(guard, door), call_of(row, door)))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("door", DOORS)
def test_m12_an_evaluator_that_breaks_opens_no_door(guard: Running, door: str, error: str) -> None:
    """Rows M12.1, M12.3, M12.4 and G04.3: an error is 503, of which nginx makes 500, and never a 2xx."""
    row = Row("M12", "alice", f"GET /docs/{error}".encode(), 503)
    told = ask(guard, door, row)
    assert told == [503] if isinstance(ERRORS[error], Exception) else told in ([503], [500], [])
    assert ask(guard, door, GOOD) == [200]
    assert ask(guard, door, row._replace(lines=UPGRADE)) in (
        [503], [500], [], [403] if door in ("ingress-nginx", "apisix", "oathkeeper") else [503])


@pytest.mark.parametrize("door", DOORS)
def test_m12_5_a_claim_that_is_not_there_is_no_open_door(guard: Running, door: str) -> None:
    assert ask(guard, door, Row("M12.5", "alice", b"GET /docs/claims", 401)) in ([401], [403], [503])


@pytest.fixture(scope="module")
def channel(guard: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{port_of(guard, 'envoy-grpc')}") as opened:
        yield opened


@pytest.mark.parametrize("error", [*ERRORS, "claims"])
def test_g03_2_an_error_is_an_error_of_the_call(channel: grpc.Channel, error: str) -> None:
    check = channel.unary_unary(CHECK)
    ordinary = isinstance(ERRORS.get(error, KeyError()), Exception)
    # What is no ordinary error ends the call without a word, of which Envoy makes a closed door after its own timeout.
    call = check.future(message_of(Row("G03.2", "alice", f"GET /docs/{error}".encode(), 503)),
                        timeout=20 if ordinary else 2)
    if failed := call.exception():
        assert isinstance(failed, grpc.RpcError)
        silent = call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert call.code() is not grpc.StatusCode.OK
        assert not (ordinary and silent)
    else:
        assert (error, Told(call.result()).code in (7, 16)) == ("claims", True)
    assert Told(check(message_of(GOOD), timeout=20)).code == 0


@pytest.mark.parametrize("error", [name for name, error in ERRORS.items() if isinstance(error, Exception)])
def test_m12_a_program_gets_no_decision_from_an_evaluator_that_breaks(guard: Running, error: str) -> None:
    body = json.dumps({"subject": {"type": "user", "id": "alice"}, "action": {"name": "app:Use"},
                       "resource": {"type": "item", "id": error}}).encode()
    data = b"\r\n".join([b"POST /access/v1/evaluation HTTP/1.1", b"Host: pdp", b"Content-Type: application/json",
                         b"Content-Length: %d" % len(body), b"Connection: close", known("pep")]) + b"\r\n\r\n" + body
    received = exchange(port_of(guard, "authzen"), data)
    assert statuses(received) in ([500], [503])
    assert b"true" not in received


# --- Nobody is taken for his neighbour ---

ALONE = {("alice", b"/items/1"): 200, ("alice", b"/items/secret1"): 403, ("bob", b"/items/1"): 403,
         ("root", b"/items/secret1"): 200, ("root", b"/items/1"): 200, ("anon", b"/items/1"): 401}
NAMED = {"alice": b"arn:iamg:iam::t1:user/alice", "root": b"arn:iamg:iam::t1:user/root"}


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("door", ["nginx", "caddy", "envoy-http"])
def test_m17_1_nobody_is_taken_for_his_neighbour(guard: Running, door: str, count: int) -> None:
    chance = random.Random(17)
    asked = [chance.choice(list(ALONE)) for _ in range(count)]
    for (who, path), head in zip(asked, asyncio.run(heads_of(port_of(guard, door), door, asked)), strict=True):
        assert int(head.split(b" ", 2)[1]) == ALONE[who, path]
        told = head.lower().partition(b"\r\nx-guard-principal:")[2].split(b"\r\n", 1)[0].strip()
        assert told == (NAMED[who] if ALONE[who, path] == 200 else b"")


async def heads_of(port: int, door: str, asked: list[tuple[str, bytes]]) -> list[bytes]:
    """The heads of the answers on twenty connections at once, each kept for calls about many clients."""
    found = [b""] * len(asked)

    async def worker(start: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(start, len(asked), 20):
            who, path = asked[number]
            data = call_of(Row("", who, b"GET " + path, 200), door).replace(b"Connection: close\r\n", b"")
            writer.write(data)
            found[number] = await reader.readuntil(b"\r\n\r\n")
            length = found[number].lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length or 0))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(worker(start) for start in range(20)))
    return found


def test_m17_1_nobody_is_taken_for_his_neighbour_by_grpc(channel: grpc.Channel) -> None:
    chance = random.Random(17)
    asked = [chance.choice(list(ALONE)) for _ in range(300)]
    check = channel.unary_unary(CHECK)
    pending = [check.future(message_of(Row("", who, b"GET " + path, 200)), timeout=20) for who, path in asked]
    for (who, path), one in zip(asked, pending, strict=True):
        told = Told(one.result())
        assert (told.code, told.status) == {200: (0, 0), 403: (7, 403), 401: (16, 401)}[ALONE[who, path]]
        if told.code == 0:
            assert told.headers["x-guard-principal"].encode() == NAMED[who]


# --- Counting, and clients that are slow ---

def unmapped(guard: Running) -> float:
    asked = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + known("root") + b"\r\n\r\n"
    text = exchange(port_of(guard, "control"), asked).decode()
    return float(text.partition("\niam_guard_unmapped_total ")[2].split("\n", 1)[0])


@pytest.mark.parametrize("door", [*FAMILIES, "envoy-http"])
def test_p22_1_what_no_rule_maps_is_counted(guard: Running, door: str) -> None:
    before = unmapped(guard)
    assert ask(guard, door, Row("P22.1", "root", b"GET /forgot", 403)) == [403]
    assert unmapped(guard) == before + 1


@pytest.mark.parametrize("door", ["nginx", "envoy-http", "control"])
def test_f06_1_others_do_not_wait_for_a_slow_caller(guard: Running, door: str) -> None:
    slow = [socket.create_connection(("127.0.0.1", port_of(guard, door)), 20) for _ in range(50)]
    try:
        for one in slow:
            one.sendall(b"GET /forward-auth/nginx HT")
        assert ask(guard, "nginx", GOOD) == [200]
        assert ask(guard, "envoy-http", GOOD) == [200]
    finally:
        for one in slow:
            one.close()
