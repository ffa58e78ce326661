"""Clients that ask again and again, while something happens to whoever answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import httpx

_PATIENCE = 30.0


class Load:
    """Clients on connections that they keep, who count what is not a good answer.

    Args:
        url: What they ask for.
        headers: Of each request.
        body: Of a good answer; ``None`` for any.
        count: How many there are.

    Attributes:
        good: How many answers were good.
        bad: What was said or happened instead.
    """

    def __init__(self, url: str, headers: Mapping[str, str], body: bytes | None = None, count: int = 3) -> None:
        self._url, self._headers, self._body = url, headers, body
        self._ending = threading.Event()
        self.good = 0
        self.bad: list[str] = []
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(count)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(_PATIENCE)

    def _ask(self) -> None:
        with httpx.Client(timeout=_PATIENCE) as client:
            while not self._ending.is_set():
                try:
                    answer = client.get(self._url, headers=self._headers)
                except httpx.HTTPError as error:
                    self.bad.append(repr(error))
                    continue
                if answer.status_code == 200 and self._body in (None, answer.content):
                    self.good += 1
                else:
                    self.bad.append(f"{answer.status_code} {answer.content!r}")


def outcomes_of_a_stop(stop: Callable[[], object], url: str, headers: Mapping[str, str], *, count: int,
                       least: int) -> list[int | str]:
    """What clients with a new connection for each request are told until nobody listens any more.

    Args:
        stop: Ends whoever answers; called amid their requests.
        url: What they ask for.
        headers: Of each request.
        count: How many clients there are.
        least: Answers before the stop.

    Returns:
        Statuses, and the names of errors other than a refused connection.
    """
    outcomes: list[int | str] = []

    def ask() -> None:
        while True:
            try:
                with httpx.Client(timeout=_PATIENCE) as client:
                    outcomes.append(client.get(url, headers=headers).status_code)
            except httpx.ConnectError:
                return
            except httpx.HTTPError as error:
                outcomes.append(type(error).__name__)
                return

    asking = [threading.Thread(target=ask) for _ in range(count)]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + _PATIENCE
    while len(outcomes) < least:
        assert time.monotonic() < deadline, outcomes
        time.sleep(0.01)
    stop()
    for thread in asking:
        thread.join()
    return outcomes
