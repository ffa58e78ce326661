"""What the gRPC door answers to each call, without a server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from iam_guard.errors import RequestRefusedError, UnavailableError
from iam_guard.sidecar.answer import PREFLIGHT, Answer, Asker, for_subrequest
from iam_guard.sidecar.ext_authz import messages
from iam_guard.sidecar.ext_authz.http2.calls import OK, UNAVAILABLE, Reply
from iam_guard.sidecar.ext_authz.parsing import described
from iam_guard.sidecar.ext_authz.reading import names_of, original_of
from iam_guard.sidecar.ext_authz.writing import response_of
from iam_guard.sidecar.original import OriginalRequest

_logger = logging.getLogger("iam_guard")
#: How a call ends about which nothing can be decided.
UNDECIDED = Reply(UNAVAILABLE, why="access cannot be decided at the moment")


class Checks:
    """Answers ``Authorization/Check`` and ``Health/Check``.

    Args:
        asker: Decides.
        is_ready: Whether there are policies to decide with.
        listed: Headers that policies read.
    """

    def __init__(self, asker: Asker, is_ready: Callable[[], bool], listed: Iterable[str] = ()) -> None:
        self._asker = asker
        self._listed = names_of(listed)
        self._is_ready = is_ready

    async def check(self, request: bytes) -> bytes:
        """The ``CheckResponse`` to a ``CheckRequest``.

        Args:
            request: As it came.

        Raises:
            UnavailableError: nothing can be decided. The call has to end with an error, which keeps Envoy closed.
        """
        try:
            original, body = original_of(described(request, self._listed))
        except RequestRefusedError as error:
            return _message(self._asker.refuse(error))
        return _message(await self._asker.ask(original, body))

    def at_once(self, requests: Sequence[bytes]) -> list[Reply | None]:
        """The same for several calls, where it takes no waiting; each is answered for itself. Never raises.

        Args:
            requests: As they came.

        Returns:
            ``None``, with nothing done, for one that takes waiting.
        """
        asked = [self._asked(request) for request in requests]
        answers = iter(self._asker.ask_at_once([one for one in asked if isinstance(one, OriginalRequest)]))
        return [_reply(next(answers) if isinstance(one, OriginalRequest) else one) for one in asked]

    def _asked(self, request: bytes) -> OriginalRequest | Answer:
        """The request of the client, or the answer to a call that does not tell it."""
        try:
            return original_of(described(request, self._listed))[0]
        except Exception as error:
            if not isinstance(error, RequestRefusedError):
                _logger.exception("a call for external authorization is denied because of an error")
            return self._asker.refuse(error)

    def health(self, request: bytes) -> bytes | None:
        """The ``HealthCheckResponse`` to a ``HealthCheckRequest``; ``None``: it asks for no service of this door."""
        try:
            asked = messages.HealthCheckRequest.FromString(request)
        except messages.DecodeError:
            return None
        if asked.service not in messages.SERVICES:
            return None
        status = messages.SERVING if self._is_ready() else messages.NOT_SERVING
        return messages.HealthCheckResponse(status=status).SerializeToString()  # type: ignore[no-any-return]


def _message(answer: Answer) -> bytes:
    told = answer if answer.allowed or answer.outcome == PREFLIGHT else for_subrequest(answer)
    if told.status == 503:
        raise UnavailableError("access cannot be decided at the moment")
    return response_of(told)


def _reply(answer: Answer | None) -> Reply | None:
    if answer is None:
        return None
    try:
        return Reply(OK, _message(answer))
    except UnavailableError:
        return UNDECIDED
    except Exception:
        _logger.exception("a call for external authorization is denied because of an error")
        return UNDECIDED
