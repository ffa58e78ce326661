"""For tests of applications that are guarded: act as somebody, without signing tokens.

    app = IAMGuardMiddleware(app, authenticator=ActingAuthenticator(), ...)

    with act_as(Principal.user("alice")):
        assert client.get("/documents/42").status_code == 200

Only who asks is replaced: the same guard asks the same policies. To be allowed everything, act as the root
user of an account, ``Principal.root()``. It works only where a program hands an ActingAuthenticator to its
middleware; no request, setting or environment variable can turn it on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from iam_guard.http.request import HTTPRequest
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.caller import Caller, current_caller
from iam_guard.model import EMPTY, ContextValue, Principal, normalise_context


@contextmanager
def act_as(principal: Principal, *, context: Mapping[str, ContextValue] = EMPTY) -> Iterator[Caller]:
    """Be *principal* until the block ends, however it ends.

    Code that is called directly in the block, such as a function with ``guard.requires``, is called by
    *principal*; so is what an application with an :class:`ActingAuthenticator` is asked through a test
    client. Blocks may be nested, and those of concurrent tasks and threads do not see each other.

    Args:
        principal: Who to be.
        context: Condition keys of the request, for code that is called without one.
    """
    caller = Caller(principal, context=normalise_context(context))
    before = current_caller.set(caller)
    try:
        yield caller
    finally:
        current_caller.reset(before)


class ActingAuthenticator:
    """Says that the caller is whoever :func:`act_as` says.

    Args:
        real: Asked outside of such blocks; without one, nobody is authenticated there.
    """

    def __init__(self, real: Authenticator | None = None) -> None:
        self._real = real

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        """See :class:`Authenticator`."""
        acting = current_caller.get()
        if acting is not None:
            return acting.principal
        return await self._real.authenticate(request) if self._real else None

    def challenges(self) -> tuple[str, ...]:
        """See :class:`Authenticator`."""
        return self._real.challenges() if self._real else ('Bearer realm="test"',)

    async def start(self) -> None:
        """See :class:`Authenticator`."""
        if self._real:
            await self._real.start()

    async def close(self) -> None:
        """See :class:`Authenticator`."""
        if self._real:
            await self._real.close()
