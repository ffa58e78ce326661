"""A head that comes again is not read again; what may have changed since is looked at each time."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

from gateway_origin import SECONDS, Origin, wait_for
from gateway_world import ITEMS, Gateway, running, section, token


class Kept:
    """A connection that is kept."""

    def __init__(self, gateway: Gateway, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), SECONDS, (source, 0))

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, sent: bytes) -> tuple[int, bytes]:
        """Send bytes; the status and the body of the next answer."""
        self.socket.sendall(sent)
        return self.answer()

    def answer(self) -> tuple[int, bytes]:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            received = self.socket.recv(1)
            assert received, head
            head += received
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = b""
        while len(body) < length:
            body += self.socket.recv(length - len(body))
        return int(head.split(b" ")[1]), body


def head(who: str, target: str = "/items/1", sent: str = "", method: str = "GET", *lines: str) -> bytes:
    """Always the same bytes for the same token."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: shop.example",
                        f"Authorization: Bearer {sent or token(who)}", *lines, "", ""]).encode()


def allow(gateway: Gateway, who: str, *actions: str, **more: Any) -> None:
    """Give somebody a policy of his own."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": f"{ITEMS}item/*", **more}
    aside = gateway.folder / "aside.json"
    aside.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    aside.replace(gateway.folder / f"iam/users/{who}.json")


def test_each_is_decided_and_recorded_for_itself(gateway: Gateway, behind: Origin) -> None:
    behind.seen.clear()
    sent = head("alice", "/items/7?a=1")
    with Kept(gateway) as kept:
        assert [kept.ask(sent) for _ in range(5)] == [(200, b"body of 0\n")] * 5
    assert [seen.target for seen in behind.seen] == [b"/items/7?a=1"] * 5
    ids = [seen.values("x-guard-decision-id") for seen in behind.seen]
    assert all(len(values) == 1 and values[0] for values in ids)
    assert len({values[0] for values in ids}) == 5
    wait_for(lambda: {values[0] for values in ids} <= {record["id"] for record in gateway.decisions()},
             "all decisions are recorded")
    first, *others = [[field for field in seen.headers if field[0] != b"x-guard-decision-id"] for seen in behind.seen]
    assert others == [first] * 4


def test_a_policy_that_is_taken_away_counts_for_the_next_request(gateway: Gateway) -> None:
    allow(gateway, "temp", "app:GetItem")
    sent = head("temp")
    with Kept(gateway) as kept:
        wait_for(lambda: kept.ask(sent)[0] == 200, "the policy is known")
        assert kept.ask(sent)[0] == 200
        allow(gateway, "temp", "app:ListItems")
        wait_for(lambda: kept.ask(sent)[0] == 403, "the policy is gone")
        assert [kept.ask(sent)[0] for _ in range(3)] == [403] * 3


def test_a_token_counts_until_it_expires_and_no_longer(gateway: Gateway) -> None:
    expires = int(time.time()) + 4
    sent = head("", sent=token("alice", lifetime=expires - time.time()))
    with Kept(gateway) as kept:
        assert kept.ask(sent)[0] == 200
        answers = []
        while not answers or answers[-1][0] == 200:
            before = time.time()
            answers.append((kept.ask(sent)[0], before))
        assert answers[-1][0] == 401
        assert not [at for status, at in answers if status == 200 and at > expires + 0.1]
    assert len(answers) > 3


def test_the_same_head_from_another_address_is_another_request(gateway: Gateway) -> None:
    allow(gateway, "near", "app:GetItem", Condition={"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}})
    sent = head("near")
    with Kept(gateway) as near, Kept(gateway, "127.0.0.2") as far:
        wait_for(lambda: near.ask(sent)[0] == 200, "the policy is known")
        assert [(near.ask(sent)[0], far.ask(sent)[0]) for _ in range(3)] == [(200, 403)] * 3


def test_heads_that_differ_in_one_byte_are_told_apart(gateway: Gateway, behind: Origin) -> None:
    sent = token("alice")
    with Kept(gateway) as kept:
        for _ in range(3):
            assert kept.ask(head("", "/items/1", sent))[0] == 200
            assert kept.ask(head("", "/items/secret", sent))[0] == 403
            assert kept.ask(head("", "/items/2", sent))[0] == 200
            assert kept.ask(head("", "/items/1", sent[:-1] + ("A" if sent[-1] != "A" else "B")))[0] == 401
            assert kept.ask(head("", "/items/1", sent, "DELETE"))[0] == 403
    assert {seen.target for seen in behind.seen[-6:]} == {b"/items/1", b"/items/2"}


def test_the_end_of_a_body_is_no_beginning_of_a_head(gateway: Gateway, behind: Origin) -> None:
    """Bytes that were a body's end and a request to somebody are another request where they stand alone."""
    sent = token("alice")
    tail = b"GET /items/secret HTTP/1.1\r\nX: " + head("", "/items/1", sent)
    outer = b"POST /admin HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n" % tail.index(b"GET /items/1")
    for _ in range(2):
        with Kept(gateway) as kept:
            assert kept.ask(outer)[0] == 401  # answered before its body has come
            assert kept.ask(tail) == (200, b"body of 0\n")
    behind.seen.clear()
    with Kept(gateway) as alone:
        assert alone.ask(tail)[0] in (400, 403)
    assert behind.seen == []


def test_a_head_that_comes_in_pieces_or_with_a_body_is_read_like_any_other(gateway: Gateway, behind: Origin) -> None:
    sent = head("root", "/items/1", token("root"), "PUT", "Content-Length: 3")
    with Kept(gateway) as kept:
        for body in (b"abc", b"xyz"):
            assert kept.ask(sent + body) == (200, b"body of 3\n")
        for body in (b"abc", b"xyz"):
            kept.socket.sendall(sent[:40])
            kept.socket.sendall(sent[40:])
            assert kept.ask(body) == (200, b"body of 3\n")
    assert [(seen.method, seen.body) for seen in behind.seen[-4:]] == [("PUT", 3)] * 4


def test_the_last_answer_of_a_connection_ends_it(gateway: Gateway) -> None:
    sent = head("alice", "/items/1", token("alice"), "GET", "Connection: close")
    for _ in range(3):
        with Kept(gateway) as kept:
            assert kept.ask(sent)[0] == 200
            assert kept.socket.recv(1) == b""


def test_new_settings_count_for_the_next_request(tmp_path: Path, behind: Origin) -> None:
    with running(tmp_path, section(behind.url)) as gateway, Kept(gateway) as kept:
        sent = head("alice", "/items/1", token("alice"))
        assert [kept.ask(sent)[0] for _ in range(3)] == [200] * 3
        routes = gateway.folder / "routes.yaml"
        routes.write_text(routes.read_text().replace("GET /items/{id}: {action: app:GetItem",
                                                     "GET /items/{id}: {action: app:ReadItem"))
        wait_for(lambda: kept.ask(sent)[0] == 403, "the new route map counts")
