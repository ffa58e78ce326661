"""Whether the credential that opened a long connection still counts, asked again while the connection is open.

A token may be revoked, its key withdrawn or an access key switched off long before anything expires (S7, S17).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from iam_guard.errors import AuthenticationError, UnavailableError

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest


@runtime_checkable
class Lasting(Protocol):
    """An authenticator that can look again at a credential which it accepted earlier, without using it up."""

    async def check_again(self, request: HTTPRequest) -> None:
        """Check that the credential of *request* still counts; one of another kind is not its business.

        Args:
            request: One that was authenticated when it came.

        Raises:
            AuthenticationError: it counts no longer.
            UnavailableError: it cannot be judged at the moment.
        """


async def check_again(authenticator: object, request: HTTPRequest) -> None:
    """Have *authenticator* look again at *request*, when it can.

    One that cannot leaves the end to the expiry of what it gave out, and to the policies.

    Raises:
        AuthenticationError: the credential counts no longer.
        UnavailableError: it cannot be judged at the moment.
    """
    if isinstance(authenticator, Lasting):
        await authenticator.check_again(request)


async def still_holds(authenticator: object, request: HTTPRequest) -> bool:
    """Whether the credential of *request* still counts; what cannot be judged does not."""
    try:
        await check_again(authenticator, request)
    except (AuthenticationError, UnavailableError):
        return False
    return True
