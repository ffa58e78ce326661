"""What the gRPC door answers to each call, without a server."""

from __future__ import annotations

from collections.abc import Callable

from iam_guard.errors import RequestRefusedError, UnavailableError
from iam_guard.sidecar.answer import PREFLIGHT, Answer, Asker, for_subrequest
from iam_guard.sidecar.ext_authz import messages
from iam_guard.sidecar.ext_authz.parsing import described
from iam_guard.sidecar.ext_authz.reading import original_of
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
        try:
            original, body = original_of(described(request))
        except RequestRefusedError as error:
            return _message(self._asker.refuse(error))
        return _message(await self._asker.ask(original, body))

    def check_at_once(self, request: bytes) -> bytes | None:
        """The same, where it takes no waiting; ``None``, with nothing done, where it does.

        Args:
            request: As it came.

        Raises:
            UnavailableError: nothing can be decided.
        """
        try:
            original, _ = original_of(described(request))
        except RequestRefusedError as error:
            return _message(self._asker.refuse(error))
        answer = self._asker.ask_at_once(original)
        return None if answer is None else _message(answer)

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
