"""A gRPC server that decides nothing: ``python -m benchmarks.doors.plain_grpc PORT``."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import grpc

#: A ``CheckResponse`` whose ``status`` is there, with the code 0.
_ALLOW = b"\x0a\x00"


async def _check(request: bytes, context: Any) -> bytes:
    return _ALLOW


class _Any(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every method."""

    def service(self, handler_call_details: Any) -> Any:
        """The one handler there is, with bytes for messages."""
        return grpc.unary_unary_rpc_method_handler(_check)


async def main(port: int) -> None:
    """Serve until told to stop."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Any(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(server.stop(0)))
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
