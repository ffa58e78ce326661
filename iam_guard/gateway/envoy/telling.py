"""What the guard has Envoy tell an upstream beside who the caller is: where a request came from, and a signature."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from iam_guard.gateway.assertion import Assertions
from iam_guard.gateway.envoy.routes import UPSTREAM
from iam_guard.gateway.passing import came_from
from iam_guard.guard import InformedCaller

Fields = tuple[tuple[bytes, bytes], ...]

_CHOSEN = UPSTREAM.encode()


class Telling:
    """Makes header fields for upstreams, the same as the gateway's own engine sends.

    Args:
        assertions: Makes signed statements; ``None`` for none.
        header: What those stand in.
    """

    def __init__(self, assertions: Assertions | None = None, header: str = "") -> None:
        self._assertions = assertions
        self._header = header.lower().encode("ascii")

    def __call__(self, caller: InformedCaller, original: Any) -> Fields:
        """The fields of one request that was let in.

        Args:
            caller: Who was let in.
            original: What Envoy asked about.

        Raises:
            UnavailableError: a statement cannot be signed.
            ValueError: Envoy names several upstreams.
        """
        fields = came_from(caller.request) if caller.request is not None else []
        if self._assertions is not None:
            fields += self._statement(self._assertions, caller, original)
        return tuple(fields)

    def _statement(self, assertions: Assertions, caller: InformedCaller, original: Any) -> Fields:
        """A statement for the upstream that Envoy has chosen; none where it answers by itself."""
        chosen = [value for name, value in original.headers if name == _CHOSEN]
        if not chosen:
            return ()
        (upstream,) = chosen
        return ((self._header, assertions.statement(caller.principal, unquote(upstream.decode("ascii")))),)
