"""Rows about what a sidecar writes down, counts and lets be guessed, whatever door it was asked at."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest
from door_calls import FAMILIES, call_of, known
from sidecar_doors import port_of, sidecar
from sidecar_process import Running
from test_rows_of_calls import ITEM, ask, question
from threat_rows import Row
from threat_world import exchange, statuses, token


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sidecar(tmp_path_factory.mktemp("records")) as found:
        yield found


def test_g12_1_a_record_is_one_line_whatever_the_client_says(guard: Running) -> None:
    log = guard.folder / "decisions.jsonl"
    before = len(log.read_bytes().splitlines()) if log.exists() else 0
    asked = {b"GET /x%0d%0aALLOW%20root": "refused", b"GET /items/x%1b%5b2J": "refused", b"GET /items/1": "allowed"}
    for line in asked:
        ask(guard, "nginx", call_of(Row("", "alice", line, 403, lines=(b"User-Agent: a\x9b2J",)), "nginx"))
    # The byte that terminals take for a command is in no header that a parser takes.
    assert ask(guard, "nginx", call_of(ITEM._replace(lines=(b"User-Agent: a\x1b[2J",)), "nginx")) == [400]
    written = log.read_bytes()
    lines = written.split(b"\n")[before:-1]
    assert [json.loads(line)["verdict"] for line in lines] == list(asked.values())
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", written)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", guard.text)


def test_g11_1_no_part_of_a_token_is_written_down(guard: Running) -> None:
    sent = token("alice")
    for end in ("", "x", "."):
        for door in (*FAMILIES, "envoy-http"):
            lines = [f"Authorization: Bearer {sent}{end}".encode(), f"Cookie: token={sent}".encode()]
            asked = Row("", "anon", f"GET /items/1?access_token={sent}".encode(), 401)
            ask(guard, door, call_of(asked, door, lines))
    ask(guard, "authzen", question(f"Authorization: Bearer {sent}".encode()))
    ask(guard, "control", b"GET /status?token=%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                          b"Authorization: Bearer %b\r\n\r\n" % (sent.encode(), sent.encode()))
    written = guard.text + (guard.folder / "decisions.jsonl").read_text()
    assert not [sent[at:at + 20] for at in range(len(sent) - 20) if sent[at:at + 20] in written]


def test_g16_2_what_is_denied_and_what_does_not_exist_look_alike(guard: Running) -> None:
    for door in (*FAMILIES, "envoy-http"):
        first, second = (exchange(port_of(guard, door), call_of(Row("", "alice", line, 403), door))
                         for line in (b"GET /items/secret1", b"GET /items/secret-"))
        assert statuses(first) == statuses(second) == [403]
        assert len(first) == len(second)
        assert _lines_without_ids(first) == _lines_without_ids(second)


def _lines_without_ids(answer: bytes) -> list[bytes]:
    lines = [line for line in answer.splitlines() if not line.lower().startswith(b"date")]
    return [re.sub(rb"[0-9a-f]{16,}", b"", line) for line in lines]


def series(guard: Running) -> set[str]:
    """Every series that is told, without its number."""
    asked = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + known("root") + b"\r\n\r\n"
    received = exchange(port_of(guard, "control"), asked).decode()
    assert received.startswith("HTTP/1.1 200")
    return {line.rpartition(" ")[0] for line in received.splitlines() if line.startswith("iam_guard")}


def ask_much(guard: Running, count: int) -> None:
    """Calls on one connection, each with a method and a path of its own."""
    with socket.create_connection(("127.0.0.1", port_of(guard, "forward")), 20) as connection, connection.makefile(
            "rb") as reader:
        for number in range(count):
            line = b"M%x /p%x/%x" % (number, number * 7, number)
            data = call_of(Row("", "anon", line, 403), "nginx").replace(b"Connection: close\r\n", b"")
            connection.sendall(data)
            length = 0
            while (told := reader.readline()) != b"\r\n":
                assert told
                if told.lower().startswith(b"content-length:"):
                    length = int(told.partition(b":")[2])
            reader.read(length)


@pytest.mark.parametrize("count", [300, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_g13_1_no_client_makes_a_series(guard: Running, count: int) -> None:
    ask_much(guard, 10)
    before = series(guard)
    assert before
    ask_much(guard, count)
    assert series(guard) == before
