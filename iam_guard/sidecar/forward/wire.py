"""How the answer goes back to the proxy.

A proxy that repeats its client's upgrade makes a WebSocket handshake of its call. The verdict is then a plain HTTP
answer to the handshake, 200 included (ASGI extension "Websocket Denial Response"); the proxy goes on with the real
upgrade by itself.
"""

from __future__ import annotations

import msgspec

from iam_guard.asgi.denying import POLICY_VIOLATION
from iam_guard.asgi.types import Scope, Send
from iam_guard.sidecar.answer import Answer
from iam_guard.sidecar.original import Fields

#: The problem document of a denial, for a proxy that shows none of the guard's body unless it is told to.
PROBLEM_HEADER = b"x-guard-problem"
_PROBLEM = (b"content-type", b"application/problem+json")
_DENIAL_RESPONSE = "websocket.http.response"


def with_problem(answer: Answer) -> Answer:
    """*answer*, with its problem document in a header too: it is one line of ASCII."""
    if answer.allowed or not answer.body or _PROBLEM not in answer.headers or not _is_line(answer.body):
        return answer
    return msgspec.structs.replace(answer, headers=(*answer.headers, (PROBLEM_HEADER, answer.body)))


def _is_line(body: bytes) -> bool:
    return body.isascii() and body.decode("ascii").isprintable()


async def send_answer(answer: Answer, scope: Scope, send: Send) -> None:
    """Send it; to ``HEAD`` without a body.

    Args:
        answer: What is said.
        scope: The call.
        send: The server's.
    """
    if scope["type"] == "http":
        await _send("http.response", answer, scope["method"] == "HEAD", send)
    elif _DENIAL_RESPONSE in (scope.get("extensions") or ()):
        await _send(_DENIAL_RESPONSE, answer, False, send)
    else:
        # This server can only deny here: an open door would need a status of 200.
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "access denied"})


async def _send(kind: str, answer: Answer, without_body: bool, send: Send) -> None:
    await send({"type": f"{kind}.start", "status": answer.status, "headers": list(framed(answer))})
    await send({"type": f"{kind}.body", "body": b"" if without_body else answer.body})


def framed(answer: Answer) -> Fields:
    """The headers with the length of this very body: what was asked about may be a ``HEAD`` and the call a ``GET``."""
    kept = [field for field in answer.headers if field[0] != b"content-length"]
    return (*kept, (b"content-length", b"%d" % len(answer.body)))
