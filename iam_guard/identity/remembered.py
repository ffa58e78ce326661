"""Who sent a request, where that takes no waiting: a door that answers many calls at once asks this first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from iam_guard.http.request import HTTPRequest
    from iam_guard.model import Principal


class Remembering(Protocol):
    """An authenticator that remembers credentials which it accepted."""

    def remembered(self, request: HTTPRequest) -> Principal | None:
        """The same principal that ``authenticate`` would give, found without waiting and without using anything up.

        Args:
            request: As for ``authenticate``.

        Returns:
            ``None`` when only ``authenticate`` can tell, be it because nothing was sent.

        Raises:
            AuthenticationError: as ``authenticate`` would.
        """


def remembered(authenticator: object, request: HTTPRequest) -> Principal | None:
    """What *authenticator* remembers about the sender of *request*; ``None`` when it has to be asked."""
    # Whether it is a Remembering would take longer to find out than what it remembers.
    ask: Callable[[HTTPRequest], Principal | None] | None = getattr(authenticator, "remembered", None)
    return None if ask is None else ask(request)
