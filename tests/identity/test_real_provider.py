"""Tokens of somebody else's OpenID provider, found by discovery. It runs as a process of its own, and signs for real.

``oidc-provider-mock`` writes no ``kid`` into its tokens and makes a new key whenever it starts.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from tokens import FakeClock, request

from iam_guard.errors import AuthenticationError
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwks import RefreshingKeys
from iam_guard.identity.jwt import JWTAuthenticator

RUN = """
import sys
from oidc_provider_mock import run_server_in_thread
with run_server_in_thread(int(sys.argv[1])) as server:
    print(server.server_port, flush=True)
    sys.stdin.read()
"""
BACK = "http://localhost/back"


@contextmanager
def running(port: int = 0) -> Iterator[int]:
    """The provider's port, as long as it runs; it ends when its input does."""
    with subprocess.Popen([sys.executable, "-c", RUN, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def sign_in(issuer: str, user: str = "ann", client: str = "orders") -> dict[str, Any]:
    """What the token endpoint answers after a user signed in (authorization code flow)."""
    asked = {"response_type": "code", "client_id": client, "redirect_uri": BACK, "scope": "openid email"}
    with httpx.Client() as http:
        metadata = http.get(f"{issuer}/.well-known/openid-configuration").json()
        seen = http.post(metadata["authorization_endpoint"], params=asked, data={"sub": user})
        [code] = parse_qs(urlsplit(seen.headers["Location"]).query)["code"]
        answer = http.post(metadata["token_endpoint"], auth=(client, "any"), data={
            "grant_type": "authorization_code", "code": code, "redirect_uri": BACK})
        found: dict[str, Any] = answer.raise_for_status().json()
    return found


class Scene:
    """A guard that trusts the provider at a port."""

    def __init__(self, port: int, **trust: Any) -> None:
        self.issuer, self.clock = f"http://localhost:{port}", FakeClock(time.time())
        settings: dict[str, Any] = {"audience": "orders", "algorithms": "RS256", "discovery": True, "id_tokens": True,
                                    "claims": ClaimMapping(account="t1")}
        self.door = JWTAuthenticator([Issuer(self.issuer, **(settings | trust))], clock=self.clock)

    @property
    def keys(self) -> RefreshingKeys:
        found = self.door.key_sources[self.issuer]
        assert isinstance(found, RefreshingKeys)
        return found

    async def outcome(self, text: str) -> str:
        try:
            found = await self.door.authenticate(request(f"Bearer {text}"))
        except AuthenticationError as refused:
            return refused.code
        assert found is not None
        return found.arn


def play(scene: Scene, act: Callable[[Scene], Awaitable[None]]) -> None:
    async def whole() -> None:
        try:
            await act(scene)
        finally:
            await scene.door.close()

    asyncio.run(whole())


def test_a_user_who_signed_in_is_known() -> None:
    async def act(scene: Scene) -> None:
        found = sign_in(scene.issuer)
        assert await scene.outcome(found["id_token"]) == "arn:app:iam::t1:user/ann"
        assert await scene.outcome(sign_in(scene.issuer, "bob")["id_token"]) == "arn:app:iam::t1:user/bob"
        assert scene.keys.fetches == 1
        # Its access tokens are opaque: nothing can be read out of them here.
        assert await scene.outcome(found["access_token"]) == "invalid_token"
        assert await scene.outcome(sign_in(scene.issuer, client="another")["id_token"]) == "invalid_token"

    with running() as port:
        play(Scene(port), act)


def test_j23_1_what_proves_a_sign_in_is_no_access_token() -> None:
    async def act(scene: Scene) -> None:
        assert await scene.outcome(sign_in(scene.issuer)["id_token"]) == "invalid_token"

    with running() as port:
        play(Scene(port, id_tokens=False), act)


def test_its_rotation_goes_unnoticed() -> None:
    ann = "arn:app:iam::t1:user/ann"

    async def act(scene: Scene) -> None:
        with ExitStack() as first:
            first.enter_context(running(port))
            old = sign_in(scene.issuer)["id_token"]
            assert await scene.outcome(old) == ann
            first.close()
            assert await scene.outcome(old) == ann  # out of reach
        with running(port):
            fresh = [sign_in(scene.issuer)["id_token"] for _ in range(3)]
            assert await scene.outcome(old) == ann
            assert [await scene.outcome(one) for one in fresh] == [ann] * 3
            assert await scene.outcome(old) == "invalid_token"  # its key is published no longer
            assert (scene.keys.fetches, scene.keys.failures) == (2, 0)

    with running() as port:
        """Ends at once: a port that is free."""
    play(Scene(port), act)
