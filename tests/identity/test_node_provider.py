"""Tokens of the OpenID provider that Node programs use, found by discovery, while it changes its keys.

It is installed from the npm registry, into a folder of its own, where Node and npm are there.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from tokens import FakeClock, request

from iam_guard.errors import AuthenticationError
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwt import JWTAuthenticator

NODE, NPM = shutil.which("node"), shutil.which("npm")
SHOP = "arn:app:iam::t1:user/shop"
SECRET = "known to everybody who reads this"

pytestmark = pytest.mark.skipif(not (NODE and NPM), reason="Node and npm are not on this machine")


def private_key(name: str) -> dict[str, Any]:
    found = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    return {**{key: value for key, value in found.items() if key != "key_ops"}, "kid": name, "alg": "ES256",
            "use": "sig"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The provider, installed."""
    folder = tmp_path_factory.mktemp("node")
    done = subprocess.run([str(NPM), "install", "--no-audit", "--no-fund", "--silent", "oidc-provider@9"], cwd=folder,
                          capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"oidc-provider cannot be had from npm: {done.stderr.strip()[-200:]}")
    return Path(shutil.copy(Path(__file__).with_name("oidc_provider.mjs"), folder))


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def running(program: Path, port: int, *keys: dict[str, Any]) -> Iterator[str]:
    """The issuer, as long as it runs; it ends when its input does."""
    with subprocess.Popen([str(NODE), str(program), str(port), json.dumps(keys)], cwd=program.parent, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert any(line.strip() == "ready" for line in process.stdout)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()


def access_token(issuer: str) -> str:
    with httpx.Client() as http:
        answer = http.post(f"{issuer}/token", auth=("shop", SECRET),
                           data={"grant_type": "client_credentials", "scope": "read"})
        return str(answer.raise_for_status().json()["access_token"])


def door(issuer: str, clock: FakeClock, audience: str = "orders") -> JWTAuthenticator:
    trust = Issuer(issuer, audience=audience, algorithms="ES256", discovery=True, allow_http=True,
                   token_types=("at+jwt",), claims=ClaimMapping(account="t1"))
    return JWTAuthenticator([trust], clock=clock)


async def outcome(guard: JWTAuthenticator, token: str) -> str:
    try:
        found = await guard.authenticate(request(f"Bearer {token}"))
    except AuthenticationError as refused:
        return refused.code
    assert found is not None
    return found.arn


def test_a_client_is_known_by_its_token_and_only_where_it_is_meant_for(program: Path, port: int) -> None:
    async def whole(issuer: str) -> None:
        clock, token = FakeClock(time.time()), access_token(issuer)
        for audience, expected in (("orders", SHOP), ("invoices", "invalid_token")):
            guard = door(issuer, clock, audience)
            assert await outcome(guard, token) == expected
            await guard.close()

    with running(program, port, private_key("a")) as issuer:
        asyncio.run(whole(issuer))


def test_its_rotation_goes_unnoticed_and_a_key_that_is_gone_opens_nothing(program: Path, port: int) -> None:
    old, new = private_key("old"), private_key("new")

    async def whole() -> None:
        clock = FakeClock(time.time())
        with running(program, port, old) as issuer:
            guard = door(issuer, clock)
            before = access_token(issuer)
            assert await outcome(guard, before) == SHOP
        with running(program, port, new, old) as issuer:  # the new key signs, the old one still counts
            clock.now += 60
            after = access_token(issuer)
            assert [await outcome(guard, token) for token in (after, before)] == [SHOP, SHOP]
        with running(program, port, new):
            clock.now += 60
            await guard.key_sources[issuer].refresh()
            assert [await outcome(guard, token) for token in (after, before)] == [SHOP, "invalid_token"]
        await guard.close()

    asyncio.run(whole())
