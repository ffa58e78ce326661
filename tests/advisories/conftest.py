"""Every row that sends a token sends it by each way in that reads signed tokens."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from tokens import Entrance, FakeClock

from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.bearer_tokens import BearerTokens, Readers
from iam_guard.identity.dpop import DPoPTokens
from iam_guard.identity.introspection import Introspection, IntrospectionReader
from iam_guard.identity.introspection_call import ClientSecret
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.one_credential import OneCredential


def unknown_tokens() -> IntrospectionReader:
    """An issuer of opaque tokens that knows none: whatever does not look signed is asked about there."""

    async def answer(asked: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(b'{"active": false}'))

    told = Introspection("https://opaque.example/ask", "https://opaque.example", ClientSecret("guard", "s3cret"),
                         ("iam-guard",))
    return IntrospectionReader(told, clock=FakeClock(), http=httpx.AsyncClient(transport=httpx.MockTransport(answer)))


WAYS: dict[str, Callable[[JWTAuthenticator], Authenticator]] = {
    "alone": lambda door: door,
    "one of several": OneCredential,
    "beside opaque tokens": lambda door: OneCredential(BearerTokens(Readers(door, unknown_tokens()))),
    "bound or not": lambda door: OneCredential(BearerTokens(Readers(door)), DPoPTokens(Readers(door))),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Rows that send no token have no way in, and run once."""
    if any(hasattr(metafunc.module, name) for name in ("ask", "authenticator", "refusal")):
        metafunc.fixturenames.append("way_in")
        metafunc.parametrize("way_in", WAYS, indirect=True)


@pytest.fixture
def way_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Entrance, "way", staticmethod(WAYS[request.param]))
