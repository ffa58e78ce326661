"""The Django project as its page says to run it: uvicorn in a process of its own, asked over the network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import httpx
import pytest
from integration_runs import ANN, BOB, INTEGRATIONS, assert_problem, give_keys, serving

pytest.importorskip("django", reason="Django is not installed: pip install django")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = shutil.copytree(INTEGRATIONS / "django", tmp_path_factory.mktemp("django") / "project",
                             ignore=shutil.ignore_patterns("__pycache__"))
    give_keys(folder)
    with serving("asgi:application", folder) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def test_what_is_public_needs_no_credentials(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "fine"}


def test_an_asynchronous_view_knows_its_caller(client: httpx.Client) -> None:
    answer = client.get("/invoices/1", headers=ANN)
    assert (answer.status_code, answer.json()["owner"]) == (200, "ann")
    assert answer.json()["asked_by"].endswith(":user/ann")


def test_nobody_is_asked_for_credentials(client: httpx.Client) -> None:
    answer = client.get("/invoices/1")
    assert_problem(answer, 401, "authentication-required")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_caller_without_policies_is_denied_at_the_door(client: httpx.Client) -> None:
    assert_problem(client.get("/invoices/1", headers=BOB), 403, "access-denied", "invoices:GetInvoice")


def test_a_path_that_only_django_knows_is_closed(client: httpx.Client) -> None:
    assert_problem(client.get("/invoices/1/", headers=ANN), 403, "unmapped-route")


def test_what_does_not_exist_is_djangos_answer(client: httpx.Client) -> None:
    answer = client.get("/invoices/99", headers=ANN)
    assert answer.status_code == 404
    assert "problem" not in answer.headers["content-type"]


def test_an_ordinary_view_asks_about_each_item(client: httpx.Client) -> None:
    paid = client.post("/payments", headers=ANN, json=["1"])
    assert (paid.status_code, paid.json()) == (200, {"paid": ["1"]})
    refused = client.post("/payments", headers=ANN, json=["1", "2"])
    assert_problem(refused, 403, "access-denied", "invoices:PayInvoice")
    assert refused.headers["cache-control"] == "no-store"
