"""The benchmark of doors counts what it says, refuses wrong answers, and judges by the targets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.doors.load import LoadError, Measured, Work, _read, in_the_middle, measure
from benchmarks.doors.peers import cerbos_grpc, ext_authz
from benchmarks.doors.processes import Program, StartError, free_port, listens, program
from benchmarks.doors.proxied import Door, hold_up
from benchmarks.doors.world import PAGE, make_world
from benchmarks.targets import (
    AUTHZEN,
    CERBOS,
    ENVOY_ASKS,
    EXT_AUTHZ,
    GATEWAY,
    NGINX_ASKS,
    PLAIN_GRPC,
    PLAIN_JSON,
    door_targets,
)

SAID = """
finished in 500.00ms, 8.00 req/s, 1.00KB/s
requests: 4 total, 4 started, 4 done, 4 succeeded, 0 failed, 0 errored, 0 timeout
traffic: 5.00KB (5000) total, 500B (500) headers (space savings 0.00%), 4.00KB (4096) data
"""
WORK = Work("http://localhost/")


def line(status: int, microseconds: int) -> str:
    return f"1795622674548035\t{status}\t{microseconds}"


def test_figures_are_read_from_what_the_client_says() -> None:
    log = "\n".join(line(200, spent) for spent in (1_000, 4_000, 3_000, 2_000))
    found = _read(WORK, 4, SAID, log)
    assert (found.rate, found.p50_ms, found.p99_ms, found.data) == (8, 3, 4, 1024)


@pytest.mark.parametrize("log", [
    "\n".join([line(200, 1)] * 3 + [line(403, 1)]), "\n".join([line(200, 1)] * 3 + [line(-1, 1)]),
    "\n".join([line(200, 1)] * 3)])
def test_a_run_with_another_answer_or_too_few_counts_for_nothing(log: str) -> None:
    with pytest.raises(LoadError):
        _read(WORK, 4, SAID, log)


def test_the_middle_of_rounds_is_taken_figure_by_figure() -> None:
    rounds = [Measured(1, 30, 2, 9, 0), Measured(3, 10, 1, 8, 0), Measured(2, 20, 3, 7, 0)]
    assert in_the_middle(rounds) == Measured(2, 20, 2, 8, 0)


def test_processor_time_of_what_a_program_starts_is_its_own(tmp_path: Path) -> None:
    """The program does nothing but wait for a child that works for a second."""
    work = "import time; end = time.process_time() + 1\nwhile time.process_time() < end: pass"
    with program("parent", ["/bin/sh", "-c", f'"$0" -c "$1"; exec sleep 60 # {tmp_path}', sys.executable, work],
                 tmp_path, lambda: True) as parent:
        child = Program("all", parent.pid)
        while child.cpu_seconds() < 0.9:
            os.sched_yield()
        assert child.peak_bytes() > 1_000_000


def test_a_program_that_ends_is_told_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no such luck"), \
            program("liar", ["/bin/sh", "-c", "echo no such luck; exit 3"], tmp_path, listens(free_port())):
        pass


class _Careless(BaseHTTPRequestHandler):
    """A door that asks nobody."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(PAGE))
        self.end_headers()
        self.wfile.write(b"a" * PAGE)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def careless() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Careless) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_door_that_lets_everybody_in_is_not_timed(careless: int, tmp_path: Path) -> None:
    world = make_world(tmp_path)
    hold_up(Door("alone", careless, [], asks=False), world)
    with pytest.raises(LoadError, match="answers 200 to nobody in particular"):
        hold_up(Door("careless", careless, []), world)


@pytest.mark.skipif(shutil.which("h2load") is None, reason="h2load is not installed: apt-get install nghttp2-client")
def test_a_door_is_timed(careless: int) -> None:
    found = measure(Work(f"http://127.0.0.1:{careless}/", connections=2), [Program("self", os.getpid())], 0.01,
                    least=20)
    assert found.data == PAGE
    assert found.rate > 0
    assert found.cpu_us > 0
    assert 0 < found.p50_ms <= found.p99_ms


