"""Credentials that are good for many requests, looked at again without waiting.

A program that asks the same way again and again is judged from the start now and then. In between it is enough to know
that judging it anew would come to the same: its token was not revoked, its key is still there, nothing expired. What is
good for one request only, such as a signature over a body or a proof with a number of its own, is never repeatable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.model import Principal

#: Whether the credential would be accepted now, and name the same caller; whatever it raises is a no.
Again = Callable[[], bool]


@runtime_checkable
class Repeatable(Protocol):
    """An authenticator that can look at a credential again without waiting."""

    def again(self, request: HTTPRequest, principal: Principal) -> Again | None:
        """How to find out that the credential of *request* still counts.

        Args:
            request: One that was authenticated a moment ago.
            principal: Whom it was found to come from.

        Returns:
            ``None`` when the credential is good for one request only, or cannot be judged without waiting.
        """


def how_again(authenticator: object, request: HTTPRequest, principal: Principal) -> Again | None:
    """How to find out that *authenticator* still accepts the credential of *request*; ``None`` where it cannot tell."""
    return authenticator.again(request, principal) if isinstance(authenticator, Repeatable) else None


def is_still(again: Again) -> bool:
    """Whether the credential still counts; what cannot be found out does not."""
    try:
        return again()
    except Exception:
        return False
