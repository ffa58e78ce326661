"""What the gRPC door answers to each call, without a server."""

from __future__ import annotations

from collections.abc import Callable

from iam_guard.errors import RequestRefusedError, UnavailableError
from iam_guard.sidecar.answer import PREFLIGHT, Answer, Asker, for_subrequest
from iam_guard.sidecar.ext_authz import messages
from iam_guard.sidecar.ext_authz.reading import original_of, unclear
from iam_guard.sidecar.ext_authz.writing import response_of


class Checks:
    """Answers ``Authorization/Check`` and ``Health/Check``.

    Args:
        asker: Decides.
        is_ready: Whether there are policies to decide with.
    """

    def __init__(self, asker: Asker, is_ready: Callable[[], bool]) -> None:
        self._asker = asker
        self._is_ready = is_ready

    async def check(self, request: bytes) -> bytes:
        """The ``CheckResponse`` to a ``CheckRequest``.

        Args:
            request: As it came.

        Raises:
            UnavailableError: nothing can be decided. The call has to end with an error, which keeps Envoy closed.
        """
        answer = await self._answer(request)
        if answer.status == 503:
            raise UnavailableError("access cannot be decided at the moment")
        return response_of(answer)

    async def _answer(self, request: bytes) -> Answer:
        try:
            original, body = original_of(_parsed(request))
        except RequestRefusedError as error:
            return for_subrequest(self._asker.refuse(error))
        answer = await self._asker.ask(original, body)
        return answer if answer.outcome == PREFLIGHT else for_subrequest(answer)

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


def _parsed(request: bytes) -> object:
    try:
        return messages.CheckRequest.FromString(request)
    except messages.DecodeError:
        raise unclear("it is no CheckRequest") from None

