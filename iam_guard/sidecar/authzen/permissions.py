"""Own permissions: whoever is signed in asks whether it may do this and that, so that a page shows the right buttons.

The answer helps to draw a page and opens nothing: what is done then is decided when it is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from iam_guard.errors import UnavailableError
from iam_guard.guard import Guard, Question
from iam_guard.http.naming import is_action
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.caller import Caller
from iam_guard.sidecar.authzen.origins import PageOrigins
from iam_guard.sidecar.authzen.reading import invalid
from iam_guard.sidecar.authzen.settings import AuthzenDoor

_LONGEST = 2048


class OwnPermissions:
    """Answers about the caller itself.

    Args:
        guard: Decides.
        door: Says how much may be asked, and how long an answer keeps.
        vary: Request headers that tell callers apart.
        origins: Pages whose scripts may ask.
    """

    def __init__(self, guard: Guard, door: AuthzenDoor, vary: bytes, origins: PageOrigins | None) -> None:
        self._guard = guard
        self._vary = vary
        self._origins = origins
        self._most = door.max_batch
        self._cache = (f"private, max-age={door.permissions_max_age}" if door.permissions_max_age
                       else "private, no-cache").encode()

    def of_query(self, request: HTTPRequest) -> list[tuple[str, str]]:
        """What ``?ask=ACTION RESOURCE&ask=...`` asks.

        Raises:
            RequestRefusedError: it is none.
        """
        return self._checked([tuple(one.split(" ", 1)) for one in request.query.get("ask", ())])

    def of_body(self, members: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What ``{"permissions": [{"action": ..., "resource": ...}, ...]}`` asks.

        Raises:
            RequestRefusedError: it is none.
        """
        items = members.get("permissions")
        if not isinstance(items, list):
            raise invalid("'permissions' has to be a list.")
        return self._checked([(one.get("action"), one.get("resource")) if isinstance(one, dict) else ()
                              for one in items])

    def answer(self, caller: Caller, asked: Sequence[tuple[str, str]]) -> tuple[bytes, bytes]:
        """The body of the answer, and its entity tag.

        Args:
            caller: Asks about itself; what its request says counts, as it will when it acts.
            asked: Pairs of action and resource.

        Raises:
            UnavailableError: one of them cannot be decided.
        """
        decisions = self._guard.answers(caller.principal, [Question(*one) for one in asked])
        if any(decision.error for decision in decisions):
            raise UnavailableError("permissions cannot be decided")
        body = msgspec.json.encode({"permissions": [
            {"action": action, "resource": resource, "allowed": decision.allowed}
            for (action, resource), decision in zip(asked, decisions, strict=True)]})
        # Time and address count too, so the tag is of what was answered, for whom and by which policies.
        named = repr((decisions[0].revision, caller.principal.key, body))
        return body, b'"' + hashlib.sha256(named.encode()).hexdigest()[:32].encode() + b'"'

    def headers(self, tag: bytes, request: HTTPRequest) -> list[tuple[bytes, bytes]]:
        """How long the answer keeps, for whom, and which pages may read it."""
        always = [(b"cache-control", self._cache), (b"etag", tag), (b"vary", self._vary)]
        if self._origins is None:
            return always
        # An answer to somebody without an origin must not serve a page later.
        return [*always, *(self._origins.for_denial(request) or ((b"vary", b"Origin"),))]

    def _checked(self, asked: Sequence[tuple[Any, ...]]) -> list[tuple[str, str]]:
        if not 0 < len(asked) <= self._most:
            raise invalid(f"Ask for at least one permission, and for {self._most} at most.")
        found: list[tuple[str, str]] = []
        for pair in asked:
            if len(pair) != 2 or not all(isinstance(one, str) and 0 < len(one) <= _LONGEST for one in pair):
                raise invalid("A permission is an action and a resource.")
            if not is_action(pair[0]):
                raise invalid("An action is written like 'docs:GetDocument'.")
            found.append((pair[0], pair[1]))
        return found


def is_known(request: HTTPRequest, tag: bytes) -> bool:
    """Whether the client has the answer already (RFC 9110 section 13.1.2)."""
    sent = request.header("if-none-match")
    return sent is not None and tag.decode() in [one.strip().removeprefix("W/") for one in sent.split(",")]
