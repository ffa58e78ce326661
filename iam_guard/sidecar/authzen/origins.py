"""Front ends of other origins ask for their users' own permissions, and nothing else (Fetch standard, section 3.3).

Whoever decides for others is a program and no page, so scripts are let in at one path alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from iam_guard.asgi.cors import CORSSettings, Fields
from iam_guard.errors import Fault
from iam_guard.http.request import HTTPRequest

_ORIGIN = re.compile(r"(https?)://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORT = {"https": "443", "http": "80"}
#: What scripts may send besides credentials, and read besides the answer.
_SENT = ("Content-Type", "If-None-Match", "X-Request-ID")
_READ = ("WWW-Authenticate", "DPoP-Nonce", "ETag", "X-Request-ID")


@dataclass(frozen=True, slots=True)
class PageOrigins(CORSSettings):
    """Origins whose scripts may ask at one path.

    Attributes:
        path: That path.
    """

    path: str = ""

    def preflight(self, request: HTTPRequest, methods: tuple[str, ...]) -> Fields | None:
        """See :class:`~iam_guard.asgi.cors.CORSSettings`; nothing is granted at other paths."""
        return CORSSettings.preflight(self, request, methods) if request.path == self.path else None

    def for_denial(self, request: HTTPRequest) -> Fields:
        """The headers that let a script read an answer, whatever it says."""
        return CORSSettings.for_denial(self, request) if request.path == self.path else ()


def page_origins(origins: tuple[str, ...], path: str, vary: bytes) -> PageOrigins | None:
    """Who may ask from a page; ``None`` when nobody may.

    Args:
        origins: Exact ones.
        path: Where they may.
        vary: Headers that hold credentials.
    """
    if not origins:
        return None
    credentials = [name.strip() for name in vary.decode("ascii").split(",") if name.strip()]
    return PageOrigins(origins, headers=(*credentials, "DPoP", *_SENT), expose=_READ, path=path)


def origin_faults(origins: Iterable[str]) -> Iterator[Fault]:
    """What is wrong with origins: each has to be written as browsers write it, since nothing else is ever equal."""
    for number, origin in enumerate(origins):
        found = _ORIGIN.fullmatch(origin)
        if found is None or found[2] == _DEFAULT_PORT[found[1]]:
            yield Fault(f"'{origin}' is not the origin of a page",
                        "write it like 'https://app.example.com', in small letters, without a usual port",
                        f"/origins/{number}")
