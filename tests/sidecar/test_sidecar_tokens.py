"""The token service as a door of the sidecar: a session of it opens another door of the same process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sidecar_process import PATIENCE, ROUTES, Running, nginx_call, running

from iam_guard.config.sidecar_plan import token_paths
from iam_guard.config.tokens import make_token_app
from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import Settings, User
from iam_guard.directory.hiding import KEY_VARIABLE, HiddenSecrets, KeyRing, new_key
from iam_guard.directory.operations.access_keys import CreateAccessKey
from iam_guard.directory.port import Note
from iam_guard.model import Principal
from iam_guard.store.urls import open_store
from iam_guard.sts.key_file import SigningKeyFile

ACCOUNT = "111122223333"
ADMIN = Principal.user("admin", account=ACCOUNT)
READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}'
ISSUER = "https://sts.example/tokens"
SETTINGS = f"""\
store: "sqlite:///iam.db"
routes: routes.yaml
issuers: [{{preset: token_service, issuer: "{ISSUER}", audience: docs, jwks_file: jwks.json}}]
edge: {{trusted_proxies: [127.0.0.1]}}
log: {{logger: ""}}
sidecar: {{listen: "127.0.0.1:0", forward: [{{proxy: nginx}}], control: {{listen: "localhost:0"}}}}
tokens: {{issuer: "{ISSUER}", audience: docs, keys: keys.json}}
"""


class Anyone:
    """A referee that refuses nothing."""

    def before(self, operation: object, work: object) -> None:
        """Fine."""

    def after(self, operation: object, work: object) -> None:
        """Fine."""


def new_access_key(folder: Path, hiding: str) -> dict[str, Any]:
    """A directory with one user, and a key of that user."""
    store = open_store(f"sqlite:///{folder / 'iam.db'}")
    try:
        with store.write(Note(ADMIN.arn, "Import", "2026-01-01T12:00:00Z")) as tx:
            tx.put(Settings(default_account=ACCOUNT))
            tx.put(User(account=ACCOUNT, name="ann", arn=f"arn:app:iam::{ACCOUNT}:user/ann", id="AIDAANN",
                        inline={"read": READ}))
        secrets = HiddenSecrets(KeyRing.from_environment({KEY_VARIABLE: hiding}))
        found: dict[str, Any] = Directory(store, referee=Anyone(), secrets=secrets).perform(
            CreateAccessKey(user_name="ann"), by=ADMIN)["AccessKey"]
        return found
    finally:
        store.close()


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("tokens")
    hiding = new_key()
    key = new_access_key(folder, hiding)
    keys = SigningKeyFile(folder / "keys.json").make(0)
    (folder / "jwks.json").write_text(json.dumps(keys.jwks(time.time())))
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "iam-guard.yaml").write_text(SETTINGS)
    with running(folder / "iam-guard.yaml", doors=3, **{KEY_VARIABLE: hiding}) as found:
        yield found, key


def test_a_session_that_one_door_gives_opens_another(sidecar: tuple[Running, dict[str, Any]]) -> None:
    found, key = sidecar
    assert found.addresses["tokens"] == found.addresses["forward"]
    with httpx.Client(base_url=found.url("tokens"), timeout=PATIENCE) as client:
        given = client.post("/tokens/token", data={"grant_type": "client_credentials"},
                            auth=(key["AccessKeyId"], key["SecretAccessKey"]))
        assert given.status_code == 200, given.text
        asked = nginx_call(Authorization=f"Bearer {given.json()['access_token']}")
        answer = client.get("/forward-auth/nginx", headers=asked)
        assert (answer.status_code, answer.headers["x-guard-account"]) == (200, ACCOUNT)


def test_a_wrong_secret_gets_no_session(sidecar: tuple[Running, dict[str, Any]]) -> None:
    found, key = sidecar
    with httpx.Client(base_url=found.url("tokens"), timeout=PATIENCE) as client:
        refused = client.post("/tokens/token", data={"grant_type": "client_credentials"},
                              auth=(key["AccessKeyId"], "wrong"))
        assert refused.status_code == 401
        assert refused.json()["error"] == "invalid_client"


def test_its_keys_and_metadata_are_for_everybody(sidecar: tuple[Running, dict[str, Any]]) -> None:
    found, _ = sidecar
    with httpx.Client(base_url=found.url("tokens"), timeout=PATIENCE) as client:
        metadata = client.get("/.well-known/oauth-authorization-server/tokens").json()
        assert (metadata["issuer"], metadata["token_endpoint"]) == (ISSUER, f"{ISSUER}/token")
        assert client.get("/tokens/jwks.json").json()["keys"]
        assert client.get("/tokens/else").status_code == 404


@pytest.mark.parametrize("issuer", ["https://sts.example", "https://sts.example/", ISSUER])
def test_every_path_of_the_service_is_one_of_the_door(issuer: str, tmp_path: Path) -> None:
    hiding = new_key()
    new_access_key(tmp_path, hiding)
    SigningKeyFile(tmp_path / "keys.json").make(0)
    app = make_token_app(f"sqlite:///{tmp_path / 'iam.db'}", issuer=issuer, audience="docs",
                         keys=tmp_path / "keys.json", environment={KEY_VARIABLE: hiding})

    async def paths() -> set[str]:
        async with app.router.lifespan_context(app):
            return {getattr(route, "path", "") for route in app.routes}

    assert asyncio.run(paths()) == set(token_paths(issuer))
