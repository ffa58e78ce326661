"""Every row that sends a token sends it by each way in that reads signed tokens; attacks on bytes have one gateway."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from gateway_attack import Front

_TESTS = Path(__file__).parents[1]
sys.path.extend(str(_TESTS / folder) for folder in ("gateway", "sidecar", "sidecar/forward", "sidecar/ext_authz"))


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A gateway, and what reaches the application behind it. 127.0.0.2 is a proxy that it trusts."""
    from gateway_attack import MALLORY, Front
    from gateway_origin import origin
    from gateway_world import running, section

    folder = tmp_path_factory.mktemp("attacked")
    (folder / "iam/users").mkdir(parents=True)
    (folder / "iam/users/mallory.json").write_text(json.dumps(MALLORY))
    with origin() as behind, running(folder, section(behind.url), edge={"trusted_proxies": ["127.0.0.2"]},
                                     context={"headers": ["X-Env"], "query": ["mode"]}) as gateway:
        yield Front(gateway, behind)


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
