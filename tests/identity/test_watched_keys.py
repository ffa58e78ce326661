"""API keys that follow a place: what is taken out stops working, and a slip locks nobody out at once."""

from __future__ import annotations

import logging
from hashlib import sha256

import pytest
from tokens import FakeClock

from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.identity.api_keys import ApiKey, ApiKeyTable
from iam_guard.identity.watched_keys import WatchedApiKeys
from iam_guard.model import Principal


class Place:
    """A place with keys, and how often it was read."""

    def __init__(self, *names: str) -> None:
        self.names, self.version, self.reads = names, 0, 0
        self.problem: Exception | None = None

    def change(self, *names: str) -> None:
        self.names, self.version = names, self.version + 1

    def stamp(self) -> int:
        return self.version

    def load(self) -> ApiKeyTable:
        self.reads += 1
        if self.problem is not None:
            raise self.problem
        return ApiKeyTable(ApiKey(f"igk_{name}", sha256(name.encode()).digest(), Principal.user(name))
                           for name in self.names)


ONE, TWO = "aaaaaaaa", "bbbbbbbb"


def test_a_key_that_is_taken_out_stops_working() -> None:
    place, clock = Place(ONE, TWO), FakeClock(0)
    keys = WatchedApiKeys(place.load, place.stamp, clock=clock)
    place.change(TWO)
    clock.now = 0.9
    assert keys.find(f"igk_{ONE}") is not None
    clock.now = 1
    assert keys.find(f"igk_{ONE}") is None
    assert keys.find(f"igk_{TWO}") is not None
    assert place.reads == 2


def test_what_does_not_change_is_not_read_again() -> None:
    place, clock = Place(ONE), FakeClock(0)
    keys = WatchedApiKeys(place.load, place.stamp, clock=clock)
    for clock.now in range(1000):
        assert keys.find(f"igk_{ONE}") is not None
    assert place.reads == 1


@pytest.mark.parametrize("problem", [ConfigurationError("a mistake"), OSError("gone")])
def test_a_slip_changes_nothing_until_it_lasts_too_long(problem: Exception, caplog: pytest.LogCaptureFixture) -> None:
    place, clock = Place(ONE), FakeClock(0)
    keys = WatchedApiKeys(place.load, place.stamp, clock=clock)
    place.change()
    place.problem = problem
    with caplog.at_level(logging.ERROR, "iam_guard"):
        for clock.now in (1, 100, 300):
            assert keys.find(f"igk_{ONE}") is not None
        clock.now = 300.1
        with pytest.raises(UnavailableError):
            keys.find(f"igk_{ONE}")
    assert "kept for now" in caplog.text
    place.problem = None
    clock.now = 302
    assert keys.find(f"igk_{ONE}") is None


def test_a_mistake_stops_the_start() -> None:
    place = Place(ONE)
    place.problem = ConfigurationError("a mistake")
    with pytest.raises(ConfigurationError):
        WatchedApiKeys(place.load, place.stamp)
