"""Every row that sends a token sends it by each way in that reads signed tokens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tokens import Entrance

from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.bearer_tokens import BearerTokens, Readers
from iam_guard.identity.dpop import DPoPTokens
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.one_credential import OneCredential

WAYS: dict[str, Callable[[JWTAuthenticator], Authenticator]] = {
    "alone": lambda door: door,
    "one of several": OneCredential,
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
