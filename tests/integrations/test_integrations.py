"""Each integration is a whole application: it is copied, given keys, and asked."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from integration_runs import ANN, BOB, INTEGRATIONS, assert_problem, give_keys


@dataclass(frozen=True)
class Example:
    """What to ask an application, by what ought to happen."""

    name: str
    item: str
    missing: str
    batch: str
    own: Any
    foreign: Any
    done: Any
    item_action: str
    batch_action: str


EXAMPLES = (
    Example("starlette", "/orders/42", "/orders/99", "/cancellations", ["42"], ["42", "77"], {"cancelled": ["42"]},
            "orders:GetOrder", "orders:CancelOrder"),
    Example("fastapi", "/documents/1", "/documents/99", "/shares", {"doc_id": "1"}, {"doc_id": "2"}, {"shared": "1"},
            "docs:GetDocument", "docs:ShareDocument"),
    Example("litestar", "/notes/1", "/notes/99", "/archive", ["1"], ["1", "2"], {"archived": ["1"]},
            "notes:GetNote", "notes:ArchiveNote"),
)


@contextmanager
def loaded(name: str, folder: Path) -> Iterator[Any]:
    """The module of an integration, in a copy that has keys."""
    place = shutil.copytree(INTEGRATIONS / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    give_keys(place)
    title = f"integration_{name}"
    spec = importlib.util.spec_from_file_location(title, place / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[title] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[title]


Ask = Callable[..., httpx.Response]


def asking(app: Any) -> Ask:
    def ask(method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, headers=headers, **more)
        return asyncio.run(once())
    return ask


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.name)
def example(request: pytest.FixtureRequest) -> Example:
    found: Example = request.param
    return found


@pytest.fixture
def ask(example: Example, tmp_path: Path) -> Iterator[Ask]:
    with loaded(example.name, tmp_path) as module:
        yield asking(module.app)


def test_what_is_public_needs_no_credentials(example: Example, ask: Ask) -> None:
    assert ask("GET", "/health").json() == {"status": "fine"}


def test_a_caller_who_is_allowed_reaches_the_handler(example: Example, ask: Ask) -> None:
    answer = ask("GET", example.item, ANN)
    assert (answer.status_code, answer.json()["owner"]) == (200, "ann")


def test_nobody_is_asked_for_credentials(example: Example, ask: Ask) -> None:
    answer = ask("GET", example.item)
    assert_problem(answer, 401, "authentication-required")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_forged_token_is_refused(example: Example, ask: Ask) -> None:
    forged = {"authorization": ANN["authorization"][:-8] + "AAAAAAAA"}
    assert_problem(ask("GET", example.item, forged), 401, "invalid-token")


def test_a_caller_without_policies_is_denied_at_the_door(example: Example, ask: Ask) -> None:
    assert_problem(ask("GET", example.item, BOB), 403, "access-denied", example.item_action)


def test_a_path_without_a_rule_is_closed(example: Example, ask: Ask) -> None:
    assert_problem(ask("GET", "/nothing/here", ANN), 403, "unmapped-route")


def test_what_does_not_exist_is_the_applications_answer(example: Example, ask: Ask) -> None:
    answer = ask("GET", example.missing, ANN)
    assert answer.status_code == 404
    assert "problem" not in answer.headers["content-type"]


def test_owners_pass_the_check_of_the_item(example: Example, ask: Ask) -> None:
    answer = ask("POST", example.batch, ANN, json=example.own)
    assert (answer.status_code, answer.json()) == (200, example.done)


def test_others_fail_the_check_of_the_item(example: Example, ask: Ask) -> None:
    assert_problem(ask("POST", example.batch, ANN, json=example.foreign), 403, "access-denied", example.batch_action)


def test_fastapi_lists_and_dependencies(tmp_path: Path) -> None:
    with loaded("fastapi", tmp_path) as module:
        ask = asking(module.app)
        assert [row["id"] for row in ask("GET", "/documents", ANN).json()] == ["1", "2"]
        assert ask("GET", "/documents/1/history", ANN).status_code == 200
        assert_problem(ask("GET", "/documents/2/history", ANN), 403, "access-denied", "docs:GetHistory")
        assert ask("GET", "/openapi.json").status_code == 200


class Serving(uvicorn.Server):
    """Tells another thread that it is ready."""

    def __init__(self, app: Any) -> None:
        super().__init__(uvicorn.Config(app, lifespan="on", ws="none", log_config=None, access_log=False))
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()


@contextmanager
def served(app: Any) -> Iterator[str]:
    server = Serving(app)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            assert server.ready.wait(30)
            assert server.started
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


def test_under_a_real_server(example: Example, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (loaded(example.name, tmp_path) as module, caplog.at_level(logging.ERROR), served(module.app) as url,
          httpx.Client(base_url=url, trust_env=False) as client):
        assert client.get("/health").status_code == 200
        assert client.get(example.item).status_code == 401
        assert client.get(example.item, headers=ANN).status_code == 200
        assert_problem(client.get(example.item, headers=BOB), 403, "access-denied", example.item_action)
        assert_problem(client.post(example.batch, headers=ANN, json=example.foreign), 403, "access-denied",
                       example.batch_action)
