"""The gRPC server of the door. It alone knows the library that speaks the wire.

Calls arrive in threads; what is decided is decided in the event loop, as for every other door.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.http.address import TrustedProxies
from iam_guard.sidecar.ext_authz import messages
from iam_guard.sidecar.ext_authz.checks import Checks
from iam_guard.sidecar.ext_authz.settings import GrpcDoor

try:
    import grpc  # type: ignore[import-untyped]
except ModuleNotFoundError as missing:
    raise ConfigurationError(Fault(f"'{missing.name}' is not installed", "pip install 'iam-guard[grpc]'")) from None

_logger = logging.getLogger("iam_guard")
#: Calls that are worked on at once; more of them wait.
_THREADS = 16
#: Largest message that is read; a client's headers are bounded, its body is not asked for by default.
_MAX_BYTES = 4 * 1024 * 1024


class GrpcServer:
    """Serves the door; a part that starts and closes with a program.

    Args:
        checks: Answers calls.
        door: Where it listens, and who may ask.

    Attributes:
        port: Where it listens on TCP, once it has started.
    """

    def __init__(self, checks: Checks, door: GrpcDoor) -> None:
        self._checks = checks
        self._door = door
        self._peers = TrustedProxies(door.peers)
        self._server: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: ThreadPoolExecutor | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not ours.
        """
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ext-authz")
        server = grpc.server(self._threads, handlers=(_Methods(self._check, self._health),),
                             options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", _MAX_BYTES)])
        try:
            self.port = server.add_insecure_port(self._door.listen)
        except RuntimeError as problem:
            self._threads.shutdown()
            raise OSError(98, "cannot listen there", self._door.listen) from problem
        server.start()
        self._server = server

    async def close(self) -> None:
        """Let the calls that have begun end, and stop."""
        if self._server is not None:
            stopped = self._server.stop(self._door.seconds)
            await asyncio.to_thread(stopped.wait)
            self._server = None
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)

    def _check(self, request: bytes, context: Any) -> bytes:
        self._refuse_strangers(context)
        loop = self._loop
        if loop is None:
            raise UnavailableError("the door is not open")
        remaining = context.time_remaining()
        seconds = self._door.seconds if remaining is None else min(self._door.seconds, remaining)
        pending = asyncio.run_coroutine_threadsafe(self._checks.check(request), loop)
        try:
            return pending.result(seconds)
        except Exception as error:
            pending.cancel()
            if not isinstance(error, UnavailableError | TimeoutError):
                _logger.exception("a call for external authorization is denied because of an error")
            context.abort(grpc.StatusCode.UNAVAILABLE, "access cannot be decided at the moment")
            raise

    def _health(self, request: bytes, context: Any) -> bytes:
        if (answer := self._checks.health(request)) is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return answer or b""

    def _refuse_strangers(self, context: Any) -> None:
        """Let in those whose word about a client counts."""
        if not self._may_ask(context.peer()):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "only trusted proxies may ask here")

    def _may_ask(self, peer: str) -> bool:
        """Whether a peer may ask, whose address is written like ``ipv4:127.0.0.1:40000`` or ``unix:``."""
        kind, _, rest = peer.partition(":")
        if kind == "unix":
            return True
        host = unquote(rest.rpartition(":")[0]).strip("[]")
        return kind in ("ipv4", "ipv6") and self._peers.judge(host)[1]


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc, unused-ignore]
    """Which method is answered by what; messages pass as bytes."""

    def __init__(self, check: Callable[[bytes, Any], bytes], health: Callable[[bytes, Any], bytes]) -> None:
        self._handlers = {messages.CHECK: grpc.unary_unary_rpc_method_handler(check),
                          messages.HEALTH_CHECK: grpc.unary_unary_rpc_method_handler(health)}

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a call; ``None`` for a method that is not here."""
        return self._handlers.get(handler_call_details.method)
