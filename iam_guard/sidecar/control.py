"""The control plane: status, reload and metrics, for those whom the guard's own policies let in (promise S21).

It has a listener of its own. A browser is kept out twice: a page of another site has another ``Origin``, and one whose
name was made to point here calls it by that name, which is not a ``Host`` of this listener (threat G14).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol
from urllib.parse import urlsplit

from iam_guard.asgi.listening import Address
from iam_guard.asgi.types import ASGIApp, Receive, Scope, Send
from iam_guard.errors import UnavailableError
from iam_guard.http.mapper import Route
from iam_guard.sidecar.health import send_json
from iam_guard.sidecar.ledger import Told
from iam_guard.store.refresh import RefreshStatus

READ_STATUS, RELOAD, READ_METRICS = "iam-guard:ReadStatus", "iam-guard:Reload", "iam-guard:ReadMetrics"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


def control_routes(name: str, *, open_metrics: bool) -> tuple[Route, ...]:
    """What calls to the control plane need.

    Args:
        name: Of the sidecar, in its resource.
        open_metrics: Everybody who reaches the listener may read the metrics.
    """
    resource = f"iam-guard:sidecar/{name}"
    metrics = (Route("GET", "/metrics", public=True) if open_metrics else
               Route("GET", "/metrics", READ_METRICS, resource))
    return (Route("GET", "/status", READ_STATUS, resource), Route("POST", "/reload", RELOAD, resource), metrics)


class Whole(Protocol):
    """All processes of a sidecar, seen from one of them."""

    async def tell(self) -> Told:
        """How they stand.

        Raises:
            UnavailableError: nobody can be asked.
        """

    async def check_policies(self) -> Told:
        """Let each ask its store for policies, and tell how it stands after that.

        Raises:
            UnavailableError: nobody can be asked.
        """


class Control:
    """Answers those who were let in, for all processes together.

    Args:
        whole: All of them.
        metrics: Makes what answers scrapes; ``None`` where nothing is there to make it with.
        doors: Names of the doors, for the status.
    """

    def __init__(self, whole: Whole, metrics: Callable[[Told], ASGIApp] | None, doors: Iterable[str]) -> None:
        self._whole, self._metrics, self._doors = whole, metrics, sorted(doors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        path = scope["path"]
        try:
            told = await (self._whole.check_policies() if path == "/reload" else self._whole.tell())
        except UnavailableError as problem:
            await send_json(send, {"error": str(problem)}, status=503)
            return
        if path != "/metrics":
            await send_json(send, self._status(told))
        elif self._metrics is not None:
            await self._metrics(told)(scope, receive, send)
        else:
            await send_json(send, {"error": "metrics need the extra 'metrics'"}, status=404)

    def _status(self, told: Told) -> dict[str, Any]:
        settings = told.settings
        return {
            "doors": self._doors, **_of(told.policies),
            "settings": {"done": settings.done, "failed": settings.failed, "error": settings.error},
            "workers": [{"worker": one.worker, "missing": one.missing, **_of(one.policies)} for one in told.reports],
            "silent": told.silent,
        }


def _of(status: RefreshStatus) -> dict[str, Any]:
    return {"revision": status.revision, "ready": status.is_ready, "degraded": status.is_degraded,
            "error": status.error, "loaded": status.loaded, "failed": status.failed, "age_seconds": status.age,
            "behind_seconds": status.behind}


class OwnHost:
    """Lets in calls by a name of this listener, and none that a page of another site makes.

    Args:
        app: Everything behind.
        address: Of the listener.
        hosts: Further names.
    """

    def __init__(self, app: ASGIApp, address: Address, hosts: Iterable[str]) -> None:
        own = f"[{address.host}]" if ":" in address.host else address.host
        self._app, self._any = app, address.is_unix
        self._hosts = frozenset(host.lower() for host in (*_LOCAL_NAMES, own, *hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one call on, or refuse it."""
        if scope["type"] == "http" and self._is_own(scope["headers"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            await send_json(send, {"error": "not called by a name of this service"}, status=403)

    def _is_own(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        origins = [value.decode("latin-1").lower() for name, value in headers if name == b"origin"]
        sites = [value for name, value in headers if name == b"sec-fetch-site"]
        if len(hosts) != 1 or not (self._any or _name(hosts[0]) in self._hosts):
            return False
        return all(_authority(one) == hosts[0] for one in origins) and all(one in (b"same-origin", b"none")
                                                                           for one in sites)


def _name(host: str) -> str:
    """``Host`` without its port."""
    return host[:host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
