"""A gateway is ready when there is somebody who listens to clients, too."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from iam_guard.gateway.patience import ConnectionRules
from iam_guard.gateway.status import StatusApp


@pytest.mark.parametrize("listens", [True, False])
@pytest.mark.parametrize("has_policies", [True, False])
@pytest.mark.parametrize("stops", [True, False])
def test_ready_means_all_of_it(listens: bool, has_policies: bool, stops: bool) -> None:
    loaded = SimpleNamespace(is_ready=lambda: has_policies, metrics=None)
    gateway: Any = SimpleNamespace(generation=SimpleNamespace(loaded=loaded),
                                   status=SimpleNamespace(done=0, failed=0, error=""))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask() -> None:
        app = StatusApp(gateway, ConnectionRules(1, 1, 0, ending=stops), None, lambda: listens)
        await app({"type": "http", "method": "GET", "path": "/readyz"}, lambda: None, send)  # type: ignore[arg-type]

    asyncio.run(ask())
    ready = listens and has_policies and not stops
    assert (sent[0]["status"], json.loads(sent[1]["body"])["ready"]) == (200 if ready else 503, ready)
