"""Health: whether the process runs, and whether it has what it needs to decide."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from iam_guard.asgi.types import ASGIApp, Receive, Scope, Send
from iam_guard.identity.revocation import RevocationFile
from iam_guard.store.refresh import PolicyRefresher

LIVE, READY = "/healthz", "/readyz"


class Readiness:
    """Says what is still missing.

    A reload that failed does not make the guard unready: it serves the last good policies, and status and metrics
    tell that they are behind.

    Args:
        refresher: Keeps the policies fresh.
        key_sources: The sources of keys, by issuer; those that fetch know until when their keys are good.
        revocations: The list that every token is looked up in; ``None`` for none.
    """

    def __init__(self, refresher: PolicyRefresher, key_sources: Mapping[str, Any],
                 revocations: RevocationFile | None = None) -> None:
        self._refresher = refresher
        self._waiting = dict(key_sources)
        self._revocations = revocations

    def missing(self) -> list[str]:
        """What is missing: ``policies``, ``keys``, ``revocations``; empty when requests can be decided."""
        self._waiting = {issuer: source for issuer, source in self._waiting.items() if not _was_fetched(source)}
        lacks = {"policies": not self._refresher.is_ready, "keys": bool(self._waiting),
                 "revocations": self._revocations is not None and not self._revocations.is_ready}
        return [name for name, is_missing in lacks.items() if is_missing]


def _was_fetched(source: Any) -> bool:
    return bool(getattr(source, "good_until", math.inf) > -math.inf)


class Health:
    """Answers probes in front of an application; anybody may ask, and learns nothing else.

    Args:
        app: Answers everything else.
        missing: What is missing; see :class:`Readiness`.
    """

    def __init__(self, app: ASGIApp, missing: Callable[[], Awaitable[Sequence[str]]]) -> None:
        self._app, self._missing = app, missing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http" or scope["path"] not in (LIVE, READY) or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        missing = await self._missing() if scope["path"] == READY else []
        await send_json(send, {"missing": missing} if missing else {}, status=503 if missing else 200)


async def send_json(send: Send, value: Any, status: int = 200) -> None:
    """Answer with JSON that nobody keeps."""
    body = msgspec.json.encode(value)
    await send({"type": "http.response.start", "status": status, "headers": [
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store")]})
    await send({"type": "http.response.body", "body": body})
