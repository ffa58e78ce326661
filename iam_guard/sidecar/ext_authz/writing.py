"""Answers as Envoy reads them over gRPC.

An empty ``CheckResponse`` lets a request pass, since the code that is not there is the code of success. So each
message here begins as a denial, and only an answer that allows makes another of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from iam_guard.sidecar.answer import PREFLIGHT, Answer
from iam_guard.sidecar.ext_authz.messages import CheckResponse

#: Codes of ``google.rpc.Status``.
OK, PERMISSION_DENIED, UNAUTHENTICATED = 0, 7, 16
#: ``HeaderValueOption.append_action``: overwrite or add. ``append``, left unset, says the same to older Envoys.
_OVERWRITE = 2
# Of an answer that is no answer of ours on this wire: Envoy frames it, and caches nothing.
_NOT_FOR_UPSTREAM = frozenset({b"cache-control"})
_NOT_FOR_CLIENT = frozenset({b"content-length"})


def response_of(answer: Answer) -> bytes:
    """The message that says *answer*.

    Args:
        answer: What is said; a guard that cannot decide is an error of the call and no message.
    """
    message = CheckResponse()
    message.status.code = PERMISSION_DENIED
    if answer.allowed is True and answer.status == 200:
        _allow(message, answer)
    else:
        _deny(message, answer)
    return message.SerializeToString()  # type: ignore[no-any-return]


def _allow(message: Any, answer: Answer) -> None:
    ok = message.ok_response
    named = [field for field in answer.headers if field[0] not in _NOT_FOR_UPSTREAM]
    _add(ok.headers, [field for field in named if field[1]])
    # Envoy takes a header that it is to set to nothing for one that it need not set.
    ok.headers_to_remove.extend(name.decode("latin-1") for name, value in named if not value)
    ok.headers_to_remove.extend(answer.remove)
    message.status.code = OK


def _deny(message: Any, answer: Answer) -> None:
    denied = message.denied_response
    if answer.status == 401:
        message.status.code = UNAUTHENTICATED
    denied.status.code = answer.status if answer.status == 401 or answer.outcome == PREFLIGHT else 403
    _add(denied.headers, [field for field in answer.headers if field[0] not in _NOT_FOR_CLIENT])
    denied.body = answer.body.decode("utf-8", "replace")
    if answer.outcome != PREFLIGHT:
        message.status.message = answer.outcome


def _add(options: Any, fields: Iterable[tuple[bytes, bytes]]) -> None:
    for name, value in fields:
        option = options.add()
        option.append_action = _OVERWRITE
        header = option.header
        header.key, header.value = name.decode("latin-1"), value.decode("latin-1")
