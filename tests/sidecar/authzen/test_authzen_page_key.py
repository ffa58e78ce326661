"""A secret of the settings seals page tokens, so that decision points on several machines answer for each other."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from authzen_pdp import PDP, SEARCH
from tokens import IDP, claims_of, jwk, jwks, rsa_key, token

from iam_guard.config.settings import Settings
from iam_guard.config.sidecar import make_sidecar
from iam_guard.errors import ConfigurationError

KEY = "0123456789abcdef" * 4
ACTIONS = ["read", "write", "delete"]
ASKED = {"subject": {"type": "user", "id": "ann"}, "resource": {"type": "record", "id": "1"}, "page": {"limit": 1}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "iam" / "users").mkdir(parents=True)
    statements = [{"Effect": "Allow", "Action": "iam-guard:*", "Resource": PDP},
                  {"Effect": "Allow", "Action": "record:*", "Resource": "*"}]
    policy = {"Version": "2012-10-17", "Statement": statements}
    (tmp_path / "iam" / "users" / "ann.json").write_text(json.dumps({"inline": {"all": policy}}))
    (tmp_path / "routes.yaml").write_text("version: 1\nroutes:\n  GET /: {public: true}\n")
    return tmp_path


def _settings(folder: Path, page_key: Any) -> Settings:
    return Settings.from_mapping({
        "policies": "iam/", "routes": "routes.yaml", "strict": False,
        "issuers": [{"issuer": IDP, "audience": "iam-guard", "algorithms": ["RS256"],
                     "keys": jwks(jwk(rsa_key("k1"), "k1"))}],
        "sidecar": {"authzen": {"base": "https://pdp.example.com", "actions": {"record": ACTIONS},
                                **({} if page_key is None else {"page_key": page_key})}}}, folder=folder)


async def _search(folder: Path, page_key: Any, body: Any) -> tuple[int, Any]:
    """What a sidecar of its own answers."""
    made = make_sidecar(_settings(folder, page_key))
    [app] = [door.app for door in made.doors if door.name == "authzen" and door.app is not None]
    now, payload, sent = int(time.time()), json.dumps(body).encode(), list[Any]()
    bearer = token(claims_of("ann", iat=now - 10, exp=now + 600))
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
             "path": SEARCH + "action", "raw_path": (SEARCH + "action").encode(), "query_string": b"", "root_path": "",
             "headers": [(b"host", b"pdp.example.com"), (b"content-type", b"application/json"),
                         (b"authorization", f"Bearer {bearer}".encode())],
             "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8181), "state": {}}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": payload, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    for part in made.parts:
        await part.start()
    try:
        await app(scope, receive, send)
    finally:
        for part in reversed(made.parts):
            await part.close()
    return sent[0]["status"], json.loads(sent[1]["body"])


def _second_page(folder: Path, first_key: Any, second_key: Any) -> tuple[int, Any]:
    status, first = asyncio.run(_search(folder, first_key, ASKED))
    assert (status, len(first["results"])) == (200, 1)
    return asyncio.run(_search(folder, second_key, {**ASKED, "page": {"token": first["page"]["next_token"]}}))


def test_two_sidecars_with_one_key_answer_for_each_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGE_KEY", KEY)
    (folder / "page.key").write_text(KEY + "\n")
    status, second = _second_page(folder, {"env": "PAGE_KEY"}, {"file": "page.key"})
    assert status == 200, second
    assert [one["name"] for one in second["results"]] == sorted(ACTIONS)[1:2]


def test_two_sidecars_with_keys_of_their_own_do_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGE_KEY", KEY)
    assert _second_page(folder, None, None)[0] == 400
    assert _second_page(folder, {"env": "PAGE_KEY"}, None)[0] == 400


@pytest.mark.parametrize(("page_key", "at", "why"), [
    (KEY, "/sidecar/authzen/page_key", "a secret stands in the settings"),
    ({"env": "NOT_THERE"}, "/sidecar/authzen/page_key/env", "empty or not there"),
    ({"file": "not.there"}, "/sidecar/authzen/page_key/file", "empty or not there"),
    ({"env": "A", "file": "b"}, "/sidecar/authzen/page_key", "in one place"),
    ({"env": "SHORT"}, "/sidecar/authzen/page_key", "shorter than 32 characters"),
])
def test_keys_that_are_none(folder: Path, monkeypatch: pytest.MonkeyPatch, page_key: Any, at: str, why: str) -> None:
    monkeypatch.setenv("SHORT", KEY[:31])
    with pytest.raises(ConfigurationError) as refused:
        make_sidecar(_settings(folder, page_key))
    [fault] = refused.value.faults
    assert fault.pointer == at
    assert why in fault.message
    assert KEY not in str(refused.value)
    assert KEY[:31] not in str(refused.value)
