"""The setting ``revocations``: a list that the guard follows, wired to every signed token."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import jwt
import pytest

from iam_guard.config import load_settings
from iam_guard.config.wiring import Wiring
from iam_guard.errors import AuthenticationError, ConfigurationError
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.revocation import RevocationFile, RevokedToken
from iam_guard.identity.revoking import add_revocations

SECRET = "0123456789abcdef0123456789abcdef"
IDP = "https://idp.example"
SETTINGS = """\
policies: iam
routes: routes.yaml
issuers: [{issuer: "https://idp.example", audience: orders, algorithms: [HS256], secret: {env: IAM_GUARD_TEST_SECRET}}]
log: {logger: ""}
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IAM_GUARD_TEST_SECRET", SECRET)
    (tmp_path / "iam").mkdir()
    (tmp_path / "routes.yaml").write_text("version: 1\nroutes: {GET /health: public}\n")
    return tmp_path / "iam-guard.yaml"


def request(id: str) -> HTTPRequest:
    claims = {"iss": IDP, "aud": "orders", "sub": "ann", "exp": time.time() + 600, "jti": id}
    value = f"Bearer {jwt.encode(claims, SECRET, 'HS256')}".encode()
    return HTTPRequest(headers=((b"authorization", value),))


def is_accepted(wiring: Wiring, id: str) -> bool:
    try:
        return asyncio.run(wiring.authenticator.authenticate(request(id))) is not None
    except AuthenticationError:
        return False


def followed(wiring: Wiring) -> RevocationFile:
    [found] = [part for part in wiring.parts if isinstance(part, RevocationFile)]
    return found


@pytest.mark.parametrize("written", ["revoked.json", "{file: revoked.json, poll_seconds: 1, max_unsynced: 60}"])
@pytest.mark.parametrize("more", ["", "credentials: {dpop: {}}\n", "allow_anonymous: true\n"])
def test_a_token_on_the_list_is_refused(settings: Path, written: str, more: str) -> None:
    settings.write_text(f"{SETTINGS}revocations: {written}\n{more}")
    add_revocations(settings.with_name("revoked.json"), RevokedToken(issuer=IDP, id="a"))
    wiring = load_settings(settings).build()
    assert [is_accepted(wiring, one) for one in "ab"] == [False, True]
    add_revocations(settings.with_name("revoked.json"), RevokedToken(issuer=IDP, id="b"))
    followed(wiring).check()
    assert [is_accepted(wiring, one) for one in "ab"] == [False, False]


def test_the_list_is_followed_as_long_as_the_guard_runs(settings: Path) -> None:
    settings.write_text(f"{SETTINGS}revocations: revoked.json\n")
    add_revocations(settings.with_name("revoked.json"))

    async def run() -> tuple[Any, ...]:
        async with load_settings(settings).build():
            running = [task.get_name() for task in asyncio.all_tasks()]
        return running, [task.get_name() for task in asyncio.all_tasks()]

    running, left = asyncio.run(run())
    assert "iam_guard revocations" in running
    assert "iam_guard revocations" not in left


@pytest.mark.parametrize("content", [None, "", '{"tokens": [{"id": "a"}]}'])
def test_a_list_that_cannot_be_read_stops_the_start(settings: Path, content: str | None) -> None:
    settings.write_text(f"{SETTINGS}revocations: revoked.json\n")
    if content is not None:
        settings.with_name("revoked.json").write_text(content)
    with pytest.raises(ConfigurationError, match="the revocations cannot be read"):
        load_settings(settings).build()


def test_without_issuers_nothing_can_be_revoked(settings: Path) -> None:
    settings.write_text(SETTINGS.replace(SETTINGS.splitlines()[2], "issuers: []") + "revocations: revoked.json\n")
    with pytest.raises(ConfigurationError, match="nothing can be revoked without tokens or certificates"):
        load_settings(settings).build()


def test_introspected_tokens_can_be_revoked_too(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IAM_GUARD_TEST_CLIENT_SECRET", "s3cret")
    settings.write_text("policies: iam\nroutes: routes.yaml\nissuers: []\nrevocations: revoked.json\n"
                        "credentials: {introspection: {url: 'https://idp.example/ask', issuer: 'https://idp.example', "
                        "audience: orders, client_id: o, client_secret: {env: IAM_GUARD_TEST_CLIENT_SECRET}}}\n")
    add_revocations(settings.with_name("revoked.json"), RevokedToken(issuer=IDP, id="a"))

    async def answer(asked: httpx.Request) -> httpx.Response:
        name = parse_qs(asked.content.decode())["token"][0]
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps({
            "active": True, "aud": "orders", "sub": "ann", "exp": int(time.time()) + 600, "jti": name}).encode()))

    monkeypatch.setattr("iam_guard.identity.introspection.new_client",
                        lambda: httpx.AsyncClient(transport=httpx.MockTransport(answer)))

    async def run() -> list[bool]:
        async with load_settings(settings).build() as wiring:
            return [await accepts(wiring, one) for one in "ab"]

    async def accepts(wiring: Wiring, name: str) -> bool:
        try:
            asked = HTTPRequest(headers=((b"authorization", f"Bearer {name}".encode()),))
            return await wiring.authenticator.authenticate(asked) is not None
        except AuthenticationError:
            return False

    assert asyncio.run(run()) == [False, True]
