"""CORS preflights, answered by the guard when that is turned on (Fetch standard, section 3.3).

A preflight carries no credentials by design, so it can only be answered before anybody is authenticated.
No code of the application runs for it, and only a method that the route map has is confirmed (promise S6).
"""

from __future__ import annotations

from dataclasses import dataclass

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.request import HTTPRequest

Fields = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class CORSSettings:
    """Who may call from a browser on another origin.

    Attributes:
        origins: Exact origins, such as ``https://ui.example``; or ``*`` alone for any.
        headers: Request headers that scripts may set.
        expose: Response headers of a denial that scripts may read.
        max_age: Seconds that a browser may remember the answer.
        credentials: Whether cookies and client certificates may be sent.

    Raises:
        ConfigurationError: no origin, not an origin, or any origin with credentials.
    """

    origins: tuple[str, ...]
    headers: tuple[str, ...] = ("Authorization", "Content-Type")
    expose: tuple[str, ...] = ("WWW-Authenticate",)
    max_age: int = 600
    credentials: bool = False

    def __post_init__(self) -> None:
        if not self.origins or ("*" in self.origins and (len(self.origins) > 1 or self.credentials)):
            raise ConfigurationError(Fault("the CORS origins are not a list of origins",
                                           "name exact origins, or '*' alone and without credentials"))
        for origin in self.origins:
            scheme, _, host = origin.partition("://")
            if origin != "*" and (scheme not in ("http", "https") or not host or "/" in host or "*" in host):
                raise ConfigurationError(Fault(f"'{origin}' is not an origin", "write it like 'https://ui.example'"))

    def allows(self, origin: str | None) -> bool:
        """Whether scripts of *origin* may call."""
        return origin is not None and (origin in self.origins or self.origins == ("*",))

    def preflight(self, request: HTTPRequest, methods: tuple[str, ...]) -> Fields | None:
        """The headers that answer a preflight; ``None`` when this is not one or is not to be granted.

        Args:
            request: The request.
            methods: Those that the route map has for its path.
        """
        wanted = request.header("access-control-request-method")
        if not self.allows(request.header("origin")) or wanted not in methods:
            return None
        return (
            *self._origin(request),
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", ", ".join(self.headers).encode()),
            (b"access-control-max-age", str(self.max_age).encode()),
            (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        )

    def for_denial(self, request: HTTPRequest) -> Fields:
        """The headers that let a script read why it was denied."""
        if not self.allows(request.header("origin")):
            return ()
        return (*self._origin(request), (b"access-control-expose-headers", ", ".join(self.expose).encode()),
                (b"vary", b"Origin"))

    def _origin(self, request: HTTPRequest) -> Fields:
        origin = "*" if self.origins == ("*",) else request.header("origin") or ""
        allowed = ((b"access-control-allow-origin", origin.encode("latin-1")),)
        return (*allowed, (b"access-control-allow-credentials", b"true")) if self.credentials else allowed


def is_preflight(request: HTTPRequest) -> bool:
    """Whether a request is a preflight by its form; anybody can send that form."""
    return (request.method == "OPTIONS" and request.kind == "http"
            and request.header("origin") is not None
            and request.header("access-control-request-method") is not None)