def decoded(message: bytes) -> str:
    """What ``protoc --decode_raw`` would tell: fields by number, nested ones in braces where they can be read."""
    from google.protobuf.empty_pb2 import Empty
    from google.protobuf.unknown_fields import UnknownFieldSet

    def told(data: bytes) -> str:
        fields = UnknownFieldSet(Empty.FromString(data))
        return " ".join(f"{one.field_number}:{value(one)}" for one in fields)

    def value(one: object) -> str:
        data = one.data  # type: ignore[attr-defined]
        return str(data) if isinstance(data, int) else repr(data.decode("utf-8", "replace"))

    return told(message)


def test_messages_that_are_sent_over_grpc_are_what_the_protocols_say() -> None:
    """Field numbers of Envoy's attribute_context.proto and of Cerbos' request.proto."""
    asked = ext_authz(1, {"authorization": "Bearer x"}).body
    assert asked[0] == 0
    assert int.from_bytes(asked[1:5], "big") == len(asked) - 5
    check = inside(asked[5:], 1)          # CheckRequest.attributes
    http = inside(inside(check, 4), 2)    # AttributeContext.request.http
    assert decoded(http).startswith("1:'1' 2:'GET' 4:'/documents/1' 5:'docs.example' 6:'http' 10:'HTTP/1.1' 3:")
    address = inside(inside(inside(check, 1), 1), 1)  # source.address.socket_address
    assert decoded(address) == "2:'127.0.0.1' 3:40000"
    question = cerbos_grpc(1).body[5:]
    assert decoded(inside(inside(question, 4), 2)) == "1:'document' 3:'1'"


def inside(message: bytes, number: int) -> bytes:
    """The first field of that number, as bytes."""
    from google.protobuf.empty_pb2 import Empty
    from google.protobuf.unknown_fields import UnknownFieldSet

    found: bytes = next(one.data for one in UnknownFieldSet(Empty.FromString(message)) if one.field_number == number)
    return found


def one(rate: float = 1, cpu: float = 1, p99: float = 1) -> Measured:
    return Measured(rate, cpu, 1, p99, 0)


@pytest.mark.parametrize(("ours", "missed"), [
    (one(cpu=69, p99=19), []), (one(cpu=71, p99=19), ["Envoy"]), (one(cpu=101, p99=19), ["Envoy", "nginx"]),
    (one(cpu=60, p99=21), ["99th"])])
def test_what_the_gateway_has_to_hold(ours: Measured, missed: list[str]) -> None:
    judged = door_targets({GATEWAY: ours, ENVOY_ASKS: one(cpu=100), NGINX_ASKS: one(cpu=100, p99=10)}, {}, {}, {})
    assert len(judged) == 3
    failed = [target.what for target in judged if not target.met]
    assert len(failed) == len(missed)
    assert all(any(word in what for what in failed) for word in missed)


@pytest.mark.parametrize(("authzen", "grpc", "met"), [
    (30_000, 8_000, [True, True, True]), (29_000, 8_000, [False, True, True]), (19_000, 7_000, [False, False, True]),
    (30_000, 6_999, [True, True, False])])
def test_what_decision_points_have_to_hold(authzen: float, grpc: float, met: list[bool]) -> None:
    others = {CERBOS[0]: one(5_000), CERBOS[1]: one(10_000), PLAIN_JSON: one(30_000), PLAIN_GRPC: one(3_500)}
    judged = door_targets({}, {AUTHZEN: one(authzen), EXT_AUTHZ: one(grpc), **others}, {}, {})
    assert [target.met for target in judged] == met


def test_what_large_bodies_have_to_hold() -> None:
    bodies = {f"{GATEWAY}, down": one(70), f"{NGINX_ASKS}, down": one(100),
              f"{GATEWAY}, up": one(69), f"{NGINX_ASKS}, up": one(100)}
    judged = door_targets({}, {}, bodies, {f"{GATEWAY}, down": 40_000_000, f"{GATEWAY}, up": 1_000_000})
    assert [target.met for target in judged] == [True, False, False, True]


def test_the_page_says_how_it_is_run() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks.doors", "--help"], check=True, text=True,
                          stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert "--quick" in done.stdout
