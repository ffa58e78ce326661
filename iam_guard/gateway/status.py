"""What operators and upstreams may know, at an address of its own: health, readiness, figures, keys of assertions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from iam_guard.asgi.types import Receive, Scope, Send
from iam_guard.errors import UnavailableError
from iam_guard.gateway.patience import ConnectionRules
from iam_guard.gateway.reload import Counted, Reloading

#: Seconds for which a key set may be kept.
KEYS_MAX_AGE = 300
_PLAIN, _JSON = b"text/plain; charset=utf-8", b"application/json"


class StatusApp:
    """Tells how the gateway is.

    Args:
        gateway: Which.
        rules: Of its connections; they say when it is about to stop.
        tally: What all its processes have counted; ``None`` for no figures.
        is_up: Whether there is somebody who listens to clients.
    """

    def __init__(self, gateway: Reloading, rules: ConnectionRules, tally: Counted | None = None,
                 is_up: Callable[[], bool] = lambda: True) -> None:
        self._gateway = gateway
        self._rules = rules
        self._tally = tally
        self._is_up = is_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        metrics = self._gateway.generation.loaded.metrics
        tally = self._tally
        if scope["path"] == "/metrics" and scope["method"] in ("GET", "HEAD") and metrics and tally is not None:
            await metrics(tally)(scope, receive, send)
            return
        status, kind, body = self._answer(scope["method"], scope["path"])
        lasting = status == 200 and scope["path"] == "/jwks.json"
        caching = b"public, max-age=%d" % KEYS_MAX_AGE if lasting else b"no-store"
        await send({"type": "http.response.start", "status": status, "headers": [
            (b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", caching)]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, method: str, path: str) -> tuple[int, bytes, bytes]:
        if method not in ("GET", "HEAD"):
            return 405, _PLAIN, b"method not allowed\n"
        match path:
            case "/healthz":
                return 200, _PLAIN, b"ok\n"
            case "/readyz":
                return self._readiness()
            case "/jwks.json":
                return self._keys()
            case "/metrics" if self._tally is not None:
                return 404, _PLAIN, b"metrics need the extra 'metrics'\n"
        return 404, _PLAIN, b"not found\n"

    def _readiness(self) -> tuple[int, bytes, bytes]:
        loaded = self._gateway.generation.loaded
        ready = self._is_up() and loaded.is_ready() and not self._rules.ending
        reloads = self._gateway.status
        told: dict[str, Any] = {"ready": ready, "stopping": self._rules.ending,
                                "reloads": {"done": reloads.done, "failed": reloads.failed,
                                            "settings": "refused" if reloads.error else "current"}}
        return 200 if ready else 503, _JSON, json.dumps(told).encode()

    def _keys(self) -> tuple[int, bytes, bytes]:
        jwks = self._gateway.generation.loaded.jwks
        if jwks is None:
            return 404, _PLAIN, b"not found\n"
        try:
            return 200, _JSON, jwks()
        except UnavailableError:
            return 503, _PLAIN, b"unavailable\n"
