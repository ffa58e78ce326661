"""The setting ``signed_requests``: access keys of a directory as callers, alone and beside bearer tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from iam_guard.config import load_settings
from iam_guard.config.tokens import make_token_app
from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import Settings as DirectorySettings
from iam_guard.directory.entities import User
from iam_guard.directory.hiding import KEY_VARIABLE, HiddenSecrets, KeyRing, new_key
from iam_guard.directory.operations.access_keys import CreateAccessKey, UpdateAccessKey
from iam_guard.directory.port import Note
from iam_guard.errors import ConfigurationError
from iam_guard.identity.caller import current_principal
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.model import Principal
from iam_guard.store.urls import open_store
from iam_guard.sts.key_file import SigningKeyFile

ADMIN = Principal.user("admin", account="111122223333")
SECRET = "0123456789abcdef0123456789abcdef"
READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}'
SETTINGS = """\
store: sqlite:///iam.db
routes: routes.yaml
issuers: []
signed_requests: {region: eu-central-1, service: docs}
log: {logger: ""}
"""
ROUTES = 'version: 1\nroutes:\n  GET /documents/{id}: {action: docs:Read, resource: "document/{id}"}\n'
ISSUERS = 'issuers: [{issuer: "https://idp.example", audience: docs, algorithms: [HS256], ' \
          "secret: {env: IAM_GUARD_TEST_SECRET}}]"


class Anyone:
    """A referee that refuses nothing."""

    def before(self, operation: object, work: object) -> None:
        """Fine."""

    def after(self, operation: object, work: object) -> None:
        """Fine."""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IAM_GUARD_TEST_SECRET", SECRET)
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    (tmp_path / "routes.yaml").write_text(ROUTES)
    path = tmp_path / "iam-guard.yaml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture
def directory(settings: Path) -> Iterator[Directory]:
    store = open_store(f"sqlite:///{settings.parent / 'iam.db'}")
    with store.write(Note(ADMIN.arn, "Import", "2026-01-01T12:00:00Z")) as tx:
        tx.put(DirectorySettings(default_account="111122223333"))
        tx.put(User(account="111122223333", name="ann", arn="arn:app:iam::111122223333:user/ann", id="AIDAANN",
                    inline={"read": READ}))
    yield Directory(store, referee=Anyone(), secrets=HiddenSecrets(KeyRing.from_environment()))
    store.close()


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(current_principal().arn)


async def ask(path: Path, *requests: dict[str, str]) -> list[tuple[int, str]]:
    """What is answered to a GET with each of these headers."""
    wiring = load_settings(path).build()
    app: Any = wiring.middleware(Starlette(routes=[Route("/documents/{id}", answer)]))
    async with wiring:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://docs.example") as client:
            answers = [await client.get("/documents/7", headers=headers) for headers in requests]
    return [(one.status_code, one.text) for one in answers]


def signature(key: dict[str, Any], secret: str = "") -> dict[str, str]:
    request = AWSRequest(method="GET", url="http://docs.example/documents/7")
    credentials = Credentials(key["AccessKeyId"], secret or key["SecretAccessKey"], key.get("SessionToken"))
    SigV4Auth(credentials, "docs", "eu-central-1").add_auth(request)
    return dict(request.headers.items())


def bearer() -> dict[str, str]:
    now = int(time.time())
    claims = {"iss": "https://idp.example", "aud": "docs", "sub": "ann", "iat": now, "exp": now + 600}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}


def new_access_key(directory: Directory) -> dict[str, Any]:
    made = directory.perform(CreateAccessKey(user_name="ann"), by=ADMIN)
    found: dict[str, Any] = made["AccessKey"]
    return found


def test_a_key_of_the_directory_is_a_caller(settings: Path, directory: Directory) -> None:
    key = new_access_key(directory)
    answers = asyncio.run(ask(settings, signature(key), signature(key, "wrong"), {}))
    assert answers[0] == (200, "arn:app:iam::111122223333:user/ann")
    assert [status for status, _ in answers[1:]] == [401, 401]


def test_a_key_that_is_switched_off_is_none(settings: Path, directory: Directory) -> None:
    key = new_access_key(directory)
    directory.perform(UpdateAccessKey(user_name="ann", access_key_id=key["AccessKeyId"], status="Inactive"), by=ADMIN)
    [(status, _)] = asyncio.run(ask(settings, signature(key)))
    assert status == 401


def test_beside_bearer_tokens_but_not_both_at_once(settings: Path, directory: Directory) -> None:
    settings.write_text(SETTINGS.replace("issuers: []", ISSUERS))
    key = new_access_key(directory)
    signed = signature(key)
    two = {**signed, "Authorization": f"{signed['Authorization']}, {bearer()['Authorization']}"}
    answers = asyncio.run(ask(settings, signed, bearer(), two))
    # The token's ann is known, and of another account, in which nobody may do anything.
    assert [status for status, _ in answers] == [200, 403, 401]


def session_key(settings: Path, **more: str) -> dict[str, Any]:
    """What the token service gives to ann, who asks with a key of the directory."""
    SigningKeyFile(settings.parent / "keys.json").make(0)
    store = open_store(f"sqlite:///{settings.parent / 'iam.db'}")
    try:
        key = Directory(store, referee=Anyone(), secrets=HiddenSecrets(KeyRing.from_environment())).perform(
            CreateAccessKey(user_name="ann"), by=ADMIN)["AccessKey"]
    finally:
        store.close()
    app = make_token_app(f"sqlite:///{settings.parent / 'iam.db'}", issuer="https://sts.example", audience="docs",
                         keys=settings.parent / "keys.json")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with (app.router.lifespan_context(app),
                    httpx.AsyncClient(transport=transport, base_url="https://sts.example") as client):
            return await client.post("/token", data={"grant_type": "client_credentials", **more},
                                     auth=(key["AccessKeyId"], key["SecretAccessKey"]))

    answered = asyncio.run(ask())
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


OWN = 'issuers: [{preset: token_service, issuer: "https://sts.example", audience: docs, jwks_file: keys.jwks.json}]'


def test_a_session_signs_where_its_token_is_no_bearers(settings: Path, directory: Directory) -> None:
    given = session_key(settings, credential="signature")
    assert given["token_type"] == "AWS4-HMAC-SHA256"
    assert given["access_token"] == given["session_token"]
    settings.write_text(SETTINGS.replace("issuers: []", OWN))
    key = {"AccessKeyId": given["access_key_id"], "SecretAccessKey": given["secret_access_key"],
           "SessionToken": given["session_token"]}
    stolen = {"Authorization": f"Bearer {given['session_token']}"}
    unsigned = {**signature(key), "X-Amz-Security-Token": ""}
    answers = asyncio.run(ask(settings, signature(key), signature(key, "wrong"), stolen, unsigned))
    assert answers[0] == (200, "arn:app:iam::111122223333:user/ann")
    assert [status for status, _ in answers[1:]] == [401, 401, 401]


def test_a_session_for_bearers_has_no_key(settings: Path, directory: Directory) -> None:
    given = session_key(settings)
    assert set(given) == {"access_token", "token_type", "expires_in", "arn"}
    settings.write_text(SETTINGS.replace("issuers: []", OWN))
    [(status, _)] = asyncio.run(ask(settings, {"Authorization": f"Bearer {given['access_token']}"}))
    assert status == 200


def test_without_issuers_nobody_has_a_session_that_signs(settings: Path, directory: Directory) -> None:
    given = session_key(settings, credential="signature")
    key = {"AccessKeyId": given["access_key_id"], "SecretAccessKey": given["secret_access_key"],
           "SessionToken": given["session_token"]}
    [(status, _)] = asyncio.run(ask(settings, signature(key)))
    assert status == 401


def test_without_the_setting_a_signature_is_nothing_that_is_accepted(settings: Path, directory: Directory) -> None:
    settings.write_text(SETTINGS.replace("issuers: []", ISSUERS).replace(
        "signed_requests: {region: eu-central-1, service: docs}\n", ""))
    assert isinstance(load_settings(settings).build().authenticator, JWTAuthenticator)
    key = new_access_key(directory)
    [(status, _)] = asyncio.run(ask(settings, signature(key)))
    assert status == 401


def faults_of(settings: Path, text: str) -> list[str]:
    settings.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(settings).build()
    return [str(fault).replace(f"{settings.parent}/", "") for fault in refused.value.faults]


RULES = "signed_requests: {region: eu-central-1, service: docs}"


@pytest.mark.parametrize(("text", "message"), [
    ("signed_requests: {region: eu-central-1}", "iam-guard.yaml:4:18: /signed_requests: 'service' is missing; "
                                                "add 'service: ...'"),
    ("signed_requests: {region: EU, service: docs}", "iam-guard.yaml:4:27: /signed_requests/region: the region is not "
                                                     "a word of small letters, digits and hyphens"),
    ("signed_requests: {region: eu, service: docs, skew: 1}", "iam-guard.yaml:4:46: /signed_requests/skew: 'skew' is "
                                                              "not a setting here; did you mean 'max_skew'?"),
    ("signed_requests: {region: eu, service: docs, max_skew: 1000}",
     "iam-guard.yaml:4:56: /signed_requests/max_skew: 'max_skew' is out of bounds; write 1 to 900"),
])
def test_mistakes_are_told_with_their_place(settings: Path, text: str, message: str) -> None:
    assert faults_of(settings, SETTINGS.replace(RULES, text)) == [message]


def test_a_folder_of_policies_has_no_keys(settings: Path) -> None:
    (settings.parent / "iam").mkdir()
    [fault] = faults_of(settings, SETTINGS.replace("store: sqlite:///iam.db", "policies: iam"))
    assert "/signed_requests: a folder of policies has no access keys" in fault


def test_the_key_ring_is_missed_at_the_start(settings: Path, directory: Directory,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    [fault] = faults_of(settings, SETTINGS)
    assert f"/signed_requests: there is no key to hide secret access keys with; set {KEY_VARIABLE}" in fault


def test_somebody_has_to_say_who_asks(settings: Path) -> None:
    assert len(faults_of(settings, SETTINGS.replace(f"{RULES}\n", ""))) == 1


def test_two_processes_with_one_file_let_a_write_in_once(settings: Path, directory: Directory) -> None:
    text = SETTINGS.replace("service: docs}", "service: docs, replays: all}") + "credentials: {replay_file: used.db}\n"
    settings.write_text(text)
    signed = signature(new_access_key(directory))
    answers = asyncio.run(ask(settings, signed)) + asyncio.run(ask(settings, signed))
    assert [status for status, _ in answers] == [200, 401]
    assert (settings.parent / "used.db").exists()


def test_a_file_for_nothing_is_a_mistake(settings: Path) -> None:
    text = SETTINGS.replace("issuers: []", ISSUERS).replace(
        "signed_requests: {region: eu-central-1, service: docs}\n", "credentials: {replay_file: used.db}\n")
    [told] = faults_of(settings, text)
    assert "nothing is to be used once" in told


def test_a_file_that_cannot_be_made(settings: Path, directory: Directory) -> None:
    [told] = faults_of(settings, SETTINGS + "credentials: {replay_file: nowhere/used.db}\n")
    assert "cannot remember what was used" in told
    assert "iam-guard.yaml" in told
