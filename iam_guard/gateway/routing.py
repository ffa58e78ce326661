"""Which upstream a request goes to: by rules that were written down, never by what the request says (threat G01)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from iam_guard.gateway.settings import RouteRule

T = TypeVar("T")


class NoUpstreamError(Exception):
    """No rule stands for the request.

    Attributes:
        status: 421 when the host is not served here at all (RFC 9110 section 15.5.20), 404 when the path is not.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Routing(Generic[T]):
    """Finds what stands for a host and a path.

    Args:
        rules: Each with what it leads to.
    """

    def __init__(self, rules: Iterable[tuple[RouteRule, T]]) -> None:
        self._hosts: dict[str, dict[tuple[str, ...], T]] = {}
        for rule, target in rules:
            self._hosts.setdefault(rule.host, {})[_segments(rule.path)] = target
        # The longest first: a path is compared with as many segments as some rule has.
        self._lengths = {host: sorted({len(path) for path in paths}, reverse=True)
                         for host, paths in self._hosts.items()}
        every = self._hosts.get("")
        self._only = every.get(()) if every and len(self._hosts) == 1 and len(every) == 1 else None

    def find(self, host: str, path: str) -> T:
        """What stands for a request.

        Args:
            host: In its one spelling, as the guard checked it; a port does not count.
            path: Decoded, as the guard decided about it.

        Raises:
            NoUpstreamError: nothing does.
        """
        if self._only is not None:
            return self._only
        name = _without_port(host)
        known = name if name in self._hosts else ""
        paths = self._hosts.get(known)
        if paths is None:
            raise NoUpstreamError(421)
        segments = _segments(path)
        for length in self._lengths[known]:
            if (found := paths.get(segments[:length])) is not None and len(segments) >= length:
                return found
        raise NoUpstreamError(404)


def _segments(path: str) -> tuple[str, ...]:
    trimmed = path.strip("/")
    return tuple(trimmed.split("/")) if trimmed else ()


def _without_port(host: str) -> str:
    if host.endswith("]"):
        return host
    name, colon, _ = host.rpartition(":")
    return name if colon else host
