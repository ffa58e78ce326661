"""What the tests of the token service share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from world import World

from iam_guard.model import Principal
from iam_guard.sts.grant import Grant


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def enter(world: World) -> Callable[[Grant], Principal]:
    """Whom the guard takes the bearer of a session for."""
    return lambda grant: asyncio.run(world.enter(grant))
