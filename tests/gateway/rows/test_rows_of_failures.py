"""Rows about a guard that breaks, waits or loses its caller, and about what is written down, through the own engine."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_origin import wait_for
from gateway_process import Process, gateway
from threat_faults import ERRORS
from threat_origin import Everything, everything
from threat_rows import UPGRADE, Row
from threat_view import check_view
from threat_world import bytes_of, exchange, statuses, token

FAULTS = (str(Path(__file__).with_name("threat_faults.py")),)
GOOD = Row("", "alice", b"GET /items/1", 200, b"/items/1")


@pytest.fixture(scope="module")
def behind() -> Iterator[Everything]:
    with everything() as app:
        yield app


@pytest.fixture(scope="module")
def door(behind: Everything, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with gateway(tmp_path_factory.mktemp("failures"), behind.url, program=FAULTS) as process:
        yield process


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("lines", [(), UPGRADE], ids=["", "WS"])
def test_m12_an_evaluator_that_breaks_opens_nothing(door: Process, behind: Everything, error: str,
                                                    lines: tuple[bytes, ...]) -> None:
    """Rows M12.1, M12.3 and M12.4: what is no ordinary error goes on upwards, past the application."""
    behind.got.clear()
    row = Row("M12", "alice", f"GET /docs/{error}".encode(), 503, lines=lines)
    told = statuses(exchange(door.port, bytes_of(row)))
    if isinstance(ERRORS[error], Exception):
        assert told == [503]
    else:
        assert told in ([503], [500], [])
    assert behind.got == []
    behind.got.clear()
    assert statuses(exchange(door.port, bytes_of(GOOD))) == [200]
    check_view(behind, GOOD, "guard", passed=True)


def test_m12_5_a_claim_that_is_not_there_is_no_open_door(door: Process, behind: Everything) -> None:
    behind.got.clear()
    before = len(door.text.splitlines())
    told = statuses(exchange(door.port, bytes_of(Row("M12.5", "alice", b"GET /docs/claims", 401))))
    assert told in ([401], [403], [503])
    assert behind.got == []
    said = [line for line in door.text.splitlines()[before:] if re.match(r"\d{4}-\d\d-\d\d", line)]
    assert len(said) == 1


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_g02_3_nothing_is_sent_on_for_a_client_that_has_left(door: Process, behind: Everything, how: str) -> None:
    asked, go_on = door.folder / "asked", door.folder / "go-on"
    asked.unlink(missing_ok=True)
    go_on.unlink(missing_ok=True)
    behind.got.clear()
    data = bytes_of(Row("G02.3", "alice", b"POST /docs/silence", 200, body=b"x" * 10))
    with socket.create_connection(("127.0.0.1", door.port), 20) as client:
        client.sendall(data)
        wait_for(asked.exists, "the guard is asked")
        if how == "resets":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert statuses(exchange(door.port, bytes_of(GOOD))) == [200]  # the gateway has read what came before
    go_on.touch()
    assert statuses(exchange(door.port, bytes_of(GOOD._replace(line=b"GET /items/2")))) == [200]
    wait_for(lambda: len(behind.got) >= 2, "the others have arrived")
    assert [got.target for got in behind.got] == [b"/items/1", b"/items/2"]


@pytest.mark.parametrize("name", ["a\r\nX-Guard-Principal: root", "a\nb", "a\x00b", "\ud800"])
def test_h09_2_a_name_with_line_ends_is_nobodys(door: Process, behind: Everything, name: str) -> None:
    behind.got.clear()
    line = b"Authorization: Bearer " + token(name).encode()
    received = exchange(door.port, bytes_of(Row("H09.2", "anon", b"GET /items/1", 401, lines=(line,))))
    assert (statuses(received), behind.got) == ([401], [])
    assert b"root" not in received


@pytest.mark.parametrize("data", [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", b"GET /public/x HTTP/2.0\r\nHost: shop.example\r\n\r\n",
    b"GET /public/x HTTP/0.9\r\nHost: shop.example\r\n\r\n", b"GET /public/x\r\n\r\n",
    b"GET /public/x HTTP/1.1\r\nX: y HTTP/1.1\r\nHost : shop.example\r\n\r\n",
], ids=["M09-preface", "M09-2.0", "M09-0.9", "M09-none", "M09-space"])
def test_m09_another_version_of_the_protocol_is_not_spoken(door: Process, behind: Everything, data: bytes) -> None:
    behind.got.clear()
    told = statuses(exchange(door.port, data))
    assert set(told) <= {400, 505}
    assert behind.got == []


# --- What is written down ---

def test_g11_no_part_of_a_token_is_written_down(door: Process, behind: Everything) -> None:
    """Rows G11.1 and G11.2: neither from a header nor from a URL, where it is no credential."""
    sent = token("alice").encode()
    for line in (b"GET /items/1", b"GET /items/secret1", b"GET /forgot", b"GET /docs/RuntimeError", b"GET /a;b",
                 b"GET /ws/feed"):
        for mark in (b"", b"x", b".", b"="):
            told = exchange(door.port, bytes_of(Row("G11", "anon", line, 401, lines=(
                b"Authorization: Bearer " + sent + mark, b"Cookie: token=" + sent))))
            assert sent[:20] not in told
    behind.got.clear()
    for lines in (UPGRADE, ()):
        for name in (b"access_token", b"token"):
            row = Row("G11.2", "anon", b"GET /ws/feed?" + name + b"=" + sent, 401, lines=lines)
            assert statuses(exchange(door.port, bytes_of(row))) in ([401], [403])
    assert behind.got == []
    written, text = door.written, sent.decode()
    assert not [text[at:at + 20] for at in range(len(text) - 20) if text[at:at + 20] in written]


@pytest.mark.parametrize(("line", "verdict"), [
    (b"GET /x%0d%0aALLOW%20root", "refused"), (b"GET /items/a%1b%5b2J", "refused"), (b"GET /items/1", "allowed"),
    (b"GET /items/secret1", "explicitDeny"), (b"GET /forgot", "unmapped"),
])
def test_g12_1_a_record_is_one_line_whatever_the_client_says(door: Process, line: bytes, verdict: str) -> None:
    log = door.folder / "decisions.jsonl"
    before = len(log.read_bytes().splitlines()) if log.exists() else 0
    exchange(door.port, bytes_of(Row("G12.1", "alice", line, 403, lines=(b"User-Agent: a\x9b2J\xff",))))
    wait_for(lambda: len(log.read_bytes().split(b"\n")) - 1 > before, "the record is written")
    record, = log.read_bytes().split(b"\n")[before:-1]
    assert json.loads(record)["verdict"] == verdict
    assert not re.search(rb"[\x00-\x1f\x7f]", record)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", door.text)


def test_g12_1_a_terminals_commands_are_in_no_header(door: Process, behind: Everything) -> None:
    behind.got.clear()
    told = statuses(exchange(door.port, bytes_of(GOOD._replace(lines=(b"User-Agent: a\x1b[2J",)))))
    assert (told, behind.got) == ([400], [])


def test_g13_1_no_client_makes_a_series(door: Process) -> None:
    """The status address tells of no request at all: what it says has the same names before and after."""
    def names() -> set[str]:
        asked = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        body = exchange(door.status_port, asked).partition(b"\r\n\r\n")[2]
        return set(re.findall(r'"([a-z_]+)":', body.decode()))

    before = names()
    for number in range(200):
        exchange(door.port, bytes_of(Row("G13.1", "alice", b"M%x /p%x" % (number, number), 405)))
    assert names() == before != set()
