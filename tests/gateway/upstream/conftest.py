"""What has to do with sockets runs on both event loops: asyncio's own, and the one that the gateway is run with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import uvloop


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """The loop that ``asyncio.run`` runs."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "uvloop":
            patch.setattr(asyncio, "run", uvloop.run)
        yield
